"""The student against the others on the same rows: paired comparisons, the test against the margin, slices, the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.figures.clusters import Clusters
from evaluation.figures.scoring import Judged, channels_of, estimate, judge
from evaluation.figures.verdict import Evidence, Verdict, decide
from evaluation.metrics.base import Metric, Task, same_answer
from evaluation.statistics import (
    DISCORDANCE,
    POWER,
    Estimate,
    NonInferiority,
    PairedCounts,
    cluster_effect,
    detectable_difference,
    mcnemar_exact,
    noninferiority_of_means,
    noninferiority_of_pairs,
    pair,
    paired_difference,
    paired_ratio,
    permutation,
    power_table,
    ratio_of_means,
)
from vault.rows import Row

AUTO = "auto"
TABLE = (100, 200, 400, 1_000, 2_000, 5_000, 10_000)


@dataclass(frozen=True)
class Bench:
    """What every comparison of one report shares. ``clusters``: which rows belong together, None when none do."""

    rows: Sequence[Row]
    judged: Sequence[Judged]
    metrics: Mapping[str, Metric]
    task: Task
    margin: float
    measure: str = AUTO
    clusters: Clusters | None = None
    seed: int = 0

    def of(self, kind: str) -> Judged | None:
        """The first candidate of a kind."""
        return next((j for j in self.judged if j.candidate.kind == kind), None)

    def names(self, positions: Sequence[int]) -> list[str | None] | None:
        """The clusters of the rows at these positions."""
        return None if self.clusters is None else self.clusters.at(positions)

    @property
    def chosen(self) -> str:
        """The measure that the verdict goes by: the one set before, else accuracy for labels and word overlap for text."""
        if self.measure in self.metrics:
            return self.measure
        order = ("token_f1", "chrf", "accuracy") if self.task == "text" else ("accuracy",)
        return next((name for name in order if name in self.metrics), "accuracy")

    @property
    def teacher_is_reference(self) -> bool:
        """Whether the teacher's answers are the references themselves: right by definition, so nothing is compared."""
        teacher = self.of("teacher")
        return teacher is not None and same_answers(teacher)


def same_answers(teacher: Judged) -> bool:
    """Whether the teacher gave the reference on every row that has one."""
    both = [item for item in teacher.items if item.reference is not None]
    return bool(both) and all(same_answer(item.answer, item.reference or "") for item in both)


def compare(bench: Bench) -> list[dict[str, Any]]:
    """The student against each other candidate, and each of its ways of answering, on the rows both were judged on."""
    student = bench.of("student")
    if student is None:
        return []
    by = ("accuracy",) if bench.teacher_is_reference else ("accuracy", "agreement")
    found = []
    for other in bench.judged:
        # A teacher whose answers are the references is right by definition: no comparison.
        if other is student or (other.candidate.kind == "teacher" and same_answers(other)):
            continue
        for channel in channels_of(other.candidate):
            theirs = other if channel == other.channel else judge(other.candidate, bench.rows, channel=channel)
            for name in by:
                if name in bench.metrics and (record := describe_pair(bench, student, theirs, name)):
                    found.append(record)
    return found


def describe_pair(bench: Bench, student: Judged, other: Judged, metric: str) -> dict[str, Any] | None:
    """One paired comparison by right or wrong as JSON, or None where no row was put to both."""
    first, second = (j.hits(bench.metrics[metric], rows=len(bench.rows)) for j in (student, other))
    counts = pair(first, second)
    if not counts.n:
        return None
    kept = [(p, a, b) for p, (a, b) in enumerate(zip(first, second, strict=True)) if a is not None and b is not None]
    differences = [float(a) - float(b) for _, a, b in kept]
    names = bench.names([p for p, _, _ in kept])
    effect, p, method = 1.0, mcnemar_exact(round(counts.only_a), round(counts.only_b)), "exact McNemar"
    if names is not None:
        effect, _ = cluster_effect(differences, names)
        test = permutation(differences, clusters=names, seed=bench.seed)
        p, method = test.p if test.p is not None else 1.0, "paired permutation of groups"
    seen = counts.scaled(1 / effect)
    return {
        "a": student.candidate.name,
        "b": other.candidate.name,
        "b_label": other.candidate.label,
        "b_channel": other.channel,
        "metric": metric,
        "difference": _of_all(paired_difference(seen), counts),
        "ratio": _of_all(paired_ratio(seen), counts),
        "both": counts.both,
        "only_a": counts.only_a,
        "only_b": counts.only_b,
        "neither": counts.neither,
        "p": p,
        "p_method": method,
    }


def _of_all(value: Estimate | None, counts: PairedCounts) -> dict[str, float] | None:
    """An estimate on effective counts with the number of rows that were really looked at."""
    return estimate(None if value is None else value._replace(n=round(counts.n)))


@dataclass(frozen=True)
class Against:
    """Student against teacher by one measure. ``scores``: row position, student's score, teacher's."""

    measure: str
    binary: bool
    scores: list[tuple[int, float, float]]
    test: NonInferiority
    retained: Estimate | None

    @property
    def counts(self) -> PairedCounts:
        """The rows by who was right (a score of at least 0.5)."""
        return pair([a >= 0.5 for _, a, _ in self.scores], [b >= 0.5 for _, _, b in self.scores])

    @property
    def means(self) -> tuple[float, float] | None:
        """Both mean scores, where they are no yes or no."""
        if self.binary or not self.scores:
            return None
        n = len(self.scores)
        return sum(a for _, a, _ in self.scores) / n, sum(b for _, _, b in self.scores) / n


def against_teacher(bench: Bench) -> Against | None:
    """The test against the margin; None without a teacher, or with one whose answers are the references."""
    student, teacher, name = bench.of("student"), bench.of("teacher"), bench.chosen
    if student is None or teacher is None or name not in bench.metrics or bench.teacher_is_reference:
        return None
    metric = bench.metrics[name]
    first, second = (j.scores(metric, rows=len(bench.rows)) for j in (student, teacher))
    scores = [(p, a, b) for p, (a, b) in enumerate(zip(first, second, strict=True)) if a is not None and b is not None]
    names = bench.names([p for p, _, _ in scores])
    if metric.binary:
        hits = [(a >= 0.5, b >= 0.5) for _, a, b in scores]
        test = noninferiority_of_pairs(hits, margin=bench.margin, clusters=names)
        counts = pair([a for a, _ in hits], [b for _, b in hits])
        ratio = paired_ratio(counts.scaled(1 / test.design_effect))
        retained = None if ratio is None else ratio._replace(n=len(hits))
    else:
        test = noninferiority_of_means([a - b for _, a, b in scores], margin=bench.margin, clusters=names)
        ours, theirs = [a for _, a, _ in scores], [b for _, _, b in scores]
        retained = ratio_of_means(ours, theirs, seed=bench.seed, clusters=names)
    return Against(name, metric.binary, scores, test, retained)


def describe_test(found: Against | None) -> dict[str, Any] | None:
    """The test behind the verdict as JSON."""
    if found is None or not found.test.n:
        return None
    values = found.test._asdict()
    return {"measure": found.measure, **values, "difference": estimate(found.test.difference)}


def describe_detectable(bench: Bench, found: Against | None, *, expected: float = DISCORDANCE) -> dict[str, Any]:
    """What this many rows can show, at the discordance seen between student and teacher, else at the one expected before."""
    discordance, basis, rows = expected, "expected", len(bench.rows)
    if found is not None and found.binary and found.scores:
        counts, basis = found.counts, "seen"
        # One discordant row more: rows that agreed everywhere still promise no certainty.
        discordance, rows = min(1.0, (counts.only_a + counts.only_b + 1) / (counts.n + 2)), len(found.scores)
    effective = rows if found is None else max(1, round(rows / found.test.design_effect))
    return {
        "rows": rows,
        "discordance": discordance,
        "basis": basis,
        "power": POWER,
        "difference": detectable_difference(effective, discordance=discordance) if rows else None,
        "table": [line._asdict() for line in power_table(discordance=discordance, rows=TABLE)],
    }


def judge_student(bench: Bench, report: Mapping[str, Any], found: Against | None) -> Verdict:
    """The verdict from the figures of the report and the test against the teacher."""
    figures: Mapping[str, Any] = next((c["metrics"] for c in report["candidates"] if c["kind"] == "student"), {})
    base = best_base(report)
    evidence = Evidence(
        rows=len(bench.rows),
        accuracy=_estimate(figures.get("accuracy")),
        agreement=_estimate(figures.get("agreement")),
        pairs=found.counts if found is not None and found.binary else None,
        test=found.test if found is not None else None,
        means=found.means if found is not None else None,
        measure=in_sentence(bench.metrics[found.measure].label) if found is not None else "",
        cluster_name=bench.clusters.by if bench.clusters is not None else "",
        same_answers=bench.teacher_is_reference,
        base_name=f"the {in_sentence(base['b_label'])}" if base else "",
        base_difference=_estimate(base["difference"]) if base else None,
        base_measure=base["metric"] if base else "",
        similarity=_estimate(figures.get("token_f1")) if bench.task == "text" else None,
    )
    return decide(evidence, margin=bench.margin)


def in_sentence(label: str) -> str:
    """A label as it stands inside a sentence: ``Word overlap`` is ``word overlap``, ``chrF`` stays."""
    return label[:1].lower() + label[1:]


def best_base(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The comparison with the strongest base candidate, by accuracy where it is known."""
    bases = {c["name"] for c in report["candidates"] if c["kind"] == "base"}
    for metric in ("accuracy", "agreement"):
        found = [c for c in report["comparisons"] if c["b"] in bases and c["metric"] == metric and c["difference"]]
        if found:
            return dict(min(found, key=lambda c: c["difference"]["value"]))
    return None


def _estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    return None if not value else Estimate(value["value"], value["low"], value["high"], value["n"])
