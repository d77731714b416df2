"""Bootstrap draws of tables of counts: rows one by one, or whole clusters of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any


def draw_cells(
    items: Sequence[Hashable],
    cells: Sequence[Hashable],
    *,
    clusters: Sequence[Hashable] | None,
    seed: int,
    resamples: int,
) -> Any:
    """``resamples`` × ``len(cells)``: how often each distinct item of ``cells`` occurs in each bootstrap sample of ``items``.

    With ``clusters`` (one name an item, None for an item of its own) whole clusters are drawn.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    if clusters is None:
        counts = Counter(items)
        weights = np.array([counts[c] for c in cells], dtype=float)
        return generator.multinomial(len(items), weights / weights.sum(), size=resamples).astype(float)
    position = {cell: i for i, cell in enumerate(cells)}
    place: dict[Hashable, int] = {}
    rows: list[tuple[int, int]] = []
    for item, name in zip(items, clusters, strict=True):
        key: Hashable = ("row", len(rows)) if name is None else ("cluster", name)
        rows.append((place.setdefault(key, len(place)), position[item]))
    table = np.zeros((len(place), len(cells)), dtype=np.float32)
    np.add.at(table, tuple(np.array(rows).T), 1)
    drawn = generator.multinomial(len(place), [1 / len(place)] * len(place), size=resamples)
    return (drawn.astype(np.float32) @ table).astype(float)


def draw_sums(
    counts: Sequence[Sequence[float]], *, clusters: Sequence[Hashable] | None, seed: int, resamples: int
) -> Any:
    """``resamples`` × columns: the column sums of each bootstrap sample of the rows of ``counts``, or of clusters of them."""
    import numpy as np

    table = np.asarray(counts, dtype=float)
    if clusters is not None:
        place: dict[Hashable, int] = {}
        at = [place.setdefault(("row", i) if n is None else ("cluster", n), len(place)) for i, n in enumerate(clusters)]
        sums = np.zeros((len(place), table.shape[1]))
        np.add.at(sums, at, table)
        table = sums
    generator = np.random.default_rng(seed)
    n = len(table)
    # Little by little: at a million rows one table of all draws would not fit.
    return np.stack([table[generator.integers(0, n, size=n)].sum(axis=0) for _ in range(resamples)])
