"""What the data folder no longer needs, and when that is certain. docs/operations.md has the rules in the operator's words.

Only what is named here is ever deleted: a folder with a name of another kind is left alone.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.utils import timezone

from studio.jobs import Job, State
from vault import store
from vault.models import Artifact, Upload
from vault.store import Swept

UNRECORDED_AFTER = timedelta(days=1)
DRAFT_AFTER = timedelta(days=7)
STOPPED_AFTER = timedelta(days=14)
"""How long the scratch of a failed or cancelled job is kept, so that a retry goes on where it stood."""

HALF_MADE_MODEL = re.compile(r"gguf-[a-z0-9_]{8}")
"""A model being converted, as ``pipelines.recipes.base_models`` calls it; finished ones have longer names."""


def sweep() -> Iterator[Swept]:
    """Delete what nobody needs any more; yields each deleted file or folder with the bytes it held."""
    yield from store.sweep(older_than_seconds=UNRECORDED_AFTER.total_seconds())
    yield from sweep_drafts()
    yield from sweep_scratch()
    yield from sweep_models()
    yield from sweep_derived()


def sweep_derived() -> Iterator[Swept]:
    """What was computed from artifacts that are no more."""
    known = set(Artifact.objects.values_list("sha256", flat=True))
    for folder in (settings.DATA_ROOT / "derived").glob("*/*"):
        if folder.name not in known and _is_over(folder, None):
            yield from _delete(folder)


def sweep_drafts() -> Iterator[Swept]:
    """Uploads whose mapping nobody ever settled: cancelled, and their file deleted."""
    old = timezone.now() - DRAFT_AFTER
    for upload in Upload.objects.filter(state=State.PENDING, ready=False, created_at__lt=old):
        upload.request_cancel()
        if upload.state == State.CANCELLED:
            yield from _delete(_scratch() / f"upload-{upload.pk}")


def sweep_scratch() -> Iterator[Swept]:
    """Working folders of jobs that are over, and files that arrived for no job at all."""
    for folder in _scratch().glob("steps/*"):
        job = _job(folder.name)
        if _is_over(folder, job) or (job and job.state == State.SUCCEEDED):
            yield from _delete(folder)
    for folder in _scratch().glob("upload-*"):
        # That of an import that succeeded is small: it holds the list of refused lines, which its page shows.
        if _is_over(folder, _job(folder.name.removeprefix("upload-"))):
            yield from _delete(folder)
    loose = ("import-*", "derive-*", "commit-*", "uploads/*", "arriving/*")
    for item in (found for pattern in loose for found in _scratch().glob(pattern)):
        if _is_over(item, None):
            yield from _delete(item)


def sweep_models() -> Iterator[Swept]:
    """Conversions of base models that were killed half way."""
    for folder in (settings.DATA_ROOT / "models").glob("gguf-*"):
        if HALF_MADE_MODEL.fullmatch(folder.name) and _is_over(folder, None):
            yield from _delete(folder)


def _scratch() -> Path:
    return Path(settings.DATA_ROOT / "scratch")


def _job(name: str) -> Job | None:
    """The job of whatever kind whose id this is."""
    try:
        pk = uuid.UUID(name)
    except ValueError:
        return None
    kinds = [model for model in apps.get_models() if issubclass(model, Job)]
    return next((job for kind in kinds if (job := kind._default_manager.filter(pk=pk).first())), None)


def _is_over(item: Path, job: Job | None) -> bool:
    """Whether a job stopped long ago; without a job, whether nothing has been written here for long."""
    if job is None:
        return time.time() - _last_write(item) > UNRECORDED_AFTER.total_seconds()
    if job.state not in (State.FAILED, State.CANCELLED) or job.finished_at is None:
        return False
    return job.finished_at < timezone.now() - STOPPED_AFTER


def _last_write(item: Path) -> float:
    times = []
    for part in (item, *item.rglob("*")):
        try:
            times.append(part.lstat().st_mtime)
        except FileNotFoundError:
            # Somebody is at work here.
            return time.time()
    return max(times)


def _delete(item: Path) -> Iterator[Swept]:
    try:
        size = store.size_of(item)
    except FileNotFoundError:
        # Its owner, or another sweep, was faster.
        return
    if not item.exists():
        return
    if item.is_dir():
        shutil.rmtree(item, ignore_errors=True)
    else:
        item.unlink(missing_ok=True)
    yield Swept(item, size)
