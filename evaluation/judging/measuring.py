"""What the verdict's measure gives the very answers that a judge grades, so that both can be held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.metrics.base import Item, Metric, judges
from evaluation.metrics.own import Own
from evaluation.rows.measures import value_of
from studio.lib.registry import UnknownName
from studio.registries import METRICS
from vault.rows import Row


def measure_of(report: Mapping[str, Any]) -> Metric | None:
    """The measure of the report's verdict, as it was set, a metric of one's own too; None where it is not one that scores single
    answers from 0 to 1."""
    name = str((report.get("settings") or {}).get("measure") or "")
    told = next((m for m in report["metrics"] if m["name"] == name), None)
    if told is None:
        return None
    try:
        kind = METRICS[name]
    except UnknownName:
        return _own(told)
    if kind.higher_is_better is None or kind.unit != "%":
        return None
    metric: Metric = kind(kind.Params.model_validate(told.get("params") or {}))
    return metric


def _own(told: Mapping[str, Any]) -> Own | None:
    """A metric of one's own as the report describes it; None when a verdict can't go by it."""
    try:
        metric = Own(Own.Params.model_validate(told.get("params") or {}))
    except ValueError:
        return None
    return metric if judges(metric) and metric.unit == "%" else None


def measure_cases(cases: Iterable[Row], metric: Metric, kinds: Mapping[str, str]) -> dict[str, dict[int, float | None]]:
    """Candidate → row → its score from 0 to 1, higher is better; None where there is nothing to compare with."""
    if isinstance(metric, Own):
        return _measured_before(cases, metric, kinds)
    rids: dict[str, list[int]] = {name: [] for name in kinds}
    items: dict[str, list[Item]] = {name: [] for name in kinds}
    for case in cases:
        for name, answer in case.meta["answers"].items():
            if name in kinds:
                teacher = None if kinds[name] == "teacher" else case.completion_text
                rids[name].append(int(case.id))
                items[name].append(Item(answer, teacher, case.reference_text, case.user_text))
    up = metric.higher_is_better is not False
    return {
        name: {
            rid: score if score is None or up else 1 - score
            for rid, score in zip(rids[name], metric.score_all(items[name]), strict=True)
        }
        for name in kinds
    }


def _measured_before(cases: Iterable[Row], metric: Own, kinds: Mapping[str, str]) -> dict[str, dict[int, float | None]]:
    """The same of a metric of one's own: as it was evaluated for the report. Its expression may read of a row what cases lack."""
    found: dict[str, dict[int, float | None]] = {name: {} for name in kinds}
    name, up = metric.params.name, metric.higher_is_better is not False
    for case in cases:
        said = case.meta.get("measures") or {}
        for candidate in case.meta["answers"]:
            if candidate in kinds:
                value = value_of(said.get(candidate), name, label=metric.label, worst=metric.worst)
                found[candidate][int(case.id)] = value if value is None or up else 1 - value
    return found
