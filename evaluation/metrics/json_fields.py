"""How much of the reference's JSON an answer's JSON gets right, field by field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from evaluation.metrics.base import Item, Metric, answer_key, target_of
from studio.lib.params import BaseParams, param
from vault.quality.json_check import Unusable, parse, unfenced

LONGEST_MATCHED = 200
"""Longer lists in any order are paired by equality alone; trying every pair would cost their square."""
WEIGHTLESS = (0, 0)


class JsonFields(Metric):
    """Share of fields that are right, the mean over rows: every value of the reference's JSON, at any depth, and every value that
    the answer adds. Against the teacher's answer where there is no reference.

    Numbers are equal by value (1 is 1.0; 1 is not true). An answer that is no JSON has no field right; a row whose reference is
    no JSON does not count.
    """

    label = "JSON fields"
    tasks = ("text",)

    class Params(BaseParams):
        """What counts as the same."""

        extra: Literal["count as wrong", "are ignored"] = param("count as wrong", label="Fields the answer adds")
        lists: Literal["in order", "in any order"] = param("in order", label="Items of lists")
        texts: Literal["exactly", "loosely"] = param(
            "exactly",
            label="Texts are compared",
            help="Loosely: upper and lower case, spaces and punctuation don't count.",
        )
        tolerance: float = param(
            0.0, label="Tolerance of numbers", help="Numbers may differ by so much.", ge=0, allow_inf_nan=False
        )
        strip_fences: bool = param(
            True, label="Read inside code fences", help="``` marks around the answer don't count."
        )

    def score(self, item: Item) -> float | None:
        """Share of right fields, 0 for a failed answer, None where the reference is no JSON."""
        target = target_of(item)
        if target is None:
            return None
        try:
            wanted = parse(unfenced(target))
        except Unusable:
            return None
        if item.answer is None:
            return 0.0
        try:
            given = parse(unfenced(item.answer) if self.params.strip_fences else item.answer)
            # The pairs are told apart by identity, which lasts as long as these two values.
            self._known.clear()
            hits, total = self.compare(given, wanted)
        except (Unusable, RecursionError):
            return 0.0
        return hits / total if total else 1.0

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self._known: dict[tuple[int, int], tuple[int, int]] = {}

    def _pair(self, given: Any, wanted: Any) -> tuple[int, int]:
        """:meth:`compare`, each pair once: lists in any order ask of the same pair again and again, at every depth."""
        key = (id(given), id(wanted))
        if key not in self._known:
            self._known[key] = self.compare(given, wanted)
        return self._known[key]

    def compare(self, given: Any, wanted: Any) -> tuple[int, int]:
        """``(values that are right, values there are)`` of two decoded JSON values."""
        if isinstance(wanted, dict) and isinstance(given, dict) and (wanted or given):
            parts = [
                self.compare(given[name], value) if name in given else (0, leaves(value))
                for name, value in wanted.items()
            ]
            return self._sum([*parts, *(self._added(v) for name, v in given.items() if name not in wanted)])
        if isinstance(wanted, list) and isinstance(given, list) and (wanted or given):
            return self._lists(given, wanted)
        if isinstance(wanted, dict | list) or isinstance(given, dict | list):
            same = type(wanted) is type(given)
            return int(same), leaves(wanted)
        return int(self.same(given, wanted)), 1

    def _lists(self, given: list[Any], wanted: list[Any]) -> tuple[int, int]:
        if self.params.lists == "in order":
            both = min(len(given), len(wanted))
            parts = [self.compare(a, b) for a, b in zip(given, wanted, strict=False)]
            parts += [(0, leaves(v)) for v in wanted[both:]]
            return self._sum([*parts, *(self._added(v) for v in given[both:])])
        left, parts = list(given), []
        missed = []
        for value in wanted:
            found = next((i for i, other in enumerate(left) if self._whole(other, value)), None)
            if found is None:
                missed.append(value)
            else:
                parts.append(self._pair(left.pop(found), value))
        for value in missed:
            if left and max(len(given), len(wanted)) <= LONGEST_MATCHED:
                best = max(range(len(left)), key=lambda i, v=value: self._pair(left[i], v)[0])  # type: ignore[misc]
                parts.append(self._pair(left.pop(best), value))
            else:
                parts.append((0, leaves(value)))
        return self._sum([*parts, *(self._added(v) for v in left)])

    def _whole(self, given: Any, wanted: Any) -> bool:
        hits, total = self._pair(given, wanted)
        return hits == total

    def _added(self, value: Any) -> tuple[int, int]:
        return (0, leaves(value)) if self.params.extra == "count as wrong" else WEIGHTLESS

    @staticmethod
    def _sum(parts: list[tuple[int, int]]) -> tuple[int, int]:
        return sum(hits for hits, _ in parts), sum(total for _, total in parts)

    def same(self, given: Any, wanted: Any) -> bool:
        """Whether two values that are neither object nor list are the same."""
        if isinstance(given, bool) or isinstance(wanted, bool):
            return given is wanted
        if isinstance(given, int | float) and isinstance(wanted, int | float):
            # As decimals, as they were written: 0.3 − 0.1 is 0.2, and no integer is too large.
            return abs(Decimal(str(given)) - Decimal(str(wanted))) <= Decimal(str(self.params.tolerance))
        if isinstance(given, str) and isinstance(wanted, str) and self.params.texts == "loosely":
            return answer_key(given) == answer_key(wanted)
        return bool(type(given) is type(wanted) and given == wanted)


def leaves(value: Any) -> int:
    """How many values a decoded JSON value holds; an empty object or list counts as one."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(leaves, inner)) or 1
