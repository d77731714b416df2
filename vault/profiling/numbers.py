"""From columns of numbers to what a picture needs: histograms, what a limit costs, imbalance."""

from __future__ import annotations

from math import log
from typing import Any

import numpy as np

from vault.profiling.facts import Ints

BINS = 36
POINTS = 240
"""Points of a curve at most."""
STRETCH = 2.5
"""A longest row of more than so many times the 99th percentile would squeeze the picture: it goes into a bin "and more"."""


def describe(values: Ints) -> dict[str, Any] | None:
    """Quantiles and histogram bins ``[from, to, rows]`` of lengths; None when there are none.

    The last bin holds the few that are far longer than the rest when ``open_end`` is set.
    """
    if not len(values):
        return None
    low, median, p95, p99, high = (int(v) for v in np.quantile(values, (0, 0.5, 0.95, 0.99, 1), method="inverted_cdf"))
    top = p99 if high > STRETCH * max(p99, low + BINS) else high
    width = nice_width((top - low) / BINS)
    start = low // width * width
    count = (top - start) // width + 1
    rows = np.bincount(np.minimum((values - start) // width, count), minlength=count + 1)
    bins = [[start + n * width, start + (n + 1) * width - 1, int(rows[n])] for n in range(count)]
    if rows[count]:
        bins.append([start + count * width, high, int(rows[count])])
    return {
        "low": low,
        "median": median,
        "p95": p95,
        "high": high,
        "total": int(values.sum(dtype=np.int64)),
        "rows": len(values),
        "bins": bins,
        "open_end": bool(rows[count]),
    }


def nice_width(least: float) -> int:
    """The smallest of 1, 2, 5, 10, 20, 50… that is not below ``least``."""
    width = 1
    while True:
        for step in (1, 2, 5):
            if width * step >= least:
                return width * step
        width *= 10


def survivors(values: Ints) -> list[list[int]]:
    """``[limit, rows longer than it, tokens beyond it]`` at up to ``POINTS`` limits from the shortest to the longest."""
    if not len(values):
        return []
    lengths, counts = np.unique(values, return_counts=True)
    rows_up_to, tokens_up_to = np.cumsum(counts), np.cumsum(counts * lengths.astype(np.int64))
    rows, tokens = int(rows_up_to[-1]), int(tokens_up_to[-1])
    if len(lengths) > POINTS:
        # Half of them evenly spaced in length, half in rows: neither the bulk nor the tail loses its shape.
        even = np.searchsorted(lengths, np.linspace(lengths[0], lengths[-1], POINTS // 2))
        dense = np.searchsorted(rows_up_to, np.linspace(1, rows, POINTS // 2))
        chosen = np.unique(np.r_[even, dense])
    else:
        chosen = np.arange(len(lengths))
    found = []
    for n in chosen.tolist():
        limit, longer = int(lengths[n]), rows - int(rows_up_to[n])
        found.append([limit, longer, tokens - int(tokens_up_to[n]) - longer * limit])
    return found


def imbalance(counts: list[int]) -> dict[str, Any]:
    """How uneven the rows of the labels are; ``counts`` from the commonest down.

    ``effective``: exp of the Shannon entropy (Hill number of order 1): so many equally common labels would be as varied.
    ``evenness``: the entropy as a share of the largest possible (Pielou), None for a single label.
    ``ratio``: the commonest against the rarest. ``half``: how many labels hold half of the rows.
    """
    total = sum(counts)
    entropy = -sum(c / total * log(c / total) for c in counts) if total else 0.0
    half, seen = 0, 0
    while seen * 2 < total:
        seen += counts[half]
        half += 1
    return {
        "effective": float(np.exp(entropy)) if total else 0.0,
        "evenness": entropy / log(len(counts)) if len(counts) > 1 else None,
        "ratio": counts[0] / counts[-1] if counts else None,
        "half": half,
        "once": sum(1 for c in counts if c == 1),
    }
