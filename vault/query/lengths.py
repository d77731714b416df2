"""Lengths of a field over a version: quantiles and a histogram."""

from __future__ import annotations

from typing import NamedTuple


class Lengths(NamedTuple):
    """Characters of one field: smallest, median, 95th percentile, largest, and rows per histogram bin."""

    low: int
    median: int
    p95: int
    high: int
    bins: list[tuple[int, int, int]]
    """``(from, to, rows)`` of equally wide bins."""


def summarise(counts: list[tuple[int, int]], *, bins: int) -> Lengths | None:
    """Quantiles and at most ``bins`` equally wide bins of ``(length, rows)`` pairs in order; None when there are none."""
    if not counts:
        return None
    low, high = counts[0][0], counts[-1][0]
    width = (high - low) // bins + 1
    edges = [(start, start + width - 1) for start in range(low, high + 1, width)]
    rows = [0] * len(edges)
    for length, count in counts:
        rows[(length - low) // width] += count
    drawn = [(start, end, count) for (start, end), count in zip(edges, rows, strict=True)]
    return Lengths(low, _quantile(counts, 0.5), _quantile(counts, 0.95), high, drawn)


def _quantile(counts: list[tuple[int, int]], share: float) -> int:
    """The smallest length that at least this share of the rows does not exceed."""
    wanted = share * sum(rows for _, rows in counts)
    seen = 0
    for length, rows in counts:
        seen += rows
        if seen >= wanted:
            return length
    return counts[-1][0]
