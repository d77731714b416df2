"""What became of the groups that a run was meant for: each slice before and after, and the rest beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.boards.tables import open_items
from evaluation.losses import losing
from evaluation.models import NextRound, Scorecard
from evaluation.rows.explorer import ItemTable
from evaluation.wording import p_value, percent, point_range, points
from studio.lib.errors import StudioError


def round_view(card: Scorecard, table: ItemTable) -> dict[str, Any] | None:
    """The section of the report of a run that was meant for groups of an earlier evaluation; None for any other."""
    made = (
        NextRound.objects.filter(run=card.step_run.run_id)
        .select_related("scorecard__workspace", "scorecard__report", "scorecard__step_run__run__version__pipeline")
        .first()
    )
    if made is None or made.scorecard_id == card.pk or table.student is None:
        return None
    earlier = made.scorecard
    try:
        old = open_items(earlier)
        if old.student is None:
            return None
        lines = [line for group in made.groups for line in _lines(group, old, table)]
        touched = {rid for group in made.groups for rid in (*group["rids"], *group["near"])}
        rest = [rid for rid in range(old.marks.rows) if rid not in touched]
        lines.append(
            {"name": "All other rows", "what": "in none of these groups", **_change(rest, old, table), "rest": True}
        )
    except StudioError:
        # The earlier report's files are gone: this report still opens.
        return None
    edge = max((abs(e) for line in lines if line["change"] for e in (line["low"], line["high"])), default=0.1)
    return {
        "made": made,
        "lines": lines,
        "edge": max(edge, 0.01),
        "href": earlier.get_absolute_url(),
        "name": f"run {earlier.step_run.run.number}",
        "shared": any(line["change"] for line in lines),
    }


def _lines(group: dict[str, Any], old: ItemTable, new: ItemTable) -> list[dict[str, Any]]:
    """Two slices of a group: what was lost, and all rows like these."""
    like = [*group["rids"], *group["near"]]
    return [
        {"name": group["name"], "what": "rows like these, lost and won", **_change(like, old, new), "rest": False},
        {"name": group["name"], "what": "the lost rows alone", **_change(group["rids"], old, new), "chosen": True},
    ]


def _change(rids: Sequence[int], old: ItemTable, new: ItemTable) -> dict[str, Any]:
    assert old.student is not None and new.student is not None
    change = losing.change_on(rids, old.marks, old.student, new.marks, new.student)
    if change is None:
        return {"change": None}
    return {
        "change": change,
        "before": percent(change.before),
        "after": percent(change.after),
        "low": change.difference.low,
        "high": change.difference.high,
        "difference": points(change.difference.value, signed=True),
        "interval": point_range(change.difference).removeprefix("95 % interval "),
        "p": p_value(change.p),
        "unchanged": change.n - change.fixed - change.broken,
    }
