"""What of evaluations can be commented on: a report, and a row of one."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.urls import reverse

from evaluation.models import Scorecard
from studio.comments import Subject
from studio.models import Workspace


def find_report(workspace: Workspace, key: str) -> Subject | None:
    """The report of the scorecard whose id is ``key``."""
    card = _card(workspace, key)
    return Subject(f"the report of {_name(card)}", card.get_absolute_url()) if card else None


def row_key(card: Scorecard, rid: int) -> str:
    """The key of a row's comments. All rows of a report begin with ``<scorecard id>:``."""
    return f"{card.pk}:{rid}"


def find_row(workspace: Workspace, key: str) -> Subject | None:
    """The row behind a key of :func:`row_key`."""
    pk, _, rid = key.partition(":")
    card = _card(workspace, pk)
    if card is None or not rid.isdecimal() or not rid.isascii() or int(rid) >= card.rows or str(int(rid)) != rid:
        return None
    url = reverse("evaluation_rows", args=[workspace.slug, card.pk]) + "?" + urlencode({"row": rid})
    return Subject(f"row {int(rid) + 1} of {_name(card)}", url)


def _name(card: Scorecard) -> str:
    run = card.step_run.run
    return f"{run.version.pipeline}, run {run.number}"


def _card(workspace: Workspace, key: str) -> Scorecard | None:
    try:
        pk = UUID(key)
    except ValueError:
        return None
    cards = Scorecard.objects.filter(workspace=workspace).select_related(
        "workspace", "step_run__run__version__pipeline"
    )
    return cards.filter(pk=pk).first()
