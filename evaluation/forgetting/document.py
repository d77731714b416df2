"""The document that says what was forgotten: written by the benchmarks step, shown on its page and in the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.forgetting.figures import compare, headline, judge
from evaluation.wording import points
from pipelines.recipes.benchmark_tasks import TASKS
from pipelines.steps.base import InputArtifact
from studio.lib.errors import StepError

DOCUMENT = "benchmarks.json"
SCHEMA = 1


def build_document(
    base: Mapping[str, Mapping[str, Any]],
    student: Mapping[str, Mapping[str, Any]],
    *,
    margin: float,
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """``base`` and ``student``: task → result file of ``pipelines.recipes.benchmarks``. ``margin``: accepted loss, as a proportion."""
    tasks = []
    for name, theirs in base.items():
        told = TASKS.get(name)
        label, about = (told.label, told.about) if told is not None else ("Your questions", "the dataset wired in")
        tasks.append(compare(name, theirs, student[name], label=label, about=about))
    judged = judge(tasks, margin=margin)
    sentence, tone = headline(judged)
    return {
        "schema": SCHEMA,
        "sentence": sentence,
        "tone": tone,
        "margin": margin,
        "facts": dict(facts),
        "tasks": judged,
        "notes": list(notes),
    }


def summary_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers the run page shows."""
    return {
        "headline": document["sentence"],
        "tone": document["tone"],
        "questions": sum(task["n"] for task in document["tasks"]),
        "tasks": [
            {
                "label": task["label"],
                "finding": task["finding"],
                "difference": None if task["difference"] is None else points(task["difference"]["value"], signed=True),
            }
            for task in document["tasks"]
        ],
    }


def read_document(artifact: InputArtifact, *, student: str) -> dict[str, Any]:
    """The document of a benchmarks artifact. Raises ``StepError`` when it is about another student than ``student`` (its hash)."""
    document = dict(json.loads((artifact.path / DOCUMENT).read_text(encoding="utf-8")))
    asked = str(document["facts"]["student"])
    if asked != student:
        raise StepError(
            f"The benchmarks were put to another student ({asked[:12]}) than the one evaluated ({student[:12]}).",
            action="Wire the same adapter into 'student' of both steps.",
        )
    return document
