"""The cascade of a report: which rows have a confidence, and by what measure student and teacher are scored."""

from __future__ import annotations

from typing import Any

from evaluation.figures.cascade import Routed, build_cascade
from evaluation.figures.judgement import Bench


def cascade_report(bench: Bench, report: dict[str, Any]) -> dict[str, Any] | None:
    """The report's ``cascade``, or None without a student's confidences or a teacher.

    By the verdict's measure where the teacher can be wrong; else by agreement with the teacher, which then is always right.
    """
    student, teacher = bench.of("student"), bench.of("teacher")
    if student is None or teacher is None or not teacher.items:
        return None
    sure = {p.id: p.confidence for p in student.candidate.answers.values() if p.confidence is not None}
    if not sure:
        return None
    rows, name = len(bench.rows), bench.chosen
    theirs: list[float | None] = [None] * rows
    if not bench.teacher_is_reference and name in bench.metrics:
        theirs = teacher.scores(bench.metrics[name], rows=rows)
    if all(score is None for score in theirs):
        name = "agreement"
        theirs = [1.0 if row.completion is not None else None for row in bench.rows]
    if name not in bench.metrics:
        return None
    ours = student.scores(bench.metrics[name], rows=rows)
    names = [None] * rows if bench.clusters is None else bench.clusters.names
    routed = [
        Routed(row.id, sure[row.id], a, b, names[i])
        for i, (row, a, b) in enumerate(zip(bench.rows, ours, theirs, strict=True))
        if row.id in sure and a is not None and b is not None
    ]
    prices = {c["kind"]: (c["cost_per_1000"] or {}).get("value") for c in reversed(report["candidates"])}
    return build_cascade(
        routed,
        measure=name,
        margin=bench.margin,
        binary=bench.metrics[name].binary,
        seed=bench.seed,
        student_usd=prices.get("student"),
        teacher_usd=prices.get("teacher"),
    )
