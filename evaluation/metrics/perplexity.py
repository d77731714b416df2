"""How surprised a model is by the right answers."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evaluation.metrics.base import Item
from evaluation.metrics.nll import Nll
from evaluation.statistics import Estimate

MOST = 700.0
"""e to a higher power is no number any more."""


class Perplexity(Nll):
    """e to the mean negative log-likelihood of a token of the right answers; 1 at best, lower is better. Only models on this
    machine have one."""

    label = "Perplexity"

    def score(self, item: Item) -> float | None:
        """The row's own perplexity, None where it is not known."""
        found = super().score(item)
        return None if found is None else math.exp(min(found, MOST))

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """The perplexity of all rows' tokens; its interval is that of the mean, raised likewise."""
        found = super().aggregate(items, seed=seed, clusters=clusters)
        if found is None:
            return None
        value, low, high = (math.exp(min(x, MOST)) for x in found[:3])
        return Estimate(value, low, high, found.n)
