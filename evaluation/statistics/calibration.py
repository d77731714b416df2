"""Does a model know when it is wrong? Confidence against accuracy: bins, expected calibration error, Brier score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from evaluation.statistics.estimates import CONFIDENCE, DRAWS_AT_ONCE, MOST_DRAWS, Estimate, all_finite, bootstrap


class CalibrationBin(NamedTuple):
    """Rows whose confidence lies in ``low``..``high``: how many, their mean confidence, and how often they were right."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


def calibration(confidences: Sequence[float], hits: Sequence[bool], *, bins: int = 10) -> list[CalibrationBin]:
    """Equal-width bins of confidence against accuracy; empty bins are left out."""
    found: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for confidence, hit in zip(confidences, hits, strict=True):
        found[min(bins - 1, max(0, int(confidence * bins)))].append((confidence, hit))
    return [
        CalibrationBin(
            low=i / bins,
            high=(i + 1) / bins,
            n=len(rows),
            confidence=math.fsum(c for c, _ in rows) / len(rows),
            accuracy=sum(h for _, h in rows) / len(rows),
        )
        for i, rows in enumerate(found)
        if rows
    ]


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Mean gap between confidence and accuracy, weighted by rows (Guo et al. 2017), or None without rows."""
    total = sum(b.n for b in bins)
    return math.fsum(b.n * abs(b.confidence - b.accuracy) for b in bins) / total if total else None


def brier(confidences: Sequence[float], hits: Sequence[bool]) -> float | None:
    """Mean squared gap between confidence and being right (Brier 1950), 0 at best; None without rows or with a NaN."""
    if not confidences or not all_finite(confidences):
        return None
    return math.fsum((c - h) ** 2 for c, h in zip(confidences, hits, strict=True)) / len(confidences)


def brier_estimate(confidences: Sequence[float], hits: Sequence[bool], *, seed: int) -> Estimate | None:
    """The Brier score with its bootstrap interval over rows."""
    return bootstrap([(c - h) ** 2 for c, h in zip(confidences, hits, strict=True)], seed=seed)


def calibration_error_estimate(
    confidences: Sequence[float],
    hits: Sequence[bool],
    *,
    seed: int,
    bins: int = 10,
    resamples: int = 1_000,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """The expected calibration error with a bootstrap interval over rows, or None without rows or with a NaN.

    Resampled errors are too large by nature (an empty gap can only grow), so the interval is the basic one, which mirrors them
    at the figure (Davison and Hinkley 1997, section 2.4), cut at 0.
    """
    import numpy as np

    value = (
        None if not all_finite(confidences) else expected_calibration_error(calibration(confidences, hits, bins=bins))
    )
    if value is None:
        return None
    sure, right = np.asarray(confidences, dtype=float), np.asarray(hits, dtype=float)
    place = np.clip((sure * bins).astype(int), 0, bins - 1)
    gaps = np.zeros((len(sure), bins))
    gaps[np.arange(len(sure)), place] = sure - right
    generator = np.random.default_rng(seed)
    resamples = max(min(resamples, MOST_DRAWS // len(sure)), 200)
    chunk = max(1, DRAWS_AT_ONCE // (10 * len(sure)))
    found = []
    for start in range(0, resamples, chunk):
        weights = generator.multinomial(len(sure), [1 / len(sure)] * len(sure), size=min(chunk, resamples - start))
        found.append(np.abs(weights @ gaps).sum(axis=1) / len(sure))
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, max(0.0, min(value, 2 * value - float(high))), max(value, 2 * value - float(low)), len(sure))
