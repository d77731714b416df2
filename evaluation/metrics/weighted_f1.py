"""Mean F1 over the labels, each weighing as much as it has rows."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.metrics.base import Item, Metric, answer_key, keyed, same_answer, target_of
from evaluation.statistics import Estimate, weighted_f1_estimate


class WeightedF1(Metric):
    """Mean of the F1 of every label, weighed by its rows; against the reference, or the teacher where none is known."""

    label = "Weighted F1"
    tasks = ("labels",)
    binary = True

    def score(self, item: Item) -> float | None:
        """1.0 for the right label, 0.0 otherwise, None where no right label is known."""
        target = target_of(item)
        return None if target is None else float(same_answer(item.answer, target))

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """Weighted F1 with a bootstrap interval over rows, or over clusters of rows."""
        kept = [(target, i) for i, item in enumerate(items) if (target := target_of(item)) is not None]
        pairs = [(answer_key(target), keyed(items[i].answer)) for target, i in kept]
        names = None if clusters is None else [clusters[i] for _, i in kept]
        return weighted_f1_estimate(pairs, seed=seed, clusters=names)
