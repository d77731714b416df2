"""What the held-out rows can show, said before a run."""

from __future__ import annotations

from typing import Any

from evaluation.statistics import detectable_difference, rows_for_margin
from evaluation.wording import percent, points, rounded


def seen_discordance(workspace_id: Any) -> float | None:
    """The share of rows that exactly one of student and teacher got right in the newest evaluation here that knows it."""
    from pipelines.models import StepRun
    from studio.jobs import State

    newest = StepRun.objects.filter(run__workspace_id=workspace_id, step="evaluate", state=State.SUCCEEDED)
    for summary in newest.order_by("-finished_at").values_list("summary", flat=True)[:5]:
        if isinstance(summary.get("discordance"), float):
            return float(summary["discordance"])
    return None


def what_rows_show(rows: int, *, margin: float, discordance: float, seen: bool) -> list[str]:
    """The advice before a run in words: the smallest difference that shows, and the rows that the margin asks for."""
    basis = f"{'seen' if seen else 'expected'} disagreement of {percent(discordance)}"
    difference = detectable_difference(rows, discordance=discordance)
    what = f"About {rows:,} held-out {'row' if rows == 1 else 'rows'}"
    said = (
        f"{what} can show a difference of {points(difference)} ({basis})."
        if difference is not None
        else f"{what} can show no difference ({basis})."
    )
    needed = rows_for_margin(margin, discordance=discordance)
    if needed is not None and needed > rows:
        said += f" To show a loss under {points(margin)} it takes about {rounded(needed)}."
    return [said]
