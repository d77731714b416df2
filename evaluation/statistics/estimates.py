"""A figure with its interval: Wilson for proportions, the bootstrap for means and percentiles, by row or by cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from statistics import NormalDist
from typing import Any, Literal, NamedTuple

from evaluation.statistics.distributions import student_quantile

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


def z_value(confidence: float = CONFIDENCE) -> float:
    """The two-sided standard normal quantile, 1.96 for 95 %."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def all_finite(values: Sequence[float]) -> bool:
    """Whether every value is a number: a figure with a NaN or an infinity in it is not known."""
    return all(math.isfinite(v) for v in values)


def wilson(successes: float, n: float, *, confidence: float = CONFIDENCE) -> Estimate | None:
    """A proportion with Wilson's score interval (Wilson 1927), or None when there is nothing to count.

    Both may be fractions: an effective count after a design effect. The estimate's ``n`` is rounded.
    """
    if n <= 0:
        return None
    z = z_value(confidence)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(max(0.0, p * (1 - p)) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Estimate(p, max(0.0, low), min(1.0, high), round(n))


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
    """A mean or percentile with its percentile bootstrap interval (Efron 1979).

    None when ``values`` is empty or holds something that is not a finite number.
    """
    import numpy as np

    if not values or not all_finite(values):
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


def clustered_bootstrap(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """A mean with a percentile bootstrap interval that draws whole clusters (Davison and Hinkley 1997, section 3.8).

    Rows of one conversation or document resemble each other; drawing them one by one would promise too narrow an interval.
    ``clusters`` names each value's cluster; None stands for a row of its own. None when there is nothing finite to average.
    """
    import numpy as np

    if not values or not all_finite(values):
        return None
    sums, sizes = cluster_sums(values, clusters)
    generator = np.random.default_rng(seed)
    count = len(sums)
    resamples = max(min(resamples, MOST_DRAWS // count), 200)
    chunk = max(1, DRAWS_AT_ONCE // count)
    found: list[Any] = []
    for start in range(0, resamples, chunk):
        draws = generator.integers(0, count, size=(min(chunk, resamples - start), count))
        found.append(sums[draws].sum(axis=1) / sizes[draws].sum(axis=1))
    low, high = np.quantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    value = math.fsum(values) / len(values)
    return Estimate(value, min(float(low), value), max(float(high), value), len(values))


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[Any, Any]:
    """Two arrays with one entry a cluster: the sum of its values, and how many they are. None is a cluster of one row."""
    import numpy as np

    place: dict[Hashable, int] = {}
    sums: list[float] = []
    sizes: list[int] = []
    for value, name in zip(values, clusters, strict=True):
        at = len(sums) if name is None else place.setdefault(name, len(sums))
        if at == len(sums):
            sums.append(0.0)
            sizes.append(0)
        sums[at] += value
        sizes[at] += 1
    return np.asarray(sums, dtype=float), np.asarray(sizes, dtype=float)


def design_effect(values: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """How many times larger the variance of the mean is than that of independent rows; at least 1.

    Linearised (Rao and Scott 1992): the between-cluster variance of the mean over its variance if rows were independent.
    Where the values show no spread it can't be seen; then the worst case stands, the size-weighted mean cluster size, as if
    each cluster were one row.
    """
    import numpy as np

    n = len(values)
    if n < 2 or not all_finite(values):
        return 1.0
    sums, sizes = cluster_sums(values, clusters)
    count = len(sums)
    worst = float((sizes**2).sum() / n)
    if count < 2:
        return max(1.0, worst)
    data = np.asarray(values, dtype=float)
    mean = float(data.mean())
    plain = float(data.var(ddof=1)) / n
    if plain <= 1e-15:
        return max(1.0, worst)
    between = count / (count - 1) * float(((sums - mean * sizes) ** 2).sum()) / n**2
    return max(1.0, between / plain)


def cluster_effect(
    values: Sequence[float], clusters: Sequence[Hashable], *, confidence: float = CONFIDENCE, few: bool = True
) -> tuple[float, int]:
    """``(design effect, how many clusters)``; a None among ``clusters`` is a cluster of one row.

    With ``few`` the effect is enlarged for few clusters, as Korn and Graubard (1998) do: by the square of Student's quantile
    over the normal one.
    """
    number = len({name for name in clusters if name is not None}) + sum(name is None for name in clusters)
    effect = design_effect(values, clusters)
    if few and number > 1:
        effect *= (student_quantile(0.5 + confidence / 2, number - 1) / z_value(confidence)) ** 2
    return effect, number


def clustered_wilson(
    hits: Sequence[bool], clusters: Sequence[Hashable], *, confidence: float = CONFIDENCE
) -> Estimate | None:
    """A proportion with Wilson's interval on the rows divided by their design effect, or None without rows.

    A single cluster says nothing of others: its interval is everything.
    """
    if not hits:
        return None
    share = sum(hits) / len(hits)
    effect, number = cluster_effect([float(h) for h in hits], clusters, confidence=confidence)
    if number < 2:
        return Estimate(share, 0.0, 1.0, len(hits))
    found = wilson(sum(hits) / effect, len(hits) / effect, confidence=confidence)
    return None if found is None else found._replace(value=share, n=len(hits))
