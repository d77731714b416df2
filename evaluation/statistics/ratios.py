"""A ratio of two sums over rows with its bootstrap interval: a mean over tokens where rows are what is drawn."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from evaluation.statistics.estimates import CONFIDENCE, MOST_DRAWS, RESAMPLES, Estimate, all_finite
from evaluation.statistics.resampling import draw_sums


def ratio_of_sums(
    tops: Sequence[float],
    bottoms: Sequence[float],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """``sum(tops) / sum(bottoms)`` with a percentile bootstrap interval over rows, or over whole clusters (Davison and Hinkley 1997).

    ``bottoms`` are above 0. None without rows or with something that is not a finite number. ``n``: rows.
    """
    import numpy as np

    if not tops or not all_finite(tops) or not all_finite(bottoms):
        return None
    value = math.fsum(tops) / math.fsum(bottoms)
    resamples = max(min(resamples, MOST_DRAWS // len(tops)), 200)
    sums = draw_sums(list(zip(tops, bottoms, strict=True)), clusters=clusters, seed=seed, resamples=resamples)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(tops))
