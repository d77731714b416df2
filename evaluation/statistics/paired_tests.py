"""Do two candidates' scores on the same rows differ? Tests that assume no normal distribution, each with its edges defined."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from evaluation.statistics.distributions import upper_tail
from evaluation.statistics.estimates import all_finite, cluster_sums
from evaluation.statistics.ranks import mean_ranks

EXACT_SIGNS = 14
"""Up to so many differences all their signs are tried (16,384 at most); with more a seeded sample of signs is drawn."""
MOST_SIGNS = 100_000_000
"""With very many differences fewer patterns are drawn, never under 1,000."""
EXACT_RANKS = 25
"""Up to so many differences the signed-rank distribution is counted out; with more the normal approximation is used."""


class PairedTest(NamedTuple):
    """A p-value, how many rows stand behind it and by which method; or no p-value, and why."""

    p: float | None
    n: int
    method: str
    reason: str = ""


def _problem(differences: Sequence[float]) -> str:
    if not differences:
        return "There is no row that both were judged on."
    if not all_finite(differences):
        return "A score is not a number."
    return ""


def permutation(
    differences: Sequence[float],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 10_000,
) -> PairedTest:
    """Two-sided paired permutation test of the mean difference (Fisher 1935): flips signs, by whole clusters where given.

    All sign patterns are tried when they are few; otherwise ``resamples`` are drawn and the p-value counts the seen
    pattern too (Phipson and Smyth 2010), so it is never 0. When every difference is zero the p-value is 1.
    """
    import numpy as np

    if problem := _problem(differences):
        return PairedTest(None, len(differences), "paired permutation", problem)
    n = len(differences)
    names = list(range(n)) if clusters is None else clusters
    sums, _ = cluster_sums(differences, names)
    sums = np.abs(sums[np.abs(sums) > 1e-12]) * np.sign(sums[np.abs(sums) > 1e-12])
    if not len(sums):
        return PairedTest(1.0, n, "paired permutation, exact")
    seen = abs(float(sums.sum())) * (1 - 1e-12) - 1e-12
    if len(sums) <= EXACT_SIGNS:
        patterns = np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums)) & 1
        totals = np.abs((1 - 2 * patterns) @ sums)
        return PairedTest(float((totals >= seen).mean()), n, "paired permutation, exact")
    generator = np.random.default_rng(seed)
    resamples = max(min(resamples, MOST_SIGNS // len(sums)), 1_000)
    at_least = 0
    chunk = max(1, 4_000_000 // len(sums))
    for start in range(0, resamples, chunk):
        signs = generator.integers(0, 2, size=(min(chunk, resamples - start), len(sums)), dtype=np.int8)
        at_least += int((np.abs((1 - 2 * signs.astype(float)) @ sums) >= seen).sum())
    return PairedTest((at_least + 1) / (resamples + 1), n, f"paired permutation, {resamples:,} draws")


def wilcoxon(differences: Sequence[float]) -> PairedTest:
    """Two-sided Wilcoxon signed-rank test (1945); zeros are dropped, tied sizes share their mean rank.

    Counted out exactly for few differences, else by the normal approximation with the variance corrected for ties. The p-value is 1 when every difference is zero.
    """
    if problem := _problem(differences):
        return PairedTest(None, len(differences), "Wilcoxon signed-rank", problem)
    kept = [d for d in differences if d != 0]
    n = len(kept)
    if n == 0:
        return PairedTest(1.0, len(differences), "Wilcoxon signed-rank, exact")
    ranks, ties = mean_ranks([abs(d) for d in kept])
    positive = math.fsum(rank for rank, d in zip(ranks, kept, strict=True) if d > 0)
    if n <= EXACT_RANKS:
        # Shared ranks are halves: counted twice they are whole numbers.
        ways = _rank_sums([round(2 * rank) for rank in ranks])
        smaller = min(round(2 * positive), n * (n + 1) - round(2 * positive))
        p = min(1.0, 2 * sum(ways[: smaller + 1]) / 2**n)
        return PairedTest(p, len(differences), "Wilcoxon signed-rank, exact")
    variance = n * (n + 1) * (2 * n + 1) / 24 - sum(t**3 - t for t in ties) / 48
    z = (positive - n * (n + 1) / 4) / math.sqrt(variance)
    return PairedTest(min(1.0, 2 * upper_tail(abs(z))), len(differences), "Wilcoxon signed-rank, normal approximation")


def _rank_sums(ranks: Sequence[int]) -> list[int]:
    """How many of the ``2 ** n`` sign patterns give each sum of positive ranks."""
    ways = [1] + [0] * sum(ranks)
    for rank in ranks:
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    return ways


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) step-down adjustment, in the order given; None (no test) stays None and counts as no test."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for step, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - step) * p))
        adjusted[i] = largest
    return adjusted
