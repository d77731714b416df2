"""Metrics of one's own as a person types them: a YAML or JSON list, each with a name and an expression. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from evaluation.figures.metric_settings import load_text
from evaluation.metrics.base import judges
from evaluation.metrics.own import Own
from studio.lib.canonical import fingerprint
from studio.lib.params import problems
from studio.lib.registry import close_matches
from studio.registries import METRICS

MOST = 20
LONGEST = 50_000
EXAMPLE = "- {name: short, expression: len(answer) <= 280}"
TAKEN = frozenset({"auto", "judge", "retained", "cost_per_1000_usd", "latency_p50_ms", "latency_p95_ms"})


def read_own(text: str) -> list[Own.Params]:
    """The metrics in the order written. Raises ``ValueError`` with every problem found."""
    if not text.strip():
        return []
    value = load_text(text, longest=LONGEST)
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError(f"Write a list, one metric an entry, such as: {EXAMPLE}")
    if len(value) > MOST:
        raise ValueError(f"There are {len(value):,} metrics; at most {MOST}")
    found: list[Own.Params] = []
    wrong: list[str] = []
    for number, entry in enumerate(value, start=1):
        who = str(entry.get("name") or f"metric {number}")[:60]
        try:
            params = Own.Params.model_validate(entry)
        except ValidationError as error:
            wrong += [f"{who}{', ' + field if field else ''}: {message}" for field, message in problems(error)]
            continue
        if params.name in METRICS or params.name in TAKEN:
            wrong.append(f"{who}: the Studio has a figure of this name; choose another")
        elif params.name in {other.name for other in found}:
            wrong.append(f"{who}: there are two of this name")
        else:
            found.append(params)
    if wrong:
        raise ValueError(" ".join(_sentence(text) for text in wrong))
    return found


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def check_measure(measure: str, metrics: Sequence[str], own: Sequence[Own.Params]) -> None:
    """Raise ``ValueError`` when a verdict can't go by the measure: it is not among the metrics, or no end of it is the good one."""
    if measure == "auto":
        return
    mine = {params.name: Own(params) for params in own}
    if measure in mine:
        if not judges(mine[measure]):
            raise ValueError(
                f"“{measure}” can't be the measure of the verdict: it needs a good end, and a scale from 0 to 1"
            )
        return
    if measure not in METRICS:
        raise ValueError(f"There is no metric “{measure}” to judge by. {close_matches(measure, [*metrics, *mine])}")
    if not judges(METRICS[measure]):
        raise ValueError(f"“{measure}” can't be the measure of the verdict: no end of it is the good one")
    if measure not in metrics:
        raise ValueError("The measure of the verdict must be one of the metrics")


def describe_own(found: Sequence[Own.Params]) -> str:
    """The metrics in one line for a report's facts."""
    return "; ".join(f"{own.name}: {' '.join(own.expression.split())}" for own in found)


SHOWN = 48
"""Characters of an expression that lists show where two metrics share a name."""


def identity_of(params: Mapping[str, Any]) -> dict[str, str]:
    """``hash``: equal for two metrics that compute the same, whatever they are called; ``expression``: how it begins."""
    what = {name: params.get(name) for name in ("expression", "scale", "low", "high", "better")}
    expression = " ".join(str(params.get("expression") or "").split())
    short = expression if len(expression) <= SHOWN else expression[: SHOWN - 1] + "…"
    return {
        "hash": fingerprint([expression, what["scale"], what["low"], what["high"], what["better"]])[:8],
        "expression": short,
    }


def described(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What lists must know of a report's own metrics: name → label, unit, which end is better and whether it can judge."""
    return {
        m["name"]: {
            "label": m["label"],
            "unit": m["unit"],
            "higher_is_better": m["higher_is_better"],
            "judges": m["higher_is_better"] is not None and m["unit"] == "%",
            **identity_of(m.get("params") or {}),
        }
        for m in report["metrics"]
        if m["name"] not in METRICS
    }
