"""What an evaluation's report says of its own making, and what of it the run page shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.figures.metric_settings import describe_settings, read_settings
from evaluation.figures.own_metrics import describe_own, read_own
from pipelines.steps.base import InputArtifact
from pipelines.steps.student import prompt_view_of


def facts_of(params: Any, inputs: Mapping[str, InputArtifact], training: Mapping[str, Any]) -> dict[str, Any]:
    """What was evaluated, by name and hash."""
    base_model = training["base_model"]
    view = prompt_view_of(inputs["student"], training)
    facts = {
        "Held-out rows": inputs["rows"].sha,
        "Student": inputs["student"].sha,
        "Base model": base_model["ref"],
        "Base model revision": base_model["revision"],
        "Student's system prompt": {"keep": "kept", "drop": "dropped", "replace": "replaced"}.get(
            view["mode"], view["mode"]
        ),
        "Longest answer": f"{params.max_new_tokens} tokens",
        "Seed": params.seed,
    }
    if told := describe_settings(read_settings(params.metric_settings)):
        facts["Settings of metrics"] = told
    if told := describe_own(read_own(params.own_metrics)):
        facts["Metrics of one's own"] = told
    if "train" in inputs:
        facts["Training rows"] = inputs["train"].sha
    if "earlier" in inputs:
        facts["Earlier student"] = inputs["earlier"].sha
    if "gguf" in inputs:
        facts["GGUF files"] = inputs["gguf"].sha
    if "benchmarks" in inputs:
        facts["Benchmarks"] = inputs["benchmarks"].sha
    if "others" in inputs:
        facts["Answers of other models"] = inputs["others"].sha
    return facts


def same_student_note(inputs: Mapping[str, InputArtifact]) -> list[str]:
    """A note when the earlier student is the student itself."""
    if "earlier" in inputs and inputs["earlier"].sha == inputs["student"].sha:
        return ["The earlier student is the student itself (the same weights): a difference between them says nothing."]
    return []


def summary_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers the run page shows."""
    summary: dict[str, Any] = {
        "headline": report["verdict"]["sentence"],
        "rows": report["rows"],
        "tone": report["verdict"]["tone"],
    }
    if report["detectable"]["basis"] == "seen":
        summary["discordance"] = report["detectable"]["discordance"]
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    for name in ("agreement", "accuracy"):
        value = student["metrics"].get(name) if student else None
        if value:
            summary[name] = value["value"]
    return summary
