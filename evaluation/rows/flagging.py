"""The list of rows to look into: put one on it, take it off, close it, take the list away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from evaluation.models import FlaggedRow, Scorecard
from evaluation.report.text import safe_cell
from evaluation.rows.explorer import ItemTable
from evaluation.rows.shown import ItemRow
from studio.models import Workspace

TEXT = 2_000
"""Characters kept of a text."""


def flag(card: Scorecard, table: ItemTable, row: ItemRow, *, note: str, user: Any) -> FlaggedRow:
    """Put a row on the list, or give it another note; a closed one is opened again."""
    name = table.source.of_kind("student")
    answer = row.by_name[name] if name else None
    right = row.reference if row.reference is not None else row.teacher
    copied = {
        "workspace": card.workspace,
        "row_id": row.id,
        "question": row.question[:TEXT],
        "right": (right or "")[:TEXT],
        "answer": ((answer.said if answer else "") or (answer.error if answer else "") or "")[:TEXT],
    }
    values = {**copied, "note": note.strip()[:500], "closed_at": None, "closed_by": None}
    made, _ = FlaggedRow.objects.update_or_create(
        scorecard=card, rid=row.rid, defaults=values, create_defaults={**values, "created_by": user}
    )
    return made


def close(flagged: FlaggedRow, *, user: Any) -> None:
    """It was looked into."""
    flagged.closed_at, flagged.closed_by = timezone.now(), user
    flagged.save(update_fields=["closed_at", "closed_by"])


def reopen(flagged: FlaggedRow) -> None:
    """It is to be looked into again."""
    flagged.closed_at, flagged.closed_by = None, None
    flagged.save(update_fields=["closed_at", "closed_by"])


def flag_of(card: Scorecard, rid: int) -> FlaggedRow | None:
    """The entry of a row, or None."""
    return FlaggedRow.objects.filter(scorecard=card, rid=rid).select_related("created_by").first()


def flagged_rids(card: Scorecard, rids: Sequence[int]) -> set[int]:
    """Which of these rows are on the list and open."""
    found = FlaggedRow.objects.filter(scorecard=card, rid__in=rids, closed_at=None)
    return set(found.values_list("rid", flat=True))


def flagged_rows(workspace: Workspace, *, query: str = "", state: str = "open", card: str = "") -> QuerySet[FlaggedRow]:
    """The list under a filter: words of a pipeline's name, ``open``, ``closed`` or ``all``, one evaluation's id."""
    found = FlaggedRow.objects.filter(workspace=workspace).select_related(
        "workspace", "created_by", "closed_by", "scorecard__step_run__run__version__pipeline", "scorecard__workspace"
    )
    if query:
        found = found.filter(scorecard__step_run__run__version__pipeline__name__icontains=query)
    if card:
        found = found.filter(scorecard__pk=card)
    if state in ("open", "closed"):
        found = found.filter(closed_at__isnull=state == "open")
    return found


def to_csv(rows: Iterable[FlaggedRow]) -> str:
    """The list for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["pipeline", "run", "row", "row_id", "question", "right", "student", "note", "by", "at", "closed_at"]
    )
    for row in rows:
        run = row.scorecard.step_run.run
        texts = (run.version.pipeline.name, row.row_id, row.question, row.right, row.answer, row.note)
        name, row_id, question, right, answer, note = map(safe_cell, texts)
        by = safe_cell(row.created_by.get_username()) if row.created_by else ""
        closed = row.closed_at.isoformat() if row.closed_at else ""
        at = row.created_at.isoformat()
        writer.writerow([name, run.number, row.rid + 1, row_id, question, right, answer, note, by, at, closed])
    return out.getvalue()
