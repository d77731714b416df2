"""How far people and models agree beyond chance: Cohen's kappa, Fleiss' kappa and Krippendorff's alpha with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

from evaluation.statistics.estimates import CONFIDENCE, Estimate
from evaluation.statistics.resampling import draw_cells
from vault.agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha

__all__ = [
    "cohen_kappa",
    "cohen_kappa_estimate",
    "fleiss_kappa",
    "krippendorff_alpha",
    "krippendorff_estimate",
    "weighted_kappa",
    "weighted_kappa_estimate",
]


def cohen_kappa_estimate(
    pairs: Sequence[tuple[str, str | None]],
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = 1_000,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """Kappa with a percentile bootstrap interval over rows, or over clusters of rows. A failure (None) is an answer of its
    own."""
    import numpy as np

    value = cohen_kappa(pairs)
    if value is None:
        return None
    cells = list(Counter(pairs))
    names = sorted({a for a, _ in cells} | {b for _, b in cells if b is not None})
    position: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    position[None] = len(names)
    first = np.zeros((len(cells), len(names) + 1))
    second = np.zeros_like(first)
    for i, (a, b) in enumerate(cells):
        first[i, position[a]] = second[i, position[b]] = 1
    counts = draw_cells(pairs, cells, clusters=clusters, seed=seed, resamples=resamples)
    draws = counts / counts.sum(axis=1, keepdims=True)
    observed = draws @ np.array([a == b for a, b in cells], dtype=float)
    expected = ((draws @ first) * (draws @ second)).sum(axis=1)
    certain = expected > 1 - 1e-12
    kappas = np.where(certain, 1.0, (observed - expected) / np.where(certain, 1.0, 1 - expected))
    low, high = np.quantile(kappas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))


def krippendorff_estimate(
    units: Sequence[Sequence[Hashable]], *, seed: int, resamples: int = 1_000, confidence: float = CONFIDENCE
) -> Estimate | None:
    """Krippendorff's alpha (nominal) with a percentile bootstrap interval over rows that two or more people rated.

    None when there is no such row. A resample in which everybody always said one and the same counts as full agreement.
    """
    import numpy as np

    kept = [tuple(sorted(unit, key=repr)) for unit in units if len(unit) >= 2]
    value = krippendorff_alpha(kept)
    if value is None:
        return None
    cells = list(Counter(kept))
    names = sorted({name for cell in cells for name in cell}, key=repr)
    margins = np.zeros((len(cells), len(names)))
    differing = np.zeros(len(cells))
    for i, cell in enumerate(cells):
        counts = Counter(cell)
        m = len(cell)
        for name, count in counts.items():
            margins[i, names.index(name)] = count
        differing[i] = (m * m - sum(c * c for c in counts.values())) / (m - 1)
    draws = draw_cells(kept, cells, clusters=None, seed=seed, resamples=resamples)
    totals = draws @ margins
    n = totals.sum(axis=1)
    chance = n * n - (totals**2).sum(axis=1)
    alphas = np.where(chance <= 0, 1.0, 1 - (n - 1) * (draws @ differing) / np.where(chance <= 0, 1.0, chance))
    low, high = np.quantile(alphas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(kept))


def weighted_kappa(pairs: Sequence[tuple[int, int]], *, levels: Sequence[int]) -> float | None:
    """Cohen's kappa with quadratic weights for grades on an ordered scale (Cohen 1968): a miss by two counts four times.

    ``levels``: every grade of the scale in order. On a scale of two it is plain kappa. None without rows; where both sides
    always gave one and the same grade it is 1.0.
    """
    if not pairs:
        return None
    place = {level: i for i, level in enumerate(levels)}
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    n = len(pairs)
    observed = sum((place[a] - place[b]) ** 2 for a, b in pairs) / n
    expected = sum(first[a] * second[b] * (place[a] - place[b]) ** 2 for a in first for b in second) / (n * n)
    return 1.0 if expected == 0 else 1 - observed / expected


def weighted_kappa_estimate(
    pairs: Sequence[tuple[int, int]],
    *,
    levels: Sequence[int],
    seed: int,
    resamples: int = 1_000,
    confidence: float = CONFIDENCE,
) -> Estimate | None:
    """:func:`weighted_kappa` with a percentile bootstrap interval over rows. A resample without any spread counts as full
    agreement."""
    import numpy as np

    value = weighted_kappa(pairs, levels=levels)
    if value is None:
        return None
    place = {level: i for i, level in enumerate(levels)}
    cells = sorted(set(pairs))
    at = np.array([(place[a], place[b]) for a, b in cells])
    counts = draw_cells(pairs, cells, clusters=None, seed=seed, resamples=resamples)
    draws = counts / counts.sum(axis=1, keepdims=True)
    first, second = (np.eye(len(levels))[at[:, side]] for side in (0, 1))
    weights = (np.arange(len(levels))[:, None] - np.arange(len(levels))[None, :]) ** 2
    observed = draws @ ((at[:, 0] - at[:, 1]) ** 2)
    expected = np.einsum("ra,ab,rb->r", draws @ first, weights, draws @ second)
    certain = expected < 1e-12
    kappas = np.where(certain, 1.0, 1 - observed / np.where(certain, 1.0, expected))
    low, high = np.quantile(kappas, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value, min(float(low), value), max(float(high), value), len(pairs))
