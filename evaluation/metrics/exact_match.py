"""How often a candidate gives the right answer to the letter."""

from __future__ import annotations

from typing import Literal

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param


class ExactMatch(Metric):
    """Share of rows whose answer is the reference byte for byte, or the teacher's answer where there is no reference."""

    label = "Exact match"
    binary = True

    class Params(BaseParams):
        """What may differ."""

        space_around: Literal["counts", "is ignored"] = param(
            "counts", label="White space around the answer", help="A model often ends its answer with a line break."
        )

    def score(self, item: Item) -> float | None:
        """1.0 for the very same text, 0.0 otherwise and for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        if item.answer is None:
            return 0.0
        if self.params.space_around == "is ignored":
            return float(item.answer.strip() == target.strip())
        return float(item.answer == target)
