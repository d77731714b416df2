from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from studio import audit
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Workspace
from studio.reaping import reap
from vault import ingest, store
from vault.ingest import NeedsGoodRowsOnly, import_file
from vault.models import Artifact, Dataset, DatasetVersion, Upload
from vault.problems import read_problems
from vault.readers.base import ReaderError
from vault.rows import Row, read_rows
from vault.tasks import ingest_upload

MAP = {"prompt": "{text}", "completion": "label"}
GOOD = "text,label\nhello,greeting\nbye,farewell\n"


@pytest.fixture
def draft(workspace: Workspace, editor: User) -> Callable[..., Upload]:
    """``draft("content")``: an upload whose file lies in scratch and that is ready to be imported."""

    def make(content: str, *, name: str = "Tickets", good_rows_only: bool = False, **params: Any) -> Upload:
        upload = Upload(
            workspace=workspace,
            dataset_name=name,
            file_name="tickets.csv",
            sha256="0" * 64,
            ready=True,
            reader="columns",
            params={**MAP, **params},
            good_rows_only=good_rows_only,
            created_by=editor,
        )
        path = ingest.source_path(upload)
        path.parent.mkdir(parents=True)
        path.write_text(content)
        upload.save(force_insert=True)
        return upload

    return make


def run(upload: Upload) -> Upload:
    """Do what the worker does with this upload."""
    ingest_upload(str(upload.pk))
    upload.refresh_from_db()
    return upload


def test_an_import_becomes_a_version_with_rows_summary_and_audit(
    draft: Callable[..., Upload], workspace: Workspace
) -> None:
    upload = run(draft(GOOD))
    assert upload.state == State.SUCCEEDED and upload.version is not None
    version = upload.version
    assert (version.dataset.name, version.dataset.slug, version.number, version.rows) == ("Tickets", "tickets", 1, 2)
    rows = list(read_rows(store.path(version.artifact)))
    assert [r.completion_text for r in rows] == ["greeting", "farewell"]
    assert rows[0].meta["source"] == {"file": "tickets.csv", "line": 2}
    assert version.summary["kept"] == 2 and version.summary["refused"] == 0
    event = AuditEvent.objects.get(workspace=workspace)
    assert (event.actor, event.verb, event.subject) == (upload.created_by.get_username(), "imported", "Tickets v1")
    assert list(audit.verify(workspace)) == []
    assert not ingest.source_path(upload).exists()


def test_a_second_import_is_the_next_version_and_the_same_rows_are_not(draft: Callable[..., Upload]) -> None:
    run(draft(GOOD))
    second = run(draft(GOOD + "again,greeting\n"))
    third = run(draft(GOOD + "again,greeting\n"))
    assert second.version is not None and second.version.number == 2
    assert third.version == second.version
    assert DatasetVersion.objects.count() == 2


def test_refused_lines_stop_the_import_until_a_person_says_good_rows_only(draft: Callable[..., Upload]) -> None:
    upload = run(draft(GOOD + "ragged\n,empty\n"))
    assert upload.state == State.WAITING
    assert upload.error == (
        "2 of 4 rows can't be used. The first is on line 4: The line has 1 field, but there are 2 columns."
    )
    assert "Import the 2 good rows" in upload.action
    assert DatasetVersion.objects.count() == 0 and upload.findings["refused"] == 2
    assert [p.line for p in read_problems(ingest.problems_path(upload))] == [4, 5]
    assert ingest.accept_good_rows(upload)
    assert not ingest.accept_good_rows(upload)
    run(upload)
    assert upload.state == State.SUCCEEDED and upload.version is not None and upload.version.rows == 2
    assert upload.version.summary["refused"] == 2


def test_a_file_without_a_good_row_fails_with_the_first_reason(draft: Callable[..., Upload]) -> None:
    upload = run(draft("text,label\nonly\n", good_rows_only=True))
    assert upload.state == State.FAILED
    assert "tickets.csv holds no row that can be used" in upload.error and "line 2" in upload.error and upload.action


def test_a_vanished_file_and_wrong_params_fail_with_advice(draft: Callable[..., Upload]) -> None:
    gone = draft(GOOD)
    ingest.discard(gone)
    assert "is gone" in run(gone).error and gone.action == "Upload it again."
    wrong = run(draft(GOOD, prompt="{txt}"))
    assert wrong.state == State.FAILED and "Did you mean 'text'?" in wrong.error


def test_repeated_ids_are_kept_numbered_or_refused_as_told(draft: Callable[..., Upload]) -> None:
    kept = run(draft(GOOD + "hello,other\n", name="Kept"))
    assert kept.version is not None and kept.findings["repeated"] == 1
    ids = [r.id for r in read_rows(store.path(kept.version.artifact))]
    assert ids[2] == f"{ids[0]}-2"
    assert "repeat" in kept.findings["notices"][0]
    refused = run(draft(GOOD + "hello,other\n", name="Refused", repeated="refuse"))
    assert refused.state == State.WAITING and "already used on line 2" in refused.error


def test_a_full_disk_while_writing_leaves_nothing_and_says_so(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch, data_root: Path
) -> None:
    upload = draft(GOOD)

    def full(folder: Path, rows: Any) -> int:
        folder.mkdir(parents=True)
        next(iter(rows))
        (folder / "rows.parquet").write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "write_rows", full)
        run(upload)
    assert upload.state == State.FAILED and "The disk is full" in upload.error and "Free some space" in upload.action
    assert Artifact.objects.count() == 0 and Dataset.objects.count() == 0
    assert list((data_root / "scratch").rglob("rows.parquet")) == []
    assert upload.retry()
    assert run(upload).state == State.SUCCEEDED


def test_a_full_disk_while_publishing_rolls_everything_back(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = draft(GOOD)

    def full(folder: Path, **_: Any) -> Any:
        raise store.DiskFull

    with monkeypatch.context() as patch:
        patch.setattr(store, "place", full)
        run(upload)
    assert upload.state == State.FAILED and "disk is full" in upload.error
    assert Dataset.objects.count() == 0 and AuditEvent.objects.count() == 0
    upload.retry()
    assert run(upload).state == State.SUCCEEDED


def test_a_bug_ends_in_a_failed_job_with_its_trace(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(ingest, "write", broken)
    upload = run(draft(GOOD))
    assert upload.state == State.FAILED and "fault in the Studio" in upload.error
    assert "ZeroDivisionError: a bug" in upload.trace


def test_two_workers_racing_for_one_upload_import_it_once(draft: Callable[..., Upload]) -> None:
    upload = draft(GOOD)
    assert Upload.claim(upload.pk) is not None
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.RUNNING and DatasetVersion.objects.count() == 0


def test_a_worker_that_lost_its_lease_records_nothing(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = draft(GOOD)
    original = ingest.check

    def taken_over(*args: Any, **kwargs: Any) -> None:
        Upload.objects.filter(pk=upload.pk).update(attempt=7)
        original(*args, **kwargs)

    monkeypatch.setattr(ingest, "check", taken_over)
    run(upload)
    assert upload.state == State.RUNNING and upload.attempt == 7
    assert DatasetVersion.objects.count() == 0 and Artifact.objects.count() == 0


def test_a_worker_that_fails_after_it_lost_its_lease_says_nothing(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = draft(GOOD)

    def fail_late(*_: Any, **__: Any) -> None:
        Upload.objects.filter(pk=upload.pk).update(attempt=7)
        raise StudioError("Too late.", action="None.")

    monkeypatch.setattr(ingest, "check", fail_late)
    run(upload)
    assert (upload.state, upload.attempt, upload.error) == (State.RUNNING, 7, "")
    assert not (ingest.scratch_of(upload) / "rows-1").exists()


def test_rows_are_hashed_before_the_transaction_begins(
    draft: Callable[..., Upload], workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's one write lock is not held while a large file is hashed and flushed."""
    place, depths = store.place, []
    outside = len(connection.savepoint_ids)

    def watch(folder: Path, **how: Any) -> store.Placed:
        depths.append(len(connection.savepoint_ids) - outside)
        return place(folder, **how)

    monkeypatch.setattr(store, "place", watch)
    assert run(draft(GOOD)).state == State.SUCCEEDED
    path = tmp_path / "local.csv"
    path.write_text(GOOD + "more,greeting\n")
    import_file(path, workspace=workspace, name="Local", params=MAP)
    assert depths == [0, 0]


def test_a_cancel_request_is_heard_while_the_rows_are_stored(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = draft(GOOD)
    monkeypatch.setattr(ingest, "BEAT_SECONDS", 0.0)
    place = store.place

    def cancel_first(folder: Path, **how: Any) -> store.Placed:
        Upload.objects.get(pk=upload.pk).request_cancel()
        return place(folder, **how)

    monkeypatch.setattr(store, "place", cancel_first)
    run(upload)
    assert upload.state == State.CANCELLED
    assert DatasetVersion.objects.count() == 0 and Artifact.objects.count() == 0


def test_a_worker_that_lost_its_lease_does_not_write_its_findings(
    draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = draft(GOOD)
    write = ingest.write

    def taken_over(*args: Any, **kwargs: Any) -> None:
        write(*args, **kwargs)
        Upload.objects.filter(pk=upload.pk).update(attempt=7, findings={"kept": "by the other worker"})

    monkeypatch.setattr(ingest, "write", taken_over)
    assert run(upload).findings == {"kept": "by the other worker"}


def test_a_slow_reader_shows_that_it_is_alive_at_every_row(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    beats: list[int] = []
    rows = (Row(id=f"r{n}", prompt=[]) for n in range(5))
    assert len(list(ingest._beating(rows, lambda: beats.append(1)))) == 5
    assert len(beats) == 5


def test_a_cancel_request_stops_a_running_import(draft: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch) -> None:
    upload = draft("text,label\n" + "".join(f"row {n},x\n" for n in range(2000)))
    monkeypatch.setattr(ingest, "BEAT_SECONDS", 0.0)
    beats = []

    def cancel_soon(**progress: Any) -> None:
        beats.append(progress)
        if len(beats) == 2:
            Upload.objects.get(pk=upload.pk).request_cancel()
        heartbeat(**progress)

    claimed = Upload.claim(upload.pk)
    assert claimed is not None
    heartbeat = claimed.heartbeat
    monkeypatch.setattr(claimed, "heartbeat", cancel_soon)
    monkeypatch.setattr(Upload, "claim", classmethod(lambda cls, pk: claimed))
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state == State.CANCELLED and DatasetVersion.objects.count() == 0


def test_a_killed_worker_leaves_no_half_import_and_the_job_is_done_again(tmp_path: Path) -> None:
    """A real process with a real database is killed with SIGKILL while it writes; the reaper and a second worker finish."""
    root = tmp_path / "studio"
    source = tmp_path / "big.csv"
    source.write_text("text,label\n" + "".join(f"row number {n},label {n % 7}\n" for n in range(100_000)))
    environment = {
        **os.environ,
        "STUDIO_DATA_ROOT": str(root),
        "STUDIO_DATABASE_URL": "",
        "STUDIO_REDIS_URL": "",
        "STUDIO_LEASE_SECONDS": "1",
    }

    def python(code: str) -> subprocess.Popen[str]:
        lines = "import django; django.setup()\nfrom django.conf import settings; settings.RING = False\n"
        lines += "from vault import ingest\nfrom vault.models import *\nfrom studio.models import Workspace\n"
        command = [sys.executable, "-c", lines + code]
        environment["DJANGO_SETTINGS_MODULE"] = "studio.settings"
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    first = python(
        "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
        "import shutil\n"
        "w = Workspace.objects.create(slug='w', name='W')\n"
        "u = Upload(workspace=w, dataset_name='Big', file_name='big.csv', reader='columns', sha256='0',\n"
        f"  params={MAP!r})\n"
        "p = ingest.source_path(u); p.parent.mkdir(parents=True)\n"
        f"shutil.copy({str(source)!r}, p)\n"
        "u.save(force_insert=True)\n"
        "print(u.pk, flush=True)\n"
        "ingest.run_upload(u.pk)\n"
    )
    assert first.stdout is not None
    pk = first.stdout.readline().strip()
    deadline = time.monotonic() + 60
    while not list(root.glob("scratch/upload-*/rows-1/rows.parquet")):
        assert time.monotonic() < deadline and first.poll() is None
        time.sleep(0.02)
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    first.stdout.close()
    time.sleep(1.1)
    second = python(
        "import json\nfrom studio.reaping import reap\nfrom vault import store\nfrom vault.rows import count_rows\n"
        f"u = Upload.objects.get(pk={pk!r})\n"
        "before = [u.state, DatasetVersion.objects.count(), Artifact.objects.count()]\n"
        "reap(Upload); ingest.run_upload(u.pk); u.refresh_from_db()\n"
        "print(json.dumps([before, u.state, u.attempt, u.version.rows, store.verify(u.version.artifact)]))\n"
    )
    out, _ = second.communicate(timeout=60)
    assert json.loads(out) == [["running", 0, 0], "succeeded", 2, 100_000, []]


def test_an_expired_lease_is_reaped_and_the_import_runs_again(draft: Callable[..., Upload]) -> None:
    upload = draft(GOOD)
    claimed = Upload.claim(upload.pk)
    assert claimed is not None
    (ingest.scratch_of(upload) / "rows-1").mkdir()
    reap(Upload, now=timezone.now() + timedelta(hours=1))
    assert run(upload).state == State.SUCCEEDED and upload.attempt == 2
    assert [p.name for p in ingest.scratch_of(upload).iterdir()] == ["problems.jsonl"]


def test_import_file_reads_a_local_file_without_a_job(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(GOOD)
    version = import_file(path, workspace=workspace, name="Local", params=MAP)
    assert (version.number, version.rows, version.created_by) == (1, 2, None)
    assert import_file(path, workspace=workspace, name="Local", params=MAP) == version
    assert Upload.objects.count() == 0
    assert AuditEvent.objects.get().actor == "system"


def test_import_file_recognises_and_guesses(workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "chat.txt"
    path.write_text('{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}\n')
    version = import_file(path, workspace=workspace, name="Chat")
    assert next(read_rows(store.path(version.artifact))).completion_text == "a"


def test_import_file_refuses_bad_lines_unless_told(workspace: Workspace, tmp_path: Path, data_root: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(GOOD + "ragged\n")
    with pytest.raises(NeedsGoodRowsOnly, match="1 of 3 rows"):
        import_file(path, workspace=workspace, name="Local", params=MAP)
    assert list((data_root / "scratch").glob("import-*")) == []
    assert import_file(path, workspace=workspace, name="Local", params=MAP, good_rows_only=True).rows == 2


@pytest.mark.parametrize(
    "content,message",
    [
        (b"", "is empty"),
        (b"%PDF-1.7", "PDF"),
        (b"text,label\n", "no row that can be used"),
    ],
)
def test_import_file_names_what_is_wrong_with_a_file(
    workspace: Workspace, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=message) as caught:
        import_file(path, workspace=workspace, name="Local")
    assert caught.value.action and Dataset.objects.count() == 0


def test_import_file_of_a_missing_path_and_of_wrong_params_say_so(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(StudioError, match="There is no file"):
        import_file(tmp_path / "none.csv", workspace=workspace, name="x")
    path = tmp_path / "rows.csv"
    path.write_text(GOOD)
    with pytest.raises(StudioError, match="promt: There is no such parameter"):
        import_file(path, workspace=workspace, name="x", reader="columns", params={"promt": "{text}"})


@pytest.mark.parametrize(
    "name,slug",
    [("Bank Tickets", "bank-tickets"), ("  Été 2026 ", "ete-2026"), ("x" * 200, "x" * 80)],
)
def test_a_dataset_has_a_readable_address(name: str, slug: str) -> None:
    assert ingest.dataset_slug(name) == slug


def test_a_name_without_latin_letters_gets_an_address_of_its_own() -> None:
    assert ingest.dataset_slug("銀行").startswith("dataset-")
    assert ingest.dataset_slug("銀行") != ingest.dataset_slug("保険")


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\x.csv", "a/b.csv", "...", "", "\0x", "x" * 300, "ü;rm -rf.csv"]
)
def test_a_file_name_never_leaves_the_scratch_folder(workspace: Workspace, name: str) -> None:
    upload = Upload(workspace=workspace, dataset_name="x", file_name=name)
    path = ingest.source_path(upload)
    assert path.parent == ingest.scratch_of(upload) / "source"
    assert path.name not in ("", ".", "..") and len(path.name) <= 80
