"""How often an answer has the form that a pattern describes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal, Self

from pydantic import model_validator

from evaluation.metrics.base import Item, Metric
from studio.lib.params import BaseParams, param
from vault.quality.patterns import LONGEST, compile_pattern, search


class Regex(Metric):
    """Share of answers in which a pattern (RE2) is found, or is not. Without a pattern there is no figure."""

    label = "Pattern"
    binary = True

    class Params(BaseParams):
        """The pattern."""

        pattern: str = param(
            "", label="Pattern", help="RE2, found anywhere; ^ and $ mean beginning and end.", max_length=LONGEST
        )
        good: Literal["with a match", "without a match"] = param("with a match", label="Right are answers")
        ignore_case: bool = param(False, label="Ignore case")

        @model_validator(mode="after")
        def compiles(self) -> Self:
            compile_pattern(self.pattern, ignore_case=self.ignore_case)
            return self

    @cached_property
    def compiled(self) -> Any:
        """The pattern, compiled once."""
        return compile_pattern(self.params.pattern, ignore_case=self.params.ignore_case)

    def score(self, item: Item) -> float | None:
        """1.0 for an answer of that form, 0.0 otherwise and for a failed answer, None without a pattern."""
        if not self.params.pattern:
            return None
        if item.answer is None:
            return 0.0
        return float((search(self.compiled, item.answer) is not None) == (self.params.good == "with a match"))
