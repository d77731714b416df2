"""How likely a model finds the right answers, token by token."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.metrics.base import Item, Metric, target_of
from evaluation.statistics import Estimate, ratio_of_sums


class Nll(Metric):
    """Mean negative log-likelihood in nats of a token of the right answer (the reference, else the teacher's answer), over all
    tokens of all rows; lower is better. Only models on this machine have one."""

    label = "NLL per token"
    higher_is_better = False
    unit = ""
    per_row = True
    needs_likelihood = True

    def __init__(self, params: object = None) -> None:
        super().__init__(params)
        self._missing: dict[tuple[int, int], None] = {}

    def score(self, item: Item) -> float | None:
        """The row's own mean, None where it is not known."""
        return item.nll / item.nll_tokens if item.nll is not None and item.nll_tokens else None

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """All rows' NLL over all rows' tokens; None where no row has one. Rows or clusters are drawn."""
        known = [i for i, item in enumerate(items) if item.nll is not None and item.nll_tokens]
        wanted = sum(target_of(item) is not None for item in items)
        if known and wanted > len(known):
            self._missing[wanted - len(known), wanted] = None
        return ratio_of_sums(
            [items[i].nll or 0.0 for i in known],
            [items[i].nll_tokens for i in known],
            seed=seed,
            clusters=None if clusters is None else [clusters[i] for i in known],
        )

    def notes(self) -> list[str]:
        """How many rows are not in the figure."""
        return [
            f"{self.label}: {missing:,} of {wanted:,} rows are not in a candidate's figure, since the right answer does not fit behind "
            "the prompt or the row could not be read."
            for missing, wanted in self._missing
        ]
