"""Overlap of character sequences: kind to inflected words and small spelling differences."""

from __future__ import annotations

from collections import Counter

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param

MAX_CHARACTERS = 20_000
"""Longer answers are cut here: six n-gram orders of a runaway answer would cost more than they tell."""


def chrf(answer: str, target: str, *, order: int = 6, beta: float = 2.0) -> float:
    """chrF of one answer (Popović 2015), 0..1: F-beta of character n-grams of 1..``order``, white space left out.

    Orders longer than either text are skipped. Two empty texts are the same.
    """
    given, wanted = "".join(answer.split())[:MAX_CHARACTERS], "".join(target.split())[:MAX_CHARACTERS]
    if not given or not wanted:
        return float(given == wanted)
    precisions, recalls = [], []
    for n in range(1, min(order, len(given), len(wanted)) + 1):
        ours = Counter(given[i : i + n] for i in range(len(given) - n + 1))
        theirs = Counter(wanted[i : i + n] for i in range(len(wanted) - n + 1))
        shared = sum((ours & theirs).values())
        precisions.append(shared / sum(ours.values()))
        recalls.append(shared / sum(theirs.values()))
    precision, recall = sum(precisions) / len(precisions), sum(recalls) / len(recalls)
    if precision + recall == 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


class Chrf(Metric):
    """chrF, the mean over rows: character overlap with the reference, or with the teacher's answer where there is none."""

    label = "chrF"
    tasks = ("text",)

    class Params(BaseParams):
        """How long the character sequences are, and how much more recall counts."""

        order: int = param(6, label="Longest sequence", unit="characters", ge=1, le=10)
        beta: float = param(2.0, label="Weight of recall", help="2: recall counts twice as much as precision.", gt=0)

    def score(self, item: Item) -> float | None:
        """0..1, 0 for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        if item.answer is None:
            return 0.0
        return chrf(item.answer, target, order=self.params.order, beta=self.params.beta)
