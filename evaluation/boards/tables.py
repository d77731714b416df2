"""The rows of a recorded evaluation, and which earlier evaluation to hold them against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from evaluation.losses import losing
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_head
from evaluation.rows.columns import ITEMS_FILE
from evaluation.rows.explorer import ItemTable
from vault import store

CHOICES = 20
"""Earlier evaluations that a menu offers."""


def open_items(
    card: Scorecard, report: Mapping[str, Any] | None = None, *, earlier: Scorecard | None = None
) -> ItemTable:
    """The rows of an evaluation, beside those of an earlier one. Raises ``vault.store.Damaged`` when its files are gone."""
    folder = store.path(card.report)
    if not (folder / ITEMS_FILE).exists():
        raise store.Damaged(
            f"The file {ITEMS_FILE} of {card.report} is not in the data folder.",
            action="Restore the data folder's 'artifacts' from a backup, or run the evaluation again.",
        )
    told = report or read_head(card.report)
    return ItemTable(
        folder,
        root=settings.DATA_ROOT / "artifacts",
        report=told,
        earlier=open_items(earlier) if earlier is not None else None,
        groups=lambda: losing.groups_of(card, told),
    )


def same_rows(card: Scorecard) -> Q:
    """Evaluations over the very rows of this one. Old ones have no row set: the artifact and the count stand in for it."""
    if card.row_set:
        return Q(row_set=card.row_set)
    return Q(held_out_sha=card.held_out_sha, rows=card.rows)


def earlier_cards(card: Scorecard) -> QuerySet[Scorecard]:
    """Evaluations before this one that its rows can be held against, newest first: the same rows, another student."""
    known = Scorecard.objects.filter(workspace=card.workspace_id, created_at__lt=card.created_at)
    return (
        known.filter(same_rows(card))
        .exclude(student_sha=card.student_sha)
        .select_related("step_run__run__version__pipeline", "workspace", "report")
    )


def default_earlier(card: Scorecard) -> Scorecard | None:
    """The last evaluation before this one over the same rows: of its own pipeline, else of any."""
    found = earlier_cards(card)
    mine = found.filter(step_run__run__version__pipeline=card.step_run.run.version.pipeline_id).first()
    return mine or found.first()
