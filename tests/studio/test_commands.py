"""The management commands that start, prepare and examine an installation."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from studio import diagnosis, preparation, startup


@pytest.fixture
def roots(settings: Settings, data_root: Path) -> Path:
    """A data root whose static files lie there too."""
    settings.STATIC_ROOT = data_root / "staticfiles"
    return data_root


def test_prepare_makes_the_owner_and_prints_a_link_that_signs_them_in(db: None, roots: Path) -> None:
    out = StringIO()
    call_command("prepare", stdout=out)
    link = next(word for word in out.getvalue().split() if "/sign-in/once/" in word)
    path = link.partition("/sign-in/")[2]
    client = Client()
    assert client.post(f"/sign-in/{path}").status_code == 302
    assert client.session["_auth_user_id"] == str(User.objects.get(username="owner").pk)
    assert list((roots / "staticfiles").iterdir())


def test_prepare_prints_no_link_once_the_owner_has_signed_in(db: None, roots: Path) -> None:
    call_command("prepare", stdout=StringIO())
    Client().force_login(User.objects.get(username="owner"))
    out = StringIO()
    call_command("prepare", stdout=out)
    assert "/sign-in/once/" not in out.getvalue()
    assert User.objects.count() == 1


def test_up_refuses_to_start_twice_and_names_the_first(db: None, roots: Path) -> None:
    startup.prepare_folders(roots)
    err = StringIO()
    with startup.only_once(roots, url="http://127.0.0.1:8123"), pytest.raises(SystemExit):
        call_command("up", stderr=err)
    assert "already running at http://127.0.0.1:8123" in err.getvalue()


def test_up_says_in_one_line_that_the_port_is_taken(db: None, roots: Path) -> None:
    err = StringIO()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit):
            call_command("up", port=port, stderr=err)
    assert (
        err.getvalue().strip()
        == f"Port {port} is taken by another program. Choose another: STUDIO_PORT={port + 10} make run"
    )


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases have their own tools for this")
def test_a_sqlite_database_is_copied_before_an_upgrade(transactional_db: None, roots: Path) -> None:
    said: list[str] = []
    preparation.back_up(said.append)
    (copy,) = (roots / "backups").iterdir()
    assert copy.read_bytes().startswith(b"SQLite format 3")
    assert str(copy) in said[0]


def test_a_sign_in_link_for_an_unknown_name_lists_close_ones(owner: User) -> None:
    with pytest.raises(CommandError, match=r"There is no active user 'owner-of-lib'\. Did you mean 'owner-of-lab'"):
        call_command("sign_in_link", "owner-of-lib")


def test_a_sign_in_link_works(owner: User) -> None:
    out = StringIO()
    call_command("sign_in_link", owner.username, stdout=out)
    path = "/sign-in/" + out.getvalue().strip().partition("/sign-in/")[2]
    client = Client()
    client.post(path)
    assert client.session["_auth_user_id"] == str(owner.pk)


def test_doctor_reports_each_part_and_is_content_with_a_sound_installation(db: None, roots: Path) -> None:
    out = StringIO()
    call_command("doctor", stdout=out)
    for part in ("Python 3", "packages are installed", "Data folder", "answers and is up to date", "Broker:"):
        assert part in out.getvalue()
    assert "WRONG" not in out.getvalue()


def test_doctor_names_what_is_missing_and_fails(db: None, roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "ML_PACKAGES", ("no_such_package",))
    out = StringIO()
    with pytest.raises(CommandError, match=r"1 thing\(s\) to mend"):
        call_command("doctor", stdout=out)
    assert "Missing for training and export: no_such_package" in out.getvalue()
    assert "make setup" in out.getvalue()


def test_doctor_says_when_the_broker_does_not_answer(db: None, roots: Path, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    (finding,) = diagnosis.broker()
    assert (finding.level, finding.what) == ("problem", "The broker at STUDIO_REDIS_URL does not answer")


def test_doctor_knows_a_running_studio(roots: Path) -> None:
    startup.prepare_folders(roots)
    with startup.only_once(roots, url="http://127.0.0.1:8123"):
        (finding,) = diagnosis.running()
    assert finding.what == "The Studio is running at http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("STUDIO_PORT", "eighty", "STUDIO_PORT is 'eighty', which is not a whole number."),
        ("STUDIO_DATA_ROOT", "/dev/null/data", "cannot be read or made: Not a directory."),
    ],
)
def test_settings_that_cannot_work_are_said_in_words(name: str, value: str, says: str) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "manage.py", "up"]
    done = subprocess.run(command, cwd=root, env={**os.environ, name: value}, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
