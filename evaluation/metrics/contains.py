"""How often an answer holds what it must."""

from __future__ import annotations

from typing import Literal

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param


class Contains(Metric):
    """Share of answers in which the reference is found (the teacher's answer where there is none), or the given texts."""

    label = "Contains"
    binary = True

    class Params(BaseParams):
        """What is looked for."""

        texts: list[str] = param(
            list, label="Texts", help="One a line. Empty: the row's reference.", widget="lines", max_length=200
        )
        needed: Literal["all", "any", "none"] = param(
            "all", label="How many of them", help="None: the texts must not occur."
        )
        ignore_case: bool = param(True, label="Ignore case")

    def score(self, item: Item) -> float | None:
        """1.0 when it does, 0.0 otherwise and for a failed answer, None where there is nothing to look for."""
        target = target_of(item)
        wanted = self.params.texts or ([target.strip()] if target is not None and target.strip() else [])
        if not wanted:
            return None
        if item.answer is None:
            return 0.0
        fold = str.casefold if self.params.ignore_case else str
        there = [fold(text) in fold(item.answer) for text in wanted]
        found = {"all": all(there), "any": any(there), "none": not any(there)}
        return float(found[self.params.needed])
