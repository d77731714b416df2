"""Agreement with the teacher beyond what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.metrics.base import Item, Metric, answer_key, keyed, same_answer
from evaluation.statistics import Estimate, cohen_kappa_estimate


class Kappa(Metric):
    """Cohen's kappa between candidate and teacher: 1 is full agreement, 0 is what chance would give."""

    label = "Kappa with teacher"
    tasks = ("labels",)
    unit = ""
    binary = True

    def score(self, item: Item) -> float | None:
        """1.0 for the teacher's label, 0.0 otherwise, None where the teacher gave none."""
        return None if item.teacher is None else float(same_answer(item.answer, item.teacher))

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """Kappa with a bootstrap interval over rows, or over clusters of rows."""
        kept = [(item.teacher, i) for i, item in enumerate(items) if item.teacher is not None]
        pairs = [(answer_key(teacher), keyed(items[i].answer)) for teacher, i in kept]
        names = None if clusters is None else [clusters[i] for _, i in kept]
        return cohen_kappa_estimate(pairs, seed=seed, clusters=names)
