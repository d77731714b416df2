"""How long answers are beside those they should resemble."""

from __future__ import annotations

from typing import Literal

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param


class Length(Metric):
    """Length of the answer divided by that of the reference, or of the teacher's answer where there is none; the mean over rows.
    1 is as long; neither more nor less is better by itself. Failed answers and empty references do not count."""

    label = "Length ratio"
    tasks = ("text",)
    unit = ""
    higher_is_better = None

    class Params(BaseParams):
        """What is counted."""

        counted: Literal["words", "characters"] = param("words", label="Counted in")

    def score(self, item: Item) -> float | None:
        """The ratio, None for a failed answer and where there is nothing to divide by."""
        target = target_of(item)
        if target is None or item.answer is None:
            return None
        wanted = self.count(target)
        return self.count(item.answer) / wanted if wanted else None

    def count(self, text: str) -> int:
        """Words between white space, or characters."""
        return len(text.split()) if self.params.counted == "words" else len(text)
