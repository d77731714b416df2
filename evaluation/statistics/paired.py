"""Two candidates on the same rows, right or wrong: difference, ratio, and the tests of whether and by how much they differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from evaluation.statistics.estimates import (
    CONFIDENCE,
    DRAWS_AT_ONCE,
    MOST_DRAWS,
    RESAMPLES,
    Estimate,
    all_finite,
    cluster_sums,
    z_value,
)


class PairedCounts(NamedTuple):
    """How often two candidates were right on the same rows: ``both``, ``only_a``, ``only_b``, ``neither``.

    After a design effect (:meth:`scaled`) the counts are fractions.
    """

    both: float
    only_a: float
    only_b: float
    neither: float

    @property
    def n(self) -> float:
        """Rows on which both candidates were judged."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def difference(self) -> float:
        """``a - b`` of the two proportions; there must be rows."""
        return (self.only_a - self.only_b) / self.n

    @property
    def discordance(self) -> float:
        """Share of rows that exactly one of the two got right; there must be rows."""
        return (self.only_a + self.only_b) / self.n

    def scaled(self, factor: float) -> PairedCounts:
        """All four counts times ``factor``: the same shares with more or less weight."""
        return PairedCounts(*(factor * count for count in self))


def pair(a: Sequence[bool | None], b: Sequence[bool | None]) -> PairedCounts:
    """Count two candidates' hits row by row; rows where either is None (not judged) are left out."""
    counts = Counter((x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None)
    return PairedCounts(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def tango_score(counts: PairedCounts, *, difference: float) -> float:
    """Tango's (1998) score statistic of the hypothesis that ``a - b`` is ``difference``: standard normal if it is.

    Positive where the rows show more than ``difference``. The variance is that of the hypothesis (restricted maximum
    likelihood), so rows that all agree still leave doubt. ``difference`` lies strictly between -1 and 1.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908, equations 14-17.
    """
    n, b, c = counts.n, counts.only_a, counts.only_b
    if n == 0:
        return 0.0
    linear = -b - c + (2 * n - b + c) * difference
    constant = -c * difference * (1 - difference)
    root = (math.sqrt(max(0.0, linear * linear - 8 * n * constant)) - linear) / (4 * n)
    variance = n * (2 * root + difference * (1 - difference))
    gap = b - c - n * difference
    if variance <= 1e-12:
        return 0.0 if abs(gap) < 1e-9 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def paired_difference(counts: PairedCounts, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """``a - b`` of two proportions on the same rows with Tango's score interval, or None without rows.

    The interval holds the differences that :func:`tango_score` does not reject, so interval and test never contradict.
    """
    if counts.n <= 0:
        return None
    z, value = z_value(confidence), counts.difference

    def end(towards: float, target: float) -> float:
        inside, outside = value, towards
        for _ in range(60):
            middle = (inside + outside) / 2
            if abs(tango_score(counts, difference=middle)) <= target:
                inside = middle
            else:
                outside = middle
        return inside

    low = -1.0 if value <= -1 else end(-1.0, z)
    high = 1.0 if value >= 1 else end(1.0, z)
    return Estimate(value, low, high, round(counts.n))


def ratio_score(counts: PairedCounts, *, ratio: float) -> float:
    """Nam and Blackwelder's (2002) score statistic of the hypothesis that ``a / b`` is ``ratio``: standard normal if it is.

    Positive where the rows show more than ``ratio``; at a ratio of 1 it is Tango's at a difference of 0. ``ratio`` > 0.

    Source: J. Nam, W. C. Blackwelder, Statistics in Medicine 21 (2002) 689-699, equations 2-4.
    """
    n = counts.n
    if n == 0:
        return 0.0
    a, b = (counts.both + counts.only_a) / n, (counts.both + counts.only_b) / n
    only_a, only_b = counts.only_a / n, counts.only_b / n
    square = ratio * ratio
    root = math.sqrt((a - square * b) ** 2 + 4 * square * only_a * only_b)
    expected_a = max(0.0, (-a + square * (b + 2 * only_a) + root) / (2 * ratio * (ratio + 1)))
    expected_b = max(0.0, ratio * expected_a - (ratio - 1) * (1 - counts.neither / n))
    variance = ratio * (expected_a + expected_b) / n
    gap = a - ratio * b
    if variance <= 1e-15:
        return 0.0 if abs(gap) < 1e-12 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def paired_ratio(counts: PairedCounts, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """``a / b`` of two proportions on the same rows (retained quality) with its score interval.

    None without rows or when ``b`` was never right. The interval holds the ratios that :func:`ratio_score` does not reject:
    it touches 1 exactly where that of :func:`paired_difference` touches 0, and keeps a width when every row is right.
    """
    right = counts.both + counts.only_b
    if counts.n <= 0 or right <= 0:
        return None
    z, value = z_value(confidence), (counts.both + counts.only_a) / right

    def end(inside: float, outside: float) -> float:
        for _ in range(80):
            # Ratios are steps of multiplication: the middle is the geometric one, but near 0 the plain one.
            middle = math.sqrt(inside * outside) if min(inside, outside) > 1e-9 else (inside + outside) / 2
            if abs(ratio_score(counts, ratio=middle)) <= z:
                inside = middle
            else:
                outside = middle
        return inside

    highest = max(value, 1.0)
    while abs(ratio_score(counts, ratio=highest)) <= z and highest < 1e6:
        highest *= 2
    low = 0.0 if value == 0 else end(value, 0.0)
    return Estimate(value, low, end(max(value, 1e-9), highest), round(counts.n))


def ratio_of_means(
    a: Sequence[float],
    b: Sequence[float],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """Mean of ``a`` over mean of ``b`` on the same rows with a percentile bootstrap interval over rows or clusters.

    None without rows, with a value that is not a finite number, or when the mean of ``b`` is not above 0.
    """
    import numpy as np

    if not a or not all_finite(a) or not all_finite(b) or math.fsum(b) <= 0:
        return None
    names = list(range(len(a))) if clusters is None else clusters
    first, _ = cluster_sums(a, names)
    second, _ = cluster_sums(b, names)
    generator, count = np.random.default_rng(seed), len(first)
    resamples = max(min(resamples, MOST_DRAWS // count), 200)
    found: list[Any] = []
    for start in range(0, resamples, chunk := max(1, DRAWS_AT_ONCE // count)):
        draws = generator.integers(0, count, size=(min(chunk, resamples - start), count))
        over, under = first[draws].sum(axis=1), second[draws].sum(axis=1)
        found.append(np.divide(over, under, out=np.full_like(over, np.inf), where=under > 0))
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    value = math.fsum(a) / math.fsum(b)
    if not math.isfinite(float(high)):
        return None
    return Estimate(value, min(float(low), value), max(float(high), value), len(a))


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar p-value: are the rows only one of the two got right evenly shared? 1.0 when there are none."""
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    log_half_n = n * math.log(0.5)
    terms = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half_n for i in range(k + 1))
    return min(1.0, 2 * math.fsum(math.exp(t) for t in terms))
