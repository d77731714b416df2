"""What the verdict's measure gives the very answers that a judge grades, so that both can be held against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from evaluation.metrics.base import Item, Metric
from studio.lib.registry import UnknownName
from studio.registries import METRICS
from vault.rows import Row


def measure_of(report: Mapping[str, Any]) -> Metric | None:
    """The measure of the report's verdict, as it was set; None where it is not one that scores single answers from 0 to 1."""
    name = str((report.get("settings") or {}).get("measure") or "")
    told = next((m for m in report["metrics"] if m["name"] == name), None)
    if told is None:
        return None
    try:
        kind = METRICS[name]
    except UnknownName:
        return None
    if kind.higher_is_better is None or kind.unit != "%":
        return None
    metric: Metric = kind(kind.Params.model_validate(told.get("params") or {}))
    return metric


def measure_cases(cases: Iterable[Row], metric: Metric, kinds: Mapping[str, str]) -> dict[str, dict[int, float | None]]:
    """Candidate → row → its score from 0 to 1, higher is better; None where there is nothing to compare with."""
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
