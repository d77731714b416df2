"""Scores of single labels, and macro and weighted F1 with their intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from evaluation.statistics.estimates import CONFIDENCE, Estimate
from evaluation.statistics.resampling import draw_cells


class LabelScore(NamedTuple):
    """One label's scores. ``support``: rows whose right answer it is; ``predicted``: rows answered with it."""

    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float


def label_scores(pairs: Sequence[tuple[str, str | None]]) -> dict[str, LabelScore]:
    """Precision, recall and F1 of every label seen in ``(right answer, given answer)`` pairs.

    A given answer of None is a failure: it lowers recall and no precision. Precision is None for a label never answered,
    recall for one that was never right.
    """
    support = Counter(right for right, _ in pairs)
    predicted = Counter(given for _, given in pairs if given is not None)
    hits = Counter(right for right, given in pairs if right == given)
    scores = {}
    for label in sorted(support.keys() | predicted.keys()):
        total = support[label] + predicted[label]
        scores[label] = LabelScore(
            support=support[label],
            predicted=predicted[label],
            precision=hits[label] / predicted[label] if predicted[label] else None,
            recall=hits[label] / support[label] if support[label] else None,
            f1=2 * hits[label] / total,
        )
    return scores


def macro_f1(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """Mean F1 over the labels that are the right answer of some row, or None without rows.

    Answers outside those labels count as errors of the rows' labels; they add no label of their own.
    """
    scores = [s.f1 for s in label_scores(pairs).values() if s.support]
    return math.fsum(scores) / len(scores) if scores else None


def weighted_f1(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """Mean F1 over the labels that are the right answer of some row, each weighing as many rows, or None without rows."""
    scores = label_scores(pairs).values()
    return math.fsum(s.f1 * s.support for s in scores) / len(pairs) if pairs else None


def _cells(pairs: Sequence[tuple[str, str | None]]) -> tuple[list[str], Mapping[tuple[str, str | None], int]]:
    return sorted({right for right, _ in pairs}), Counter(pairs)


def macro_f1_estimate(
    pairs: Sequence[tuple[str, str | None]],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1_000,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """Macro F1 with a percentile bootstrap interval over rows, or over clusters of rows. Labels that a resample misses are
    left out of its mean."""
    value = macro_f1(pairs)
    if value is None:
        return None
    f1, support = _drawn(pairs, clusters=clusters, seed=seed, resamples=resamples)
    present = support > 0
    return _between(value, (f1 * present).sum(axis=1) / present.sum(axis=1), n=len(pairs), confidence=confidence)


def weighted_f1_estimate(
    pairs: Sequence[tuple[str, str | None]],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1_000,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """Weighted F1 with a percentile bootstrap interval over rows, or over clusters of rows."""
    value = weighted_f1(pairs)
    if value is None:
        return None
    f1, support = _drawn(pairs, clusters=clusters, seed=seed, resamples=resamples)
    return _between(value, (f1 * support).sum(axis=1) / support.sum(axis=1), n=len(pairs), confidence=confidence)


def _drawn(
    pairs: Sequence[tuple[str, str | None]], *, clusters: Sequence[Hashable] | None, seed: int, resamples: int
) -> tuple[Any, Any]:
    """F1 and support of each label in each bootstrap sample: two arrays of ``resamples`` × labels."""
    import numpy as np

    labels, counts = _cells(pairs)
    position = {label: i for i, label in enumerate(labels)}
    cells = list(counts)
    right = np.zeros((len(cells), len(labels)))
    given = np.zeros((len(cells), len(labels)))
    for i, (truth, answer) in enumerate(cells):
        right[i, position[truth]] = 1
        if answer in position:
            given[i, position[answer]] = 1
    draws = draw_cells(pairs, cells, clusters=clusters, seed=seed, resamples=resamples)
    support, total = draws @ right, draws @ right + draws @ given
    hits = draws @ (right * given)
    f1 = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    return f1, support


def _between(value: float, means: Any, *, n: int, confidence: float) -> Estimate:
    import numpy as np

    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), n)
