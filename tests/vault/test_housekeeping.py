"""What is swept and, above all, what is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from pipelines.models import Pipeline, PipelineVersion, Run, StepRun
from pipelines.running.context import scratch_name
from studio.celery import app
from studio.jobs import State
from studio.models import Workspace
from vault import housekeeping, ingest, store
from vault.models import Upload
from vault.tasks import sweep

DAY = timedelta(days=1)


def fill(folder: Path, *, days_old: float) -> Path:
    """A folder with a file of 1,000 bytes in it that was last written that long ago."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "file").write_bytes(b"x" * 1000)
    then = (timezone.now() - timedelta(days=days_old)).timestamp()
    for item in (folder / "file", folder):
        os.utime(item, (then, then))
    return folder


@pytest.fixture
def step(workspace: Workspace) -> Callable[..., Path]:
    """``step(state, days=n)``: the scratch folder of a step that came into that state n days ago."""
    pipeline = Pipeline.objects.create(workspace=workspace, slug="p", name="P")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    run = Run.objects.create(workspace=workspace, version=version, number=1, state=State.RUNNING)

    def make(state: State, *, days: float) -> Path:
        then = timezone.now() - timedelta(days=days)
        job = StepRun.objects.create(
            run=run, node=f"{state}-{days}", position=0, step="train", version=1, queue="cpu", state=state, attempt=1,
            started_at=then, finished_at=then, lease_until=then,
        )  # fmt: skip
        return fill(store.scratch_dir(scratch_name(job.pk)), days_old=days)

    return make


def test_the_scratch_of_a_stopped_step_is_kept_for_a_retry_and_then_swept(step: Callable[..., Path]) -> None:
    kept = [step(State.FAILED, days=13), step(State.CANCELLED, days=13)]
    kept += [step(state, days=90) for state in (State.PENDING, State.RUNNING, State.WAITING)]
    gone = [step(State.FAILED, days=15), step(State.CANCELLED, days=15), step(State.SUCCEEDED, days=0)]
    assert {(s.path, s.size) for s in housekeeping.sweep()} == {(folder, 1000) for folder in gone}
    assert all(folder.exists() for folder in kept) and not any(folder.exists() for folder in gone)
    assert list(housekeeping.sweep()) == []


def make_upload(workspace: Workspace, state: State, *, ready: bool, days: float) -> Upload:
    then = timezone.now() - timedelta(days=days)
    upload = Upload.objects.create(
        workspace=workspace, dataset_name="x", file_name="x.csv", state=state, ready=ready, finished_at=then
    )
    Upload.objects.filter(pk=upload.pk).update(created_at=then)
    fill(ingest.source_path(upload).parent, days_old=days)
    return upload


def test_an_abandoned_draft_is_cancelled_and_its_file_deleted(workspace: Workspace) -> None:
    old = make_upload(workspace, State.PENDING, ready=False, days=8)
    others = [
        make_upload(workspace, State.PENDING, ready=False, days=6),
        make_upload(workspace, State.PENDING, ready=True, days=90),
        make_upload(workspace, State.WAITING, ready=True, days=90),
        make_upload(workspace, State.SUCCEEDED, ready=True, days=90),
        make_upload(workspace, State.FAILED, ready=True, days=13),
    ]
    failed = make_upload(workspace, State.FAILED, ready=True, days=15)
    assert {s.path.name for s in housekeeping.sweep()} == {f"upload-{old.pk}", f"upload-{failed.pk}"}
    old.refresh_from_db()
    assert old.state == State.CANCELLED
    for upload in others:
        assert ingest.source_path(upload).parent.exists(), upload.state
        assert Upload.objects.get(pk=upload.pk).state == upload.state


def test_leftovers_of_no_job_go_after_a_day_without_a_change(db: None, data_root: Path) -> None:
    names = ("upload-5f0e4a52-7d1c-4d6e-9f55-0a1b2c3d4e5f", "import-x", "uploads/part", "steps/x")
    old = [fill(data_root / "scratch" / name, days_old=2) for name in names]
    fresh = fill(data_root / "scratch" / "import-y", days_old=2)
    (fresh / "file").write_bytes(b"written now, in a folder that is old")
    unknown = fill(data_root / "scratch" / "notes", days_old=99)
    assert {s.path for s in housekeeping.sweep()} == set(old)
    assert fresh.exists() and unknown.exists() and (data_root / "scratch" / "uploads").exists()


def test_half_made_models_go_and_finished_ones_stay(db: None, data_root: Path) -> None:
    models = data_root / "models"
    kept = [
        fill(models / "gguf-0123456789abcdef-v2", days_old=99),
        fill(models / "hub", days_old=99),
        fill(models / "gguf-new_conv", days_old=0.9),
    ]
    gone = fill(models / "gguf-a1b2c3_x", days_old=1.1)
    assert [s.path for s in housekeeping.sweep()] == [gone]
    assert all(folder.exists() for folder in kept)


def test_the_command_names_what_it_freed(workspace: Workspace, data_root: Path) -> None:
    out = StringIO()
    call_command("sweep", stdout=out)
    assert out.getvalue() == "There was nothing to delete.\n"
    recorded = store.publish(fill(data_root / "scratch" / "a", days_old=0), kind="dataset", workspace=workspace)
    orphan = store.place(fill(data_root / "scratch" / "b", days_old=0), kind="report")
    for sha in (recorded.sha256, orphan.sha256):
        os.utime(store.folder_of(sha), (1, 1))
    call_command("sweep", stdout=out)
    assert f"artifacts/{orphan.sha256[:2]}/{orphan.sha256}" in out.getvalue() and "MB freed." in out.getvalue()
    assert store.path(recorded).exists() and not store.folder_of(orphan.sha256).exists()


def test_the_clock_sweeps_once_a_day(db: None, data_root: Path) -> None:
    entry = settings.CELERY_BEAT_SCHEDULE["sweep"]
    assert entry["schedule"] == DAY.total_seconds()
    left = fill(data_root / "scratch" / "import-x", days_old=2)
    app.autodiscover_tasks(["vault"], force=True)
    assert app.tasks[entry["task"]].name == sweep.name
    sweep()
    assert not left.exists()
