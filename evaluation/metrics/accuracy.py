"""How often a candidate gives the reference answer."""

from __future__ import annotations

from evaluation.metrics.base import Item, Metric, same_answer


class Accuracy(Metric):
    """Share of rows answered exactly as the reference says, ignoring case, spaces and punctuation."""

    label = "Accuracy"
    binary = True

    def score(self, item: Item) -> float | None:
        """1.0 for the reference answer, 0.0 otherwise, None where there is no reference."""
        return None if item.reference is None else float(same_answer(item.answer, item.reference))
