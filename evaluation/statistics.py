"""Figures with their uncertainty: intervals, paired comparisons and label scores, as functions of plain numbers.

Every function is deterministic; the ones that resample take a ``seed``. Proportions are 0..1, never percent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CONFIDENCE = 0.95
RESAMPLES = 2_000
MOST_DRAWS = 20_000_000
"""With very many values fewer resamples are drawn (never under 200): the interval is narrow and smooth by then."""
DRAWS_AT_ONCE = 4_000_000


class Estimate(NamedTuple):
    """A figure, its interval and how many observations stand behind it."""

    value: float
    low: float
    high: float
    n: int


class PairedCounts(NamedTuple):
    """How often two candidates were right on the same rows: ``both``, ``only_a``, ``only_b``, ``neither``."""

    both: int
    only_a: int
    only_b: int
    neither: int

    @property
    def n(self) -> int:
        """Rows on which both candidates were judged."""
        return self.both + self.only_a + self.only_b + self.neither


class LabelScore(NamedTuple):
    """One label's scores. ``support``: rows whose right answer it is; ``predicted``: rows answered with it."""

    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float


def z_value(confidence: float = CONFIDENCE) -> float:
    """The two-sided standard normal quantile, 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def wilson(successes: int, n: int, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """A proportion with Wilson's score interval (Wilson 1927), or None when there is nothing to count."""
    if n == 0:
        return None
    z = z_value(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(p, max(0.0, low), min(1.0, high), n)


def percentile(values: Sequence[float], q: float) -> float:
    """The ``q`` quantile (0..1) by linear interpolation, as numpy and spreadsheets do. ``values`` must not be empty."""
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def bootstrap(
    values: Sequence[float],
    *,
    statistic: Literal["mean", "p50", "p95"] = "mean",
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """A mean or percentile with its percentile bootstrap interval (Efron 1979), or None when ``values`` is empty."""
    import numpy as np

    if not values:
        return None
    data = np.asarray(values, dtype=float)
    figure: Callable[..., Any] = np.mean if statistic == "mean" else np.quantile
    extra: dict[str, Any] = {} if statistic == "mean" else {"q": {"p50": 0.5, "p95": 0.95}[statistic]}
    generator = np.random.default_rng(seed)
    resamples = max(min(resamples, MOST_DRAWS // len(data)), 200)
    chunk = max(1, DRAWS_AT_ONCE // len(data))
    found: list[Any] = []
    for start in range(0, resamples, chunk):
        draws = generator.integers(0, len(data), size=(min(chunk, resamples - start), len(data)))
        found.append(figure(data[draws], axis=1, **extra))
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(float(figure(data, **extra)), float(low), float(high), len(data))


def pair(a: Sequence[bool | None], b: Sequence[bool | None]) -> PairedCounts:
    """Count two candidates' hits row by row; rows where either is None (not judged) are left out."""
    counts = Counter((x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None)
    return PairedCounts(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


def _correlation(counts: PairedCounts) -> float:
    """Newcombe's phi with continuity correction (his method 10)."""
    a, b, c, d = counts
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    numerator: float = a * d - b * c
    if numerator > 0:
        numerator = max(0.0, numerator - counts.n / 2)
    return numerator / math.sqrt(product)


def paired_difference(counts: PairedCounts, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """``a - b`` of two proportions on the same rows, with Newcombe's (1998) method 10 interval."""
    first = wilson(counts.both + counts.only_a, counts.n, confidence=confidence)
    second = wilson(counts.both + counts.only_b, counts.n, confidence=confidence)
    if first is None or second is None:
        return None
    phi = _correlation(counts)
    below, above = first.value - first.low, second.high - second.value
    low = math.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    below, above = first.high - first.value, second.value - second.low
    high = math.sqrt(max(0.0, below**2 - 2 * phi * below * above + above**2))
    difference = (counts.only_a - counts.only_b) / counts.n
    return Estimate(difference, max(-1.0, difference - low), min(1.0, difference + high), counts.n)


def paired_ratio(counts: PairedCounts, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """``a / b`` of two proportions on the same rows (retained quality), or None when ``b`` was never right.

    The interval solves Newcombe's interval of ``a - ratio * b`` for the ratios at which it touches zero (MOVER, Donner
    and Zou 2012), so it keeps a width even when every row is right.
    """
    first = wilson(counts.both + counts.only_a, counts.n, confidence=confidence)
    second = wilson(counts.both + counts.only_b, counts.n, confidence=confidence)
    if first is None or second is None or second.value == 0:
        return None
    phi = _correlation(counts)

    def touch(end_a: float, end_b: float, sign: int) -> float:
        half = first.value * second.value - phi * abs(first.value - end_a) * abs(second.value - end_b)
        square = end_b * (2 * second.value - end_b)
        constant = end_a * (2 * first.value - end_a)
        if abs(square) < 1e-12:
            return max(0.0, constant / (2 * half)) if half else 0.0
        return max(0.0, (half + sign * math.sqrt(max(0.0, half * half - square * constant))) / square)

    value = first.value / second.value
    low, high = touch(first.low, second.high, -1), touch(first.high, second.low, +1)
    return Estimate(value, min(low, value), max(high, value), counts.n)


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar p-value: are the rows only one of the two got right evenly shared? 1.0 when there are none."""
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    log_half_n = n * math.log(0.5)
    terms = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half_n for i in range(k + 1))
    return min(1.0, 2 * math.fsum(math.exp(t) for t in terms))


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


def _cells(pairs: Sequence[tuple[str, str | None]]) -> tuple[list[str], Mapping[tuple[str, str | None], int]]:
    return sorted({right for right, _ in pairs}), Counter(pairs)


def macro_f1_estimate(
    pairs: Sequence[tuple[str, str | None]], *, seed: int, resamples: int = 1_000, confidence: float = CONFIDENCE
) -> Estimate | None:
    """Macro F1 with a percentile bootstrap interval over rows. Labels that a resample misses are left out of its mean."""
    import numpy as np

    value = macro_f1(pairs)
    if value is None:
        return None
    labels, counts = _cells(pairs)
    position = {label: i for i, label in enumerate(labels)}
    cells = list(counts)
    right = np.zeros((len(cells), len(labels)))
    given = np.zeros((len(cells), len(labels)))
    for i, (truth, answer) in enumerate(cells):
        right[i, position[truth]] = 1
        if answer in position:
            given[i, position[answer]] = 1
    weights = np.array([counts[c] for c in cells], dtype=float)
    generator = np.random.default_rng(seed)
    draws = generator.multinomial(len(pairs), weights / weights.sum(), size=resamples).astype(float)
    support, total = draws @ right, draws @ right + draws @ given
    hits = draws @ (right * given)
    f1: np.ndarray[Any, Any] = np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)
    present = support > 0
    means = (f1 * present).sum(axis=1) / present.sum(axis=1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))


def cohen_kappa(pairs: Sequence[tuple[str, str | None]]) -> float | None:
    """Agreement beyond chance (Cohen 1960), or None without rows. A failure (None) is an answer of its own.

    When chance alone would always agree (both gave one and the same answer throughout), kappa is 1.0.
    """
    n = len(pairs)
    if n == 0:
        return None
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    observed = sum(a == b for a, b in pairs) / n
    expected = sum(first[label] * second[label] for label in first) / (n * n)
    return 1.0 if expected == 1 else (observed - expected) / (1 - expected)


def cohen_kappa_estimate(
    pairs: Sequence[tuple[str, str | None]], *, seed: int, resamples: int = 1_000, confidence: float = CONFIDENCE
) -> Estimate | None:
    """Kappa with a percentile bootstrap interval over rows."""
    import numpy as np

    value = cohen_kappa(pairs)
    if value is None:
        return None
    counts = Counter(pairs)
    cells = list(counts)
    names = sorted({a for a, _ in cells} | {b for _, b in cells if b is not None})
    position: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    position[None] = len(names)
    first = np.zeros((len(cells), len(names) + 1))
    second = np.zeros_like(first)
    for i, (a, b) in enumerate(cells):
        first[i, position[a]] = second[i, position[b]] = 1
    weights = np.array([counts[c] for c in cells], dtype=float)
    draws = np.random.default_rng(seed).multinomial(len(pairs), weights / weights.sum(), size=resamples) / len(pairs)
    observed = draws @ np.array([a == b for a, b in cells], dtype=float)
    expected = ((draws @ first) * (draws @ second)).sum(axis=1)
    certain = expected > 1 - 1e-12
    kappas = np.where(certain, 1.0, (observed - expected) / np.where(certain, 1.0, 1 - expected))
    low, high = np.quantile(kappas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))


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


def verdict_of_margin(difference: Estimate, *, margin: float) -> Literal["within", "outside", "unclear"]:
    """Non-inferiority read from an interval of ``student - teacher``: ``within`` when all of it lies above ``-margin``,
    ``outside`` when all of it lies below, otherwise ``unclear``."""
    if difference.low > -margin:
        return "within"
    return "outside" if difference.high < -margin else "unclear"


def rows_needed(counts: PairedCounts, *, margin: float, confidence: float = CONFIDENCE) -> int | None:
    """About how many rows would settle the question at the rates seen so far, or None when no number of rows would.

    Normal approximation of the paired difference: the half-width must fit between the difference and ``-margin``.
    """
    if counts.n == 0:
        return None
    rate_a, rate_b = counts.only_a / counts.n, counts.only_b / counts.n
    gap = abs(rate_a - rate_b + margin)
    if gap < 1e-9:
        return None
    # One discordant row more on each side keeps a sample that agreed everywhere from promising certainty.
    discordant = (counts.only_a + counts.only_b + 2) / (counts.n + 2)
    variance = max(discordant - (rate_a - rate_b) ** 2, 1e-9)
    return math.ceil(variance * (z_value(confidence) / gap) ** 2)
