"""Rows of evaluations become a dataset of their own: "Hard rows of <pipeline>", the next version each time rows are added."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, cast
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.utils.text import slugify

from evaluation.models import Scorecard
from evaluation.rows.explorer import ItemTable
from studio import audit
from studio.lib.errors import StudioError
from vault import store
from vault.models import Artifact, ArtifactKind, Dataset, DatasetVersion
from vault.query import ask
from vault.rows import COLUMNS, ROWS_FILE, Message, Row, assistant, decode, read_rows, write_rows

MOST = 5_000
"""Rows added at once, and rows that such a dataset may hold: it is read and written within a request."""
TAG = "hard"


def rows_of(card: Scorecard, table: ItemTable, rids: Sequence[int]) -> list[Row]:
    """These rows as they were held out, tagged, with where they come from in ``meta``.

    From the held-out artifact, which has them whole; from the report where that is not on this machine.
    """
    if len(rids) > MOST:
        raise StudioError(
            f"{len(rids):,} rows are too many: a dataset of hard rows takes {MOST:,} at once.",
            action="Narrow the filter.",
        )
    items = [row for rid in rids if (row := table.row(rid)) is not None]
    whole = _held_out(card, [item.id for item in items])
    name = table.source.of_kind("student")
    found = []
    for item in items:
        base = whole.get(item.id) or Row(
            id=item.id,
            prompt=cast(list[Message], item.prompt),
            completion=None if item.teacher is None else assistant(item.teacher),
            reference=None if item.reference is None else assistant(item.reference),
            tags=item.tags,
        )
        answer = item.by_name[name] if name else None
        origin = {
            "evaluation": str(card.pk),
            "run": card.step_run.run.number,
            "student": (answer.said or answer.error) if answer else None,
        }
        tags = base.tags if TAG in base.tags else [*base.tags, TAG]
        found.append(replace(base, tags=tags, meta={**base.meta, "hard": origin}))
    return found


def _held_out(card: Scorecard, ids: Sequence[str]) -> dict[str, Row]:
    artifact = Artifact.objects.filter(
        workspace=card.workspace_id, kind=ArtifactKind.DATASET, sha256=card.held_out_sha
    ).first()
    return {} if artifact is None else whole_rows(artifact, ids)


def whole_rows(artifact: Artifact, ids: Sequence[str]) -> dict[str, Row]:
    """The rows of a dataset artifact with these ids; none when its files are not on this machine."""
    try:
        file = store.path(artifact) / ROWS_FILE
    except StudioError:
        return {}
    if not file.exists():
        return {}
    columns = COLUMNS[1:-1]
    sql = f"SELECT {', '.join(columns)} FROM read_parquet(?) WHERE id IN (SELECT unnest(?::VARCHAR[]))"  # noqa: S608 -- our own columns
    records = ask(sql, [str(file), list(ids)], root=settings.DATA_ROOT)
    rows = [decode(dict(zip(columns, record, strict=True))) for record in records]
    return {row.id: row for row in reversed(rows)}


def add_rows(card: Scorecard, rows: Iterable[Row], *, user: Any) -> tuple[DatasetVersion, int]:
    """The next version with these rows behind those of the last one; also how many are new. Marked as held out, so that
    ``leakage_guard`` keeps them out of training. Raises ``StudioError`` when all are there already."""
    pipeline = card.step_run.run.version.pipeline
    with transaction.atomic():
        dataset, _ = Dataset.objects.select_for_update().get_or_create(
            workspace=card.workspace,
            slug=slugify(f"hard-rows-{pipeline.slug}")[:80],
            defaults={
                "name": f"Hard rows of {pipeline.name}"[:120],
                "description": "Held-out rows that people picked from evaluations. Keep them out of training.",
                "created_by": user,
            },
        )
        latest = dataset.latest
        before = list(read_rows(store.path(latest.artifact))) if latest else []
        known = {row.id for row in before}
        new = [row for row in rows if row.id not in known]
        if not new:
            raise StudioError(
                f"These rows are in {dataset.name} already.", action="There is nothing to do." if latest else ""
            )
        if len(before) + len(new) > MOST:
            raise StudioError(
                f"{dataset.name} would hold more than {MOST:,} rows.",
                action="Rename or delete the dataset to begin anew.",
            )
        version = _publish(card, dataset, latest, [*before, *new], added=len(new), user=user)
    return version, len(new)


def _publish(
    card: Scorecard, dataset: Dataset, latest: DatasetVersion | None, rows: list[Row], *, added: int, user: Any
) -> DatasetVersion:
    run = card.step_run.run
    scratch = f"hard-rows-{uuid4()}"
    try:
        folder = store.scratch_dir(scratch) / "rows"
        write_rows(folder, rows)
        artifact = store.publish(folder, kind="dataset", workspace=card.workspace, meta={"rows": len(rows)})
    finally:
        store.remove_scratch(scratch)
    version = DatasetVersion.objects.create(
        dataset=dataset,
        number=latest.number + 1 if latest else 1,
        artifact=artifact,
        rows=len(rows),
        message=f"{added:,} {'row' if added == 1 else 'rows'} from the evaluation of run {run.number}",
        summary={"added": added, "evaluation": str(card.pk)},
        parent=latest,
        held_out=True,
        created_by=user,
    )
    audit.record(
        card.workspace,
        actor=user,
        verb="added hard rows to",
        subject=str(version),
        details={"rows": added, "evaluation": str(card.pk), "run": run.number},
    )
    return version
