"""A metric that people write themselves: a small Python expression, evaluated for each row in a confined process."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from pydantic import field_validator, model_validator

from evaluation.expressions.language import Checked, read_expression
from evaluation.expressions.sandbox import Limits, Outcome, run_rows
from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param

Better = Literal["higher", "lower", "neither"]
Scale = Literal["yes_no", "share", "number"]
MOST_MESSAGES = 3
NO_ANSWER = "There is no answer."


class Own(Metric):
    """A figure by an expression of one's own. A row whose expression fails counts as the worst score, and is told."""

    label = "Own metric"
    per_row = True

    class Params(BaseParams):
        """One metric of one's own."""

        name: str = param(..., label="Name", help="Small letters, digits and _.", pattern="^[a-z][a-z0-9_]{0,38}$")
        label: str = param("", label="Shown as", max_length=60)
        expression: str = param(..., label="Expression")
        better: Better = param("higher", label="Better is")
        scale: Scale = param("yes_no", label="Scale")
        low: float = param(0.0, label="Least value", allow_inf_nan=False)
        high: float = param(1.0, label="Greatest value", allow_inf_nan=False)

        @field_validator("expression")
        @classmethod
        def can_run(cls, text: str) -> str:
            read_expression(text)
            return text

        @model_validator(mode="after")
        def fits(self) -> Self:
            if self.scale != "number" and (self.low, self.high) != (0.0, 1.0):
                raise ValueError("low and high belong to “scale: number”; the other scales run from 0 to 1")
            if self.low >= self.high:
                raise ValueError("low must lie below high")
            gives = read_expression(self.expression).gives
            if gives == "text":
                raise ValueError("The expression gives a text, not a number or True or False")
            if gives == "number" and self.scale == "yes_no":
                raise ValueError(
                    "The expression gives a number: write “scale: share” for 0 to 1, or “scale: number” with low and high"
                )
            return self

    def __init__(self, params: Any, *, limits: Limits | None = None) -> None:
        super().__init__(params)
        self.label = params.label or params.name.replace("_", " ").capitalize()  # type: ignore[misc]
        self.higher_is_better = {"higher": True, "lower": False, "neither": None}[params.better]  # type: ignore[misc]
        self.unit = "" if params.scale == "number" else "%"  # type: ignore[misc]
        self.binary = params.scale == "yes_no"  # type: ignore[misc]
        self.checked: Checked = read_expression(params.expression)
        self.limits = limits
        self.beat: Callable[[], None] = lambda: None
        """Called now and then while rows are evaluated; may raise."""
        self._known: dict[bytes, Outcome] = {}

    def about(self) -> str:
        """The expression."""
        return f"Own metric: {self.checked.text}"

    @property
    def worst(self) -> float | None:
        """The score of a failure; None where neither end is the good one."""
        ends: dict[bool | None, float | None] = {True: self.params.low, False: self.params.high, None: None}
        return ends[self.higher_is_better]

    def score(self, item: Item) -> float | None:
        """The expression's figure; the worst one for a failed answer or expression; None where the row lacks a value that the
        expression reads (a reference, say), or where it gives None."""
        return self.score_all([item])[0]

    def score_all(self, items: Sequence[Item]) -> list[float | None]:
        """The scores of all items, from one process."""
        return [
            (self.worst if outcome.failed else None if outcome.value is None else float(outcome.value))
            for outcome in self.outcomes(items)
        ]

    def outcomes(self, items: Sequence[Item]) -> list[Outcome]:
        """What each item gave, or why it gave nothing. An item is put to the expression once, however often it is asked for."""
        values = [self.values_of(item) for item in items]
        keys = [None if found is None else self.key(found) for found in values]
        new = {
            key: found
            for key, found, item in zip(keys, values, items, strict=True)
            if key is not None and found is not None and item.answer is not None and key not in self._known
        }
        if new:
            found = run_rows(self.checked, new.values(), limits=self.limits, beat=self.beat)
            self._known |= {key: self.judge(outcome) for key, outcome in zip(new, found, strict=True)}
        return [
            Outcome() if key is None else Outcome(failed=NO_ANSWER) if item.answer is None else self._known[key]
            for key, item in zip(keys, items, strict=True)
        ]

    def values_of(self, item: Item) -> dict[str, Any] | None:
        """What the expression sees of an item, or None when the row lacks something that it reads."""
        every = {
            "answer": item.answer,
            "reference": item.reference,
            "teacher": item.teacher,
            "target": target_of(item),
            "prompt": item.prompt,
            "label": item.label,
            "meta": dict(item.meta),
        }
        found = {name: every[name] for name in self.checked.names}
        return None if any(value is None for name, value in found.items() if name != "answer") else found

    @staticmethod
    def key(values: dict[str, Any]) -> bytes:
        """A short name of these values."""
        return hashlib.blake2b(json.dumps(values, sort_keys=True, default=str).encode(), digest_size=16).digest()

    def judge(self, outcome: Outcome) -> Outcome:
        """The outcome, failed when its value does not lie on the scale."""
        value = outcome.value
        if outcome.failed or value is None:
            return outcome
        if self.binary and value not in (0, 1):
            return Outcome(failed=f"it gives {value:g}, not True or False")
        if not self.params.low <= value <= self.params.high:
            return Outcome(failed=f"it gives {value:g}, which lies outside {self.params.low:g} to {self.params.high:g}")
        return outcome

    def notes(self) -> list[str]:
        """How many answers the expression failed on and why, and on how many it gave None."""
        failed = Counter(outcome.failed for outcome in self._known.values() if outcome.failed)
        empty = sum(outcome.value is None and not outcome.failed for outcome in self._known.values())
        found = []
        if failed:
            told = "; ".join(f"{why} ({n:,})" for why, n in failed.most_common(MOST_MESSAGES))
            more = len(failed) - MOST_MESSAGES
            rest = f"; and {more:,} other reason{'s' if more != 1 else ''}" if more > 0 else ""
            counted = "" if self.worst is None else " They count as the worst score."
            n = failed.total()
            found.append(
                f"“{self.label}” failed on {n:,} different answer{'s' if n != 1 else ''}: {told}{rest}.{counted}"
            )
        if empty:
            found.append(
                f"“{self.label}” gave None for {empty:,} different answer{'s' if empty != 1 else ''}; those have no score."
            )
        return found
