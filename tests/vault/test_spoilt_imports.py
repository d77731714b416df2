"""Spoilt files through the whole door: received, previewed, imported. No fault of the Studio, and nothing half imported."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from studio.jobs import State
from studio.lib.canonical import file_sha256
from studio.lib.errors import StudioError
from studio.models import Workspace
from studio.registries import READERS
from vault import ingest, receiving, scan, store
from vault.arrivals import Received
from vault.models import Artifact, DatasetVersion, Upload
from vault.rows import count_rows

from .readers.test_fuzz import SEEDS, spoil


def send(content: bytes, name: str, folder: Path, workspace: Workspace, user: User) -> str:
    """Send one file in and say how it ended."""
    path = folder / "sent"
    path.write_bytes(content)
    received = Received(path, name, len(content), file_sha256(path), content.count(b"\n"))
    try:
        [upload] = receiving.receive([received], workspace=workspace, name="spoilt", user=user)
        reader = READERS[upload.reader]()
        params = ingest.parse_params(upload.reader, upload.params)
        scan.preview(ingest.source_path(upload), reader, params, seconds=1.0, file_name=upload.file_name)
    except StudioError as error:
        assert str(error)
        return "refused"
    ingest.start(upload, reader=upload.reader, params=params, good_rows_only=True)
    ingest.run_upload(upload.pk)
    upload.refresh_from_db()
    assert upload.state in (State.SUCCEEDED, State.FAILED) and not upload.trace, upload.trace
    if upload.state == State.FAILED:
        assert upload.error and upload.version is None
        return "failed"
    assert upload.version is not None
    assert count_rows(store.path(upload.version.artifact)) == upload.version.rows > 0
    return "imported"


def send_many(count: int, folder: Path, workspace: Workspace, user: User, *, seed: int) -> dict[str, int]:
    """Spoil samples ``count`` times, repeatably, send each in, and count how they ended."""
    chance, ends = random.Random(seed), {"refused": 0, "failed": 0, "imported": 0}
    for number in range(count):
        sample = SEEDS[number % len(SEEDS)]
        edits = [
            (chance.randrange(5), chance.randrange(6_000), chance.randrange(2_000)) for _ in range(chance.randint(1, 6))
        ]
        content = spoil(sample.read_bytes(), edits)
        try:
            ends[send(content, sample.name, folder, workspace, user)] += 1
        except Exception as error:
            raise AssertionError(f"file {number} ({sample.name}, {edits}): {error!r}") from error
    return ends


def check_nothing_is_half_there() -> None:
    """Every version has its rows, and every artifact belongs to a version."""
    kept = set(DatasetVersion.objects.values_list("artifact_id", flat=True))
    assert kept == set(Artifact.objects.filter(kind="dataset").values_list("pk", flat=True))
    assert not Upload.objects.filter(state=State.SUCCEEDED, version=None).exists()


def test_spoilt_files_are_refused_failed_or_imported_whole(
    tmp_path: Path, data_root: Path, workspace: Workspace, editor: User
) -> None:
    ends = send_many(len(SEEDS), tmp_path, workspace, editor, seed=1)
    assert ends["refused"] and ends["imported"]
    check_nothing_is_half_there()


@pytest.mark.heavy
def test_ten_thousand_spoilt_files_leave_nothing_half_imported(
    tmp_path: Path, data_root: Path, workspace: Workspace, editor: User
) -> None:
    ends = send_many(10_000, tmp_path, workspace, editor, seed=2)
    assert sum(ends.values()) == 10_000 and ends["refused"] > 500 and ends["imported"] > 500
    check_nothing_is_half_there()
