"""A draft becomes the next version: a job. Killed at any moment it loses nothing, run twice it makes one version."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from studio import audit
from studio.jobs import State
from studio.lib.disk import is_disk_full
from studio.lib.errors import Cancelled, LeaseLost, StudioError
from vault import store
from vault.editing.drafts import change_of
from vault.editing.positions import unpack
from vault.editing.rewriting import Outcome, Within, rewrite
from vault.editing.selection import in_force
from vault.ingest import every_second
from vault.models import Artifact, Dataset, DatasetVersion, Draft, EditOperation


def run(pk: Any) -> None:
    """Commit a draft if it is there to be committed. Safe to call twice, or by two workers: one of them claims it."""
    draft = Draft.claim(pk)
    if draft is None:
        return
    scratch = f"commit-{draft.pk}-{draft.attempt}"
    try:
        _conclude(draft, store.scratch_dir(scratch))
    except LeaseLost:
        # Another worker has it now; it has a folder of its own.
        pass
    finally:
        store.remove_scratch(scratch)


def _conclude(draft: Draft, scratch: Path) -> None:
    """Commit, and end the attempt in the state that fits what happened."""
    try:
        _commit(draft, scratch)
    except LeaseLost:
        raise
    except Cancelled:
        # A commit that somebody stopped is no discarded draft: it is open again, with all that was in it.
        draft.finish(State.CANCELLED)
        draft.reopen()
    except StudioError as error:
        draft.finish(State.FAILED, error=str(error), action=error.action)
    except Exception:  # The one place where a bug in a commit becomes a failed job with its trace.
        draft.finish(
            State.FAILED,
            error="The commit stopped because of a fault in the Studio.",
            action="Try again; if it happens again, give the operator the time and this dataset's address.",
            trace=traceback.format_exc(),
        )


def _commit(draft: Draft, scratch: Path) -> None:
    base = DatasetVersion.objects.select_related("artifact", "dataset__workspace").get(pk=draft.version_id)
    operations = in_force(draft)
    done = 0

    def write_progress() -> None:
        draft.heartbeat(progress_done=done)

    draft.heartbeat(
        progress_done=0,
        progress_from=0,
        progress_since=timezone.now(),
        progress_unit="rows",
        progress_total=base.rows,
        progress_note="Writing rows",
    )
    tick = every_second(write_progress)

    def beat(rows: int) -> None:
        nonlocal done
        done = rows
        tick()

    try:
        outcome = rewrite(
            store.path(base.artifact),
            scratch / "rows",
            scratch / "rejects",
            [(change_of(one), within(one)) for one in operations],
            beat=beat,
        )
    except OSError as error:
        if is_disk_full(error):
            raise store.DiskFull from error
        raise
    check(outcome, base)
    draft.heartbeat(progress_done=base.rows, progress_note="Storing")
    placed = store.place(scratch / "rows", kind="dataset", beat=tick)
    rejects = store.place(scratch / "rejects", kind="dataset", beat=tick) if outcome.rejected else None
    with transaction.atomic():
        draft.write(made=record_version(draft, base, placed, rejects, operations=operations, outcome=outcome))
        draft.finish(State.SUCCEEDED)


def within(operation: EditOperation) -> Within:
    """The rows of an operation, a stretch at a time."""

    def positions(low: int, high: int) -> list[int]:
        if operation.high < low or operation.low >= high:
            return []
        found: list[int] = unpack(operation.rids, low=low, high=high).tolist()
        return found

    return positions


def check(outcome: Outcome, base: DatasetVersion) -> None:
    """Raise when the next version would be empty, or the same rows again."""
    if outcome.kept == 0:
        raise StudioError(
            f"All {base.rows:,} rows are rejected: the next version would be empty.",
            action="Go on editing, and undo the rejection of some rows.",
        )
    if not outcome.edited and not outcome.rejected:
        raise StudioError(
            "The edits change no row: together they leave everything as it was.",
            action="Discard the draft, or go on editing.",
        )


def record_version(
    draft: Draft,
    base: DatasetVersion,
    placed: store.Placed,
    rejects: store.Placed | None,
    *,
    operations: list[EditOperation],
    outcome: Outcome,
) -> DatasetVersion:
    """The next version of the dataset. Call it inside the transaction that ends the job."""
    # Two writers of one dataset take their numbers one after the other.
    dataset = Dataset.objects.select_for_update().get(pk=base.dataset_id)
    workspace = base.dataset.workspace
    artifact = store.record(placed, kind="dataset", workspace=workspace, meta={"rows": outcome.kept})
    summary: dict[str, Any] = {
        "edits": len(operations),
        "edited": outcome.edited,
        "people": sorted({one.author.get_username() for one in operations if one.author}),
    }
    if rejects:
        store.record(rejects, kind="dataset", workspace=workspace, meta={"rows": outcome.rejected})
        reasons = dict(outcome.reasons.most_common(20))
        summary["rejects"] = {"rows": outcome.rejected, "artifact": rejects.sha256, "reasons": reasons}
    latest = dataset.latest
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=latest.number + 1 if latest else 1,
        artifact=artifact,
        rows=outcome.kept,
        message=draft.message or f"{len(operations)} edits of version {base.number}",
        summary=summary,
        parent=base,
        created_by=draft.committed_by,
    )
    audit.record(
        workspace,
        actor=draft.committed_by or "system",
        verb="committed",
        subject=str(version),
        details={"from": base.number, "message": version.message, **summary},
    )
    return version


def rejects_of(version: DatasetVersion) -> Artifact | None:
    """The rows that the commit of this version left out, or None."""
    found = version.summary.get("rejects") or {}
    return Artifact.objects.filter(
        workspace=version.dataset.workspace, kind="dataset", sha256=found.get("artifact", "")
    ).first()


def restore(version: DatasetVersion, *, user: Any, message: str = "") -> DatasetVersion:
    """The next version of the dataset with the very rows of an older one. The newest one is not made again."""
    with transaction.atomic():
        dataset = Dataset.objects.select_for_update().get(pk=version.dataset_id)
        latest = dataset.latest
        if latest is not None and latest.artifact_id == version.artifact_id:
            raise StudioError(
                f"The newest version, {latest.number}, holds these very rows already.", action="There is nothing to do."
            )
        made = DatasetVersion.objects.create(
            dataset=dataset,
            number=latest.number + 1 if latest else 1,
            artifact=version.artifact,
            rows=version.rows,
            message=message or f"Restored version {version.number}",
            summary={"restored": version.number},
            parent=version,
            created_by=user,
        )
        audit.record(
            dataset.workspace,
            actor=user,
            verb="restored",
            subject=str(version),
            details={"as": made.number, "message": made.message},
        )
    return made
