"""What single metrics say of single answers, for the rows' page: those whose score a reader cannot see for himself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.candidates.predictions import Candidate
from evaluation.figures.scoring import channels_of, judge
from evaluation.metrics.base import Metric
from evaluation.metrics.own import Own
from evaluation.wording import figure
from vault.rows import Row

Measures = Mapping[str, Mapping[str, str]]
"""Candidate → row id → JSON: a list of ``{"name", "label", "value", "unit", "failed"}``, empty ones left out."""


def measure_rows(rows: Sequence[Row], candidates: Sequence[Candidate], metrics: Mapping[str, Metric]) -> Measures:
    """What the metrics with ``per_row`` say of every answer that counts."""
    shown = {name: metric for name, metric in metrics.items() if metric.per_row}
    found: dict[str, dict[str, str]] = {}
    if not shown:
        return found
    for candidate in candidates:
        judged = judge(candidate, rows, channel=channels_of(candidate)[0])
        lines: list[list[dict[str, Any]]] = [[] for _ in judged.items]
        for name, metric in shown.items():
            unit = "yes" if metric.binary else metric.unit
            for line, (value, failed) in zip(lines, _scores(metric, judged.items), strict=True):
                if value is not None or failed:
                    line.append({"name": name, "label": metric.label, "value": value, "unit": unit, "failed": failed})
        found[candidate.name] = {
            rows[at].id: json.dumps(line, ensure_ascii=False)
            for at, line in zip(judged.positions, lines, strict=True)
            if line
        }
    return found


def _scores(metric: Metric, items: Sequence[Any]) -> list[tuple[float | None, str]]:
    if isinstance(metric, Own):
        return [(None if o.value is None else float(o.value), o.failed) for o in metric.outcomes(items)]
    return [(score, "") for score in metric.score_all(items)]


def read_measures(text: str | None) -> list[dict[str, str]]:
    """``{"label", "text", "failed"}`` for each metric, from what the items hold."""
    return [
        {"label": line["label"], "text": _words(line), "failed": line["failed"]}
        for line in (json.loads(text) if text else [])
    ]


def value_of(text: str | None, name: str, *, label: str, worst: float | None) -> float | None:
    """What one metric says of an answer, from what the items hold; ``worst`` where it failed, None where it says nothing.
    Items of before know their metrics by ``label`` only."""
    for line in json.loads(text) if text else []:
        if line.get("name", name) == name and line["label"] == label:
            return worst if line["failed"] else line["value"]
    return None


def _words(line: Mapping[str, Any]) -> str:
    if line["failed"]:
        return ""
    if line["unit"] == "yes":
        return "yes" if line["value"] else "no"
    return figure(line["value"], unit=line["unit"])
