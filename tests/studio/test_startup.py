"""What stops the Studio from starting, and how it says so."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from studio import startup
from studio.lib.errors import StudioError


def test_folders_are_made(tmp_path: Path) -> None:
    startup.prepare_folders(tmp_path / "new")
    assert {p.name for p in (tmp_path / "new").iterdir()} == {"run", "logs", "scratch", "artifacts"}
    assert not list((tmp_path / "new" / "run").iterdir())


def test_a_data_root_that_cannot_be_made_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be written: Not a directory") as caught:
        startup.prepare_folders(tmp_path / "file" / "data")
    assert "STUDIO_DATA_ROOT" in caught.value.action


def test_a_full_disk_is_said_in_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(startup.shutil, "disk_usage", lambda _: usage(10**12, 10**12, 200_000_000))
    with pytest.raises(StudioError, match=r"Only 0\.2 GB are free .* needs at least 1 GB"):
        startup.prepare_folders(tmp_path)


def test_a_taken_port_is_named_with_another_to_choose() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StudioError, match=f"Port {port} is taken .*STUDIO_PORT={port + 10} make run"):
            startup.require_free_port("127.0.0.1", port)
    startup.require_free_port("127.0.0.1", port)


def test_an_address_that_is_not_this_machine_is_refused() -> None:
    with pytest.raises(StudioError, match=r"cannot listen on 192\.0\.2\.1"):
        startup.require_free_port("192.0.2.1", 8000)


def test_a_second_start_is_told_where_the_first_is(tmp_path: Path) -> None:
    startup.prepare_folders(tmp_path)
    assert not startup.is_running(tmp_path)
    with startup.only_once(tmp_path, url="http://127.0.0.1:8123"):
        assert startup.is_running(tmp_path)
        with (
            pytest.raises(StudioError, match=rf"already running at http://127\.0\.0\.1:8123 \(process {os.getpid()}\)"),
            startup.only_once(tmp_path, url="http://127.0.0.1:9"),
        ):
            pytest.fail("two hold the lock")
    assert not startup.is_running(tmp_path)


def test_the_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    startup.prepare_folders(tmp_path)
    script = (
        "import sys, time; from pathlib import Path; from studio import startup\n"
        "with startup.only_once(Path(sys.argv[1]), url='x'):\n    print('held', flush=True); time.sleep(60)"
    )
    root = Path(__file__).resolve().parents[2]
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert startup.is_running(tmp_path)
    holder.kill()
    holder.communicate()
    with startup.only_once(tmp_path, url="http://127.0.0.1:8000"):
        assert json.loads((tmp_path / "run" / "up.json").read_text())["pid"] == os.getpid()


def test_a_damaged_note_does_not_stop_anything(tmp_path: Path) -> None:
    startup.prepare_folders(tmp_path)
    (tmp_path / "run" / "up.json").write_text("{")
    assert startup.read_note(tmp_path) == {}
    with startup.only_once(tmp_path, url="http://127.0.0.1:8000"):
        assert startup.read_note(tmp_path)["url"] == "http://127.0.0.1:8000"
