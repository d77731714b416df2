"""The same questions to the base model and to the student: what was forgotten, with intervals. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evaluation.figures.judgement import in_sentence
from evaluation.statistics import Estimate, holm, mcnemar_exact, pair, paired_difference, wilson
from pipelines.recipes.benchmark_tasks import OWN

Finding = Literal["forgot", "better", "kept", "unclear"]
ALPHA = 0.05


def compare(
    name: str, base: Mapping[str, Any], student: Mapping[str, Any], *, label: str, about: str
) -> dict[str, Any]:
    """One task's figures from the two result files of ``pipelines.recipes.benchmarks``. ``difference``: student minus base.

    Raises ``ValueError`` when the two were not asked the very same questions.
    """
    if base["keys"] != student["keys"] or base["metric"] != student["metric"]:
        raise ValueError(f"Base model and student were asked different questions of {name}.")
    ours, theirs = [bool(s) for s in student["scores"]], [bool(s) for s in base["scores"]]
    counts = pair(ours, theirs)
    n = len(ours)
    return {
        "task": name,
        "label": label,
        "about": about,
        "metric": student["metric"],
        "version": student["version"],
        "total": student["total"],
        "n": n,
        "base": _told(wilson(sum(theirs), n)),
        "student": _told(wilson(sum(ours), n)),
        "difference": _told(paired_difference(counts)),
        "only_student": round(counts.only_a),
        "only_base": round(counts.only_b),
        "p": mcnemar_exact(round(counts.only_a), round(counts.only_b)) if n else None,
    }


def _told(value: Estimate | None) -> dict[str, Any] | None:
    return None if value is None else dict(value._asdict())


def judge(tasks: Sequence[Mapping[str, Any]], *, margin: float) -> list[dict[str, Any]]:
    """The tasks with ``p_holm`` (corrected for looking at many) and ``finding``. ``margin``: accepted loss, as a proportion."""
    corrected = holm([task["p"] for task in tasks])
    return [
        {**task, "p_holm": p, "finding": finding_of(task["difference"], p, margin=margin)}
        for task, p in zip(tasks, corrected, strict=True)
    ]


def finding_of(difference: Mapping[str, Any] | None, p: float | None, *, margin: float) -> Finding:
    """``forgot`` or ``better`` when the difference stands after the correction; ``kept`` when a loss beyond the margin is excluded
    at 95 %; otherwise nothing was shown."""
    if difference is None or p is None:
        return "unclear"
    if p < ALPHA and difference["value"] != 0:
        return "forgot" if difference["value"] < 0 else "better"
    return "kept" if difference["low"] >= -margin else "unclear"


def headline(tasks: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """``(sentence, tone)`` over all tasks; tones are those of verdicts."""
    by: dict[str, list[str]] = {}
    for task in tasks:
        # A name stays as it is; what has none begins small inside a sentence.
        label = task["label"] if task.get("task") != OWN else in_sentence(task["label"])
        by.setdefault(task["finding"], []).append(label)
    parts = []
    if forgot := by.get("forgot"):
        parts.append(f"The student forgot part of {_list(forgot)}")
    if better := by.get("better"):
        parts.append(f"{'it' if parts else 'The student'} does better on {_list(better)}")
    if kept := by.get("kept"):
        parts.append(f"{'it' if parts else 'The student'} kept {_list(kept)} within the margin")
    if unclear := by.get("unclear"):
        parts.append(f"{'no' if parts else 'No'} change is shown on {_list(unclear)}")
    tone = "bad" if "forgot" in by else "unclear" if "unclear" in by else "good"
    return "; ".join(parts) + "." if parts else "No question was asked.", tone


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
