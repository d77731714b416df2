"""What was forgotten, as a page shows it. Pure: the document in, cells out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.forgetting.words import differences_of, how_asked, remark_of, word_of
from evaluation.report.presentation import metric_cell

METRICS = {"acc": "likeliest answer", "acc_norm": "likeliest answer for its length"}
TONES = {"forgot": "fail", "better": "ok", "kept": "ok", "unclear": "warn"}


def forgotten_view(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The section's lines and words; None without a document."""
    if not document:
        return None
    facts = document["facts"]
    edges = [abs(t["difference"][k]) for t in document["tasks"] if t["difference"] for k in ("low", "high")]
    return {
        "sentence": document["sentence"],
        "tone": document["tone"],
        "lines": [line_of(task, margin=document["margin"]) for task in document["tasks"]],
        "edge": max([*edges, 0.01]),
        "notes": document["notes"],
        "how": how_asked(facts),
    }


def line_of(task: Mapping[str, Any], *, margin: float) -> dict[str, Any]:
    """One task: both scores as cells, the difference in words, what was found."""
    return {
        **task,
        **differences_of(task),
        "base_cell": metric_cell(task["base"], unit="%"),
        "student_cell": metric_cell(task["student"], unit="%"),
        "counted": METRICS.get(task["metric"], task["metric"]),
        "tone": TONES[task["finding"]],
        "word": word_of(task, margin=margin),
        "remark": remark_of(task),
    }
