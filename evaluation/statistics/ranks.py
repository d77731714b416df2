"""Rankings: shared ranks, and whether two scores put the same rows in the same order (Kendall's tau-b)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from evaluation.statistics.distributions import upper_tail
from evaluation.statistics.estimates import all_finite


class RankTest(NamedTuple):
    """Kendall's tau-b and the p-value of there being no order in common; or None for both, and why."""

    tau: float | None
    p: float | None
    n: int
    reason: str = ""


def mean_ranks(values: Sequence[float]) -> tuple[list[float], list[int]]:
    """``(rank of each value from 1, sizes of the groups of equal values)``; equal values share their mean rank."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    ties = []
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            ranks[order[place]] = (start + end) / 2 + 1
        if end > start:
            ties.append(end - start + 1)
        start = end + 1
    return ranks, ties


def kendall_tau(first: Sequence[float], second: Sequence[float]) -> RankTest:
    """Kendall's tau-b with its two-sided p-value by the normal approximation corrected for ties (Kendall 1970)."""
    tau = kendall_tau_b(first, second)
    n = len(first)
    if tau is None:
        return RankTest(None, None, n, "Fewer than two rows, a score that is not a number, or no spread.")
    _, ties_x = mean_ranks(first)
    _, ties_y = mean_ranks(second)
    s = _concordance(first, second)
    pairs = n * (n - 1)
    v0 = pairs * (2 * n + 5)
    vt = sum(t * (t - 1) * (2 * t + 5) for t in ties_x)
    vu = sum(t * (t - 1) * (2 * t + 5) for t in ties_y)
    v1 = sum(t * (t - 1) for t in ties_x) * sum(t * (t - 1) for t in ties_y) / (2 * pairs)
    triple = pairs * (n - 2)
    v2 = 0.0
    if triple:
        v2 = sum(t * (t - 1) * (t - 2) for t in ties_x) * sum(t * (t - 1) * (t - 2) for t in ties_y) / (9 * triple)
    variance = (v0 - vt - vu) / 18 + v1 + v2
    p = 1.0 if variance <= 0 else min(1.0, 2 * upper_tail(abs(s) / math.sqrt(variance)))
    return RankTest(tau, p, n)


def kendall_tau_b(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Kendall's tau-b (1945) of two scores of the same rows, -1..1, ties allowed; exact, in O(n log n).

    None below two rows, when a value is not finite, or when either side has no spread at all.
    """
    n = len(first)
    if n != len(second):
        raise ValueError("Both rankings must have a score for every row.")
    if n < 2 or not all_finite(first) or not all_finite(second):
        return None
    pairs = n * (n - 1) / 2
    x = sum(t * (t - 1) / 2 for t in Counter(first).values())
    y = sum(t * (t - 1) / 2 for t in Counter(second).values())
    if x == pairs or y == pairs:
        return None
    tau = _concordance(first, second) / math.sqrt((pairs - x) * (pairs - y))
    return max(-1.0, min(1.0, tau))


def _concordance(first: Sequence[float], second: Sequence[float]) -> float:
    """Concordant less discordant pairs (Knight 1966): sort by the first, count the second's inversions by merging."""
    n = len(first)
    order = sorted(range(n), key=lambda i: (first[i], second[i]))
    values = [second[i] for i in order]
    discordant, _ = _inversions(values)
    pairs = n * (n - 1) // 2
    x = sum(t * (t - 1) // 2 for t in Counter(first).values())
    y = sum(t * (t - 1) // 2 for t in Counter(second).values())
    both = sum(t * (t - 1) // 2 for t in Counter(zip(first, second, strict=True)).values())
    return pairs - x - y + both - 2 * discordant


def _inversions(values: list[float]) -> tuple[int, list[float]]:
    if len(values) < 2:
        return 0, values
    middle = len(values) // 2
    left_count, left = _inversions(values[:middle])
    right_count, right = _inversions(values[middle:])
    merged: list[float] = []
    count, i, j = left_count + right_count, 0, 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            count += len(left) - i
            j += 1
    return count, merged + left[i:] + right[j:]
