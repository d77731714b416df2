"""Overlap of words between a free-text answer and the one it should resemble."""

from __future__ import annotations

from collections import Counter

from evaluation.metrics.base import Item, Metric, target_of
from vault.rows import normalise


def token_f1(answer: str, target: str) -> float:
    """F1 of the bags of normalised words (as in SQuAD, Rajpurkar et al. 2016), 0..1; two empty texts are the same."""
    given, wanted = normalise(answer).split(), normalise(target).split()
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((Counter(given) & Counter(wanted)).values())
    return 2 * shared / (len(given) + len(wanted))


class TokenF1(Metric):
    """Word overlap (F1) with the reference, or with the teacher's answer where there is no reference."""

    label = "Word overlap"
    tasks = ("text",)

    def score(self, item: Item) -> float | None:
        """0..1, 0 for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        return 0.0 if item.answer is None else token_f1(item.answer, target)
