"""What lists and rules must know of a metric: those of the Studio from their classes, those of one's own from the evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from evaluation.metrics.base import judges
from studio.registries import METRICS


class Named(NamedTuple):
    """A metric as it is shown. ``judges``: a share of which it is known which end is good."""

    label: str
    unit: str
    higher_is_better: bool | None
    judges: bool


def named(metric: str, own: Mapping[str, Mapping[str, Any]] | None = None) -> Named | None:
    """The metric of this name, or None. ``own``: an evaluation's own metrics (``Scorecard.own_metrics``)."""
    known = METRICS.get(metric)
    if known is not None:
        return Named(known.label, known.unit, known.higher_is_better, judges(known))
    told = (own or {}).get(metric)
    return None if told is None else Named(told["label"], told["unit"], told["higher_is_better"], told["judges"])


def own_of(described: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """The own metrics of several evaluations in one table; of one name, the first counts."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in described:
        for name, told in one.items():
            found.setdefault(name, told)
    return found


class Apart(NamedTuple):
    """Own metrics of several evaluations, those of one name that compute something else under keys of their own.

    ``table``: key → what is known of it, its label with the expression where a name is used twice; ``keys``: for each
    evaluation its metric's name → its key.
    """

    table: dict[str, Mapping[str, Any]]
    keys: list[dict[str, str]]


def apart(described: Iterable[Mapping[str, Mapping[str, Any]]]) -> Apart:
    """Keep own metrics of one name apart where their expressions differ. The first one met keeps the name as its key."""
    first: dict[str, str] = {}
    table: dict[str, Mapping[str, Any]] = {}
    keys: list[dict[str, str]] = []
    for one in described:
        mine: dict[str, str] = {}
        for name, told in one.items():
            mark = str(told.get("hash", ""))
            key = name if first.setdefault(name, mark) == mark else f"{name}~{mark or 'before'}"
            mine[name] = key
            table.setdefault(key, told)
        keys.append(mine)
    twice = {key.partition("~")[0] for key in table if "~" in key}
    for key, told in table.items():
        if key.partition("~")[0] in twice:
            table[key] = {**told, "label": f"{told['label']} · {told.get('expression') or 'expression not kept'}"}
    return Apart(table, keys)


def judging(own: Mapping[str, Mapping[str, Any]] | None = None) -> dict[str, Named]:
    """Every metric that can judge, the Studio's first."""
    names = [*METRICS, *(own or {})]
    return {name: found for name in names if (found := named(name, own)) is not None and found.judges}
