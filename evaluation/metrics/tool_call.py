"""How often a candidate calls the right tool with the right arguments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

from evaluation.metrics.base import Item, Metric, target_of
from evaluation.statistics import Estimate
from studio.lib.canonical import canonical_json
from studio.lib.params import BaseParams, param
from vault.quality.json_check import Unusable, parse, unfenced

TAGGED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)
Call = tuple[str, Any]


class ToolCall(Metric):
    """Share of rows whose tool calls are those of the reference, or of the teacher where there is none: the same names with the
    same arguments, and none where none is due.

    Calls are read from JSON (a call, a list of calls, OpenAI's ``tool_calls``) or from ``<tool_call>`` tags. Without a call in
    any row there is no figure.
    """

    label = "Tool calls"
    tasks = ("text",)
    binary = True

    class Params(BaseParams):
        """What must be the same."""

        compared: Literal["name and arguments", "name"] = param("name and arguments", label="Compared")
        order: Literal["does not matter", "matters"] = param("does not matter", label="Order of several calls")

    def score(self, item: Item) -> float | None:
        """1.0 for the same calls, 0.0 otherwise and for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        wanted = read_calls(target)
        if wanted is None:
            return None
        if item.answer is None:
            return 0.0
        given = read_calls(item.answer)
        try:
            return float(given is not None and self.keys(given) == self.keys(wanted))
        except RecursionError:
            return 0.0

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """The share, or None when no row is to call a tool."""
        if not any(read_calls(target) for item in items if (target := target_of(item)) is not None):
            return None
        return super().aggregate(items, seed=seed, clusters=clusters)

    def keys(self, calls: list[Call]) -> list[str]:
        """Each call as text that is equal for equal calls."""
        whole = self.params.compared == "name and arguments"
        found = [canonical_json([name, numbers_alike(arguments)] if whole else [name]) for name, arguments in calls]
        return found if self.params.order == "matters" else sorted(found)


def read_calls(text: str) -> list[Call] | None:
    """The calls in an answer, ``[]`` for an answer in words, None for one that means to call and can't be read."""
    tagged = TAGGED.findall(text)
    if tagged:
        found: list[Call] = []
        for body in tagged:
            calls = _read(body)
            if not calls:
                return None
            found += calls
        return found
    return _read(text) or []


def _read(text: str) -> list[Call] | None:
    try:
        return calls_of(parse(unfenced(text)))
    except (Unusable, RecursionError):
        return None


def calls_of(value: Any) -> list[Call] | None:
    """The calls in a decoded value, or None when it is none."""
    if isinstance(value, dict) and isinstance(value.get("tool_calls"), list):
        value = value["tool_calls"]
    if isinstance(value, list):
        each = [calls_of(inner) for inner in value]
        return None if None in each else [call for calls in each for call in calls or []]
    if not isinstance(value, dict):
        return None
    inner = value.get("function", value)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        return None
    arguments = next((inner[name] for name in ("arguments", "parameters", "args") if name in inner), None)
    if arguments is None and inner is value and set(value) - {"name", "id", "type"}:
        return None
    if isinstance(arguments, str):
        with suppress(Unusable):
            arguments = parse(arguments) if arguments.strip() else {}
    return [(inner["name"], {} if arguments is None else arguments)]


def numbers_alike(value: Any) -> Any:
    """The value with 2.0 as 2: JSON knows one kind of number."""
    if isinstance(value, dict):
        return {name: numbers_alike(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [numbers_alike(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
