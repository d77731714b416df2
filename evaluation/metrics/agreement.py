"""How often a candidate gives the teacher's answer."""

from __future__ import annotations

from evaluation.metrics.base import Item, Metric, same_answer


class Agreement(Metric):
    """Share of rows answered exactly as the teacher did, ignoring case, spaces and punctuation."""

    label = "Agreement with teacher"
    binary = True

    def score(self, item: Item) -> float | None:
        """1.0 for the teacher's answer, 0.0 otherwise, None where the teacher gave none."""
        return None if item.teacher is None else float(same_answer(item.answer, item.teacher))
