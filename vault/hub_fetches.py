"""Datasets fetched from the hub: a worker downloads them, and what arrives becomes an upload like any other."""

from __future__ import annotations

import shutil
import traceback
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from studio import audit
from studio.jobs import State
from studio.lib.canonical import file_sha256
from studio.lib.disk import is_disk_full
from studio.lib.errors import Cancelled, LeaseLost, StudioError
from studio.models import Workspace
from vault import receiving, store
from vault.arrivals import Received
from vault.ingest import every_second
from vault.models import HubFetch
from vault.readers import hub
from vault.uploads import SPARE


def start(workspace: Workspace, *, repo: str, revision: str, name: str, user: Any) -> HubFetch:
    """Ask for a dataset; raises ``ReaderError`` for what is no name of one. Nothing is asked of the hub yet."""
    found, wanted = hub.check_names(repo, revision)
    fetch = HubFetch.objects.create(
        workspace=workspace,
        repo=found,
        revision=wanted,
        dataset_name=name.strip()[:120] or found.rpartition("/")[2],
        created_by=user,
        ready=True,
    )
    audit.record(workspace, actor=user or "system", verb="fetched", subject=found, details={"revision": wanted})
    fetch.ring()
    return fetch


def run(pk: Any) -> None:
    """Do it if it is there to be done. Safe to call twice, or by two workers: one of them claims it."""
    fetch = HubFetch.claim(pk)
    if fetch is None:
        return
    scratch = f"import-hub-{fetch.pk}-{fetch.attempt}"
    try:
        _conclude(fetch, store.scratch_dir(scratch))
    except LeaseLost:
        pass
    finally:
        store.remove_scratch(scratch)


def _conclude(fetch: HubFetch, folder: Path) -> None:
    try:
        _fetch(fetch, folder)
    except LeaseLost:
        raise
    except Cancelled as stopped:
        fetch.finish(State.CANCELLED, error=str(stopped))
    except StudioError as error:
        fetch.finish(State.FAILED, error=str(error), action=error.action)
    except Exception:  # The one place where a bug in a download becomes a failed job with its trace.
        fetch.finish(
            State.FAILED,
            error="The download stopped because of a fault in the Studio.",
            action="Try again; if it happens again, give the operator the time and this page's address.",
            trace=traceback.format_exc(),
        )


def _fetch(fetch: HubFetch, folder: Path) -> None:
    fetch.heartbeat(progress_note="Asking the hub", progress_unit="bytes", progress_since=timezone.now())
    hosts = settings.ALLOWED_HOSTS_OUT
    found = hub.look_up(fetch.repo, revision=fetch.revision, allowed_hosts=hosts, endpoint=settings.HUB_URL)
    total = sum(file.size for file in found.files)
    facts = {"files": len(found.files), "bytes": total, "licence": found.licence}
    fetch.write(commit=found.revision, findings=facts, progress_total=total or None, progress_note="Downloading")
    free = shutil.disk_usage(folder).free - SPARE
    limits = hub.HubLimits(total_bytes=max(0, min(hub.DEFAULT.total_bytes, free, settings.MAX_UPLOAD_BYTES)))
    got = folder / "got"

    def show() -> None:
        done = sum(file.stat().st_size for file in got.iterdir()) if got.exists() else 0
        fetch.heartbeat(progress_done=done)

    try:
        hub.fetch(found, got, allowed_hosts=hosts, endpoint=settings.HUB_URL, limits=limits, beat=every_second(show))
    except OSError as error:
        if is_disk_full(error):
            raise store.DiskFull from error
        raise
    fetch.heartbeat(progress_done=total, progress_note="Looking at the rows")
    _hand_over(fetch, sorted(got.iterdir()))


def _hand_over(fetch: HubFetch, files: list[Path]) -> None:
    """Make the upload that a person then maps; its file name says what was fetched, and from which commit."""
    source = f"{fetch.repo.replace('/', ' ')} {fetch.commit[:12]}"
    tick = every_second(fetch.heartbeat)
    arrived = [
        Received(path, f"{source} {path.name}", path.stat().st_size, file_sha256(path, beat=tick), 0) for path in files
    ]
    [upload] = receiving.receive(
        arrived, workspace=fetch.workspace, name=fetch.dataset_name, user=fetch.created_by, together=True
    )
    upload.findings["hub"] = {"repo": fetch.repo, "commit": fetch.commit, **fetch.findings}
    upload.save(update_fields=["findings"])
    fetch.write(upload=upload)
    fetch.finish(State.SUCCEEDED)
