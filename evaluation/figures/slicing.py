"""The slices of a report: against whom, by which measure, and over which labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evaluation.figures.judgement import Bench, best_base
from evaluation.figures.scoring import Judged
from evaluation.figures.slices import FieldName, Scores, build_slices
from evaluation.metrics.base import answer_key
from evaluation.report.notes import target_of_row
from vault.rows import Row


def opponent_of(bench: Bench, report: dict[str, Any]) -> tuple[str, Judged | None]:
    """``(measure, whom the student is compared with)``: the teacher by the verdict's measure, where that says something; else
    the strongest base by accuracy or agreement where it was asked most of the rows; else nobody.

    A base that was asked a small sample leaves a row or two in each slice, and hides what the student did on all the others."""
    teacher = bench.of("teacher")
    rows = len(bench.rows)

    def says_something(judged: Judged, name: str) -> bool:
        return name in bench.metrics and any(s is not None for s in judged.scores(bench.metrics[name], rows=rows))

    if teacher is not None and not bench.teacher_is_reference and says_something(teacher, bench.chosen):
        return bench.chosen, teacher
    base = best_base(report)
    student = bench.of("student")
    if base is not None:
        judged = next(j for j in bench.judged if j.candidate.name == base["b"])
        metric = bench.metrics[base["metric"]]
        if student is None or 2 * _count(judged.scores(metric, rows=rows)) >= _count(student.scores(metric, rows=rows)):
            return base["metric"], judged
    for name in (bench.chosen, "accuracy", "agreement"):
        if student is not None and says_something(student, name):
            return name, None
    return bench.chosen, None


def _count(scores: Sequence[float | None]) -> int:
    return sum(s is not None for s in scores)


def slice_report(
    bench: Bench, report: dict[str, Any], *, fields: Sequence[FieldName], labels: Sequence[str] | None
) -> dict[str, Any] | None:
    """The report's ``slices``; None without a student, without fields or when no field parts the rows."""
    student = bench.of("student")
    measure, other = opponent_of(bench, report)
    if student is None or not fields or measure not in bench.metrics:
        return None
    metric, rows = bench.metrics[measure], len(bench.rows)
    spelled = {answer_key(label): label for label in labels or ()}

    def label_of(row: Row) -> str | None:
        target = target_of_row(row)
        return None if target is None else spelled.get(answer_key(target), target)

    found = build_slices(
        bench.rows,
        Scores(
            student.scores(metric, rows=rows),
            None if other is None else other.scores(metric, rows=rows),
            metric.binary,
        ),
        fields=[name for name in fields if name != "label" or labels is not None],
        label_of=label_of,
        margin=bench.margin,
        clusters=None if bench.clusters is None else bench.clusters.names,
        seed=bench.seed,
    )
    if not found["fields"]:
        return None
    against = {"against": None, "against_label": ""}
    if other is not None:
        against = {"against": other.candidate.name, "against_label": other.candidate.label}
    return {"measure": measure, **against, **found}
