"""How often a candidate declines to answer."""

from __future__ import annotations

from evaluation.metrics.base import Item, Metric
from studio.lib.params import BaseParams, param
from vault.quality.refusals import find_refusal


class RefusalRate(Metric):
    """Share of rows whose answer begins with a refusal; lower is better. A failed answer counts as one: it helped nobody."""

    label = "Refusals"
    tasks = ("text",)
    binary = True
    higher_is_better = False

    class Params(BaseParams):
        """What counts as a refusal."""

        phrases: list[str] = param(
            list,
            label="Further phrases",
            help="One a line, looked for at the beginning.",
            widget="lines",
            max_length=200,
        )
        whole: bool = param(False, label="Only answers that are nothing else")

    def score(self, item: Item) -> float:
        """1.0 for a refusal or a failed answer, 0.0 otherwise."""
        if item.answer is None:
            return 1.0
        return float(find_refusal(item.answer, phrases=self.params.phrases, whole=self.params.whole) != "")
