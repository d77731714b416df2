"""The report: rows and answers in, one JSON document out. Everything the report's page, text and downloads show is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.metrics.base import Metric, Task, answer_key, keyed, same_answer, target_of
from evaluation.predictions import Candidate
from evaluation.scoring import (
    Judged,
    channels_of,
    confidence_of,
    cost_of,
    estimate,
    judge,
    latency_of,
    scores_of,
    tokens_of,
)
from evaluation.statistics import (
    Estimate,
    PairedCounts,
    label_scores,
    mcnemar_exact,
    pair,
    paired_difference,
    paired_ratio,
)
from evaluation.verdict import Evidence, decide
from studio.registries import METRICS
from vault.rows import Row

SCHEMA = 1
OTHER = "(another answer)"
FAILED = "(no answer)"
DEFAULT_METRICS = ("agreement", "accuracy", "macro_f1", "kappa", "token_f1", "chrf")


@dataclass(frozen=True)
class Options:
    """How to judge. ``labels``: the closed set, or None for free text. ``seen_labels``: those the student was trained on,
    when known. ``margin``: accepted loss of accuracy as a proportion. ``facts``: what was evaluated, shown as it is."""

    labels: Sequence[str] | None = None
    seen_labels: frozenset[str] | None = None
    metrics: Sequence[str] = DEFAULT_METRICS
    margin: float = 0.02
    seed: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def task(self) -> Task:
        """``labels`` when there is a closed set, else ``text``."""
        return "text" if self.labels is None else "labels"


def build_report(rows: Sequence[Row], candidates: Sequence[Candidate], options: Options) -> dict[str, Any]:
    """Judge every candidate on ``rows``. Failures stay in every denominator; rows a candidate was not asked do not count."""
    metrics = load_metrics(options)
    judged = [judge(c, rows, channel=channels_of(c)[0]) for c in candidates]
    with_reference = sum(row.reference is not None for row in rows)
    with_teacher = sum(row.completion is not None for row in rows)
    basis = "reference" if with_reference else "teacher"
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "task": options.task,
        "rows": len(rows),
        "rows_with_reference": with_reference,
        "rows_with_teacher": with_teacher,
        "margin": options.margin,
        "seed": options.seed,
        "facts": dict(options.facts),
        "metrics": [describe_metric(name, metric) for name, metric in metrics.items()],
        "candidates": [describe_candidate(j, rows, metrics, seed=options.seed) for j in judged],
        "comparisons": compare(judged, metrics, rows),
        "retained": None,
        "label_basis": basis,
        "labels": list(options.labels or []),
        "per_label": [],
        "confusion": None,
        "notes": [*options.notes, *find_notes(rows, judged, options)],
    }
    if options.labels is not None:
        report["per_label"] = per_label(judged, options)
        report["confusion"] = confusion(_named(judged, "student"), options.labels)
    verdict, retained = judge_student(judged, metrics, report, options)
    report["retained"] = estimate(retained)
    report["verdict"] = {"sentence": verdict.sentence, "tone": verdict.tone, "details": verdict.details}
    return report


def load_metrics(options: Options) -> dict[str, Metric]:
    """The chosen metrics that say something of this kind of task, in the order chosen."""
    classes = {name: METRICS[name] for name in dict.fromkeys(options.metrics)}
    return {name: cls() for name, cls in classes.items() if options.task in cls.tasks}


def describe_metric(name: str, metric: Metric) -> dict[str, Any]:
    """What the pages need to show a metric's figures."""
    return {
        "name": name,
        "label": metric.label,
        "help": " ".join((type(metric).__doc__ or "").split()),
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }


def describe_candidate(
    judged: Judged, rows: Sequence[Row], metrics: Mapping[str, Metric], *, seed: int
) -> dict[str, Any]:
    """Everything measured of one candidate."""
    candidate = judged.candidate
    others = {
        channel: scores_of(judge(candidate, rows, channel=channel), metrics, seed=seed)
        for channel in channels_of(candidate)[1:]
    }
    return {
        "name": candidate.name,
        "label": candidate.label,
        "kind": candidate.kind,
        "channel": judged.channel,
        "asked": len(judged.items),
        "answered": len(judged.items) - judged.failed,
        "failed": judged.failed,
        "empty": judged.empty,
        "metrics": scores_of(judged, metrics, seed=seed),
        "other_channels": others,
        "confidence": confidence_of(candidate, rows),
        "latency": latency_of(candidate, seed=seed),
        "cost_per_1000": cost_of(candidate, seed=seed),
        "rows_per_second": candidate.rows_per_second,
        "tokens": tokens_of(candidate),
        "errors": [[text, n] for text, n in _errors(candidate).most_common(5)],
    }


def _errors(candidate: Candidate) -> Counter[str]:
    return Counter(p.error for p in candidate.answers.values() if p.error)


def _named(judged: Sequence[Judged], kind: str) -> Judged | None:
    return next((j for j in judged if j.candidate.kind == kind), None)


def compare(judged: Sequence[Judged], metrics: Mapping[str, Metric], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The student against each other candidate, and each of its ways of answering, on the rows both were judged on."""
    student = _named(judged, "student")
    if student is None:
        return []
    teacher = _named(judged, "teacher")
    by = ("accuracy",) if teacher is not None and _same_answers(teacher) else ("accuracy", "agreement")
    found = []
    for other in judged:
        # A teacher whose answers are the references is right by definition: no comparison.
        if other is student or (other.candidate.kind == "teacher" and _same_answers(other)):
            continue
        for channel in channels_of(other.candidate):
            theirs = other if channel == other.channel else judge(other.candidate, rows, channel=channel)
            for name in by:
                if name not in metrics:
                    continue
                hits = (j.hits(metrics[name], rows=len(rows)) for j in (student, theirs))
                counts = pair(*hits)
                if counts.n:
                    found.append(describe_pair(student, theirs, name, counts))
    return found


def describe_pair(student: Judged, other: Judged, metric: str, counts: PairedCounts) -> dict[str, Any]:
    """One paired comparison as JSON."""
    return {
        "a": student.candidate.name,
        "b": other.candidate.name,
        "b_label": other.candidate.label,
        "b_channel": other.channel,
        "metric": metric,
        "difference": estimate(paired_difference(counts)),
        "ratio": estimate(paired_ratio(counts)),
        "both": counts.both,
        "only_a": counts.only_a,
        "only_b": counts.only_b,
        "neither": counts.neither,
        "p": mcnemar_exact(round(counts.only_a), round(counts.only_b)),
    }


def _label_pairs(judged: Judged) -> list[tuple[str, str | None]]:
    pairs = []
    for item in judged.items:
        target = target_of(item)
        if target is not None:
            pairs.append((answer_key(target), keyed(item.answer)))
    return pairs


def per_label(judged: Sequence[Judged], options: Options) -> list[dict[str, Any]]:
    """Support and each candidate's precision, recall and F1 for every label that is right somewhere or can be answered."""
    names = {answer_key(label): label for label in options.labels or []}
    pairs = {j.candidate.name: _label_pairs(j) for j in judged}
    support: dict[str, int] = {}
    for found in pairs.values():
        for key, n in Counter(right for right, _ in found).items():
            support[key] = max(n, support.get(key, 0))
    scores = {name: label_scores(found) for name, found in pairs.items() if found}
    spelled = _spellings(judged)
    table = []
    for key in sorted(names.keys() | support.keys()):
        by_candidate = {name: of[key]._asdict() for name, of in scores.items() if key in of}
        seen = None if options.seen_labels is None else key in {answer_key(x) for x in options.seen_labels}
        label = names.get(key) or spelled.get(key, key)
        table.append({"label": label, "support": support.get(key, 0), "seen": seen, "candidates": by_candidate})
    return table


def _spellings(judged: Sequence[Judged]) -> dict[str, str]:
    targets = (target_of(item) for j in judged for item in j.items)
    return {answer_key(t): t for t in targets if t is not None}


def confusion(judged: Judged | None, labels: Sequence[str]) -> dict[str, Any] | None:
    """The student's answers against the right ones as sparse cells ``[right, given, count]`` (positions in the two lists).

    Right labels beyond ``labels`` get rows of their own; given answers beyond them share one column, failures another.
    """
    if judged is None:
        return None
    pairs = _label_pairs(judged)
    if not pairs:
        return None
    names = {answer_key(label): label for label in labels}
    spelled = _spellings([judged])
    unknown = sorted({right for right, _ in pairs} - names.keys())
    rows = [*names, *unknown]
    columns: list[str] = [*names, OTHER, FAILED]
    counts = Counter((right, _column(given, names)) for right, given in pairs)
    row_at, column_at = {k: i for i, k in enumerate(rows)}, {k: i for i, k in enumerate(columns)}
    return {
        "candidate": judged.candidate.name,
        "rows": [names.get(k) or spelled.get(k, k) for k in rows],
        "columns": [names.get(k, k) for k in columns],
        "cells": sorted([row_at[right], column_at[given], n] for (right, given), n in counts.items()),
    }


def _column(given: str | None, names: Mapping[str, str]) -> str:
    if given is None:
        return FAILED
    return given if given in names else OTHER


def find_notes(rows: Sequence[Row], judged: Sequence[Judged], options: Options) -> list[str]:
    """What a reader must know before believing the figures."""
    notes = []
    for j in judged:
        if j.failed and j.items:
            notes.append(f"{j.candidate.label} failed on {j.failed:,} of {len(j.items):,} rows; they count as wrong.")
        if j.candidate.kind != "teacher" and 0 < len(j.items) < len(rows):
            notes.append(f"{j.candidate.label} was asked {len(j.items):,} of the {len(rows):,} rows (a seeded sample).")
        if not j.items:
            notes.append(f"{j.candidate.label} was asked no row, so it has no figures.")
    without = sum(row.reference is None for row in rows)
    if rows and without == len(rows):
        notes.append(
            "No row has a reference answer, so accuracy is unknown; agreement with the teacher stands in for it."
        )
    elif without:
        notes.append(f"{without:,} of {len(rows):,} rows have no reference answer; accuracy is over the others.")
    if rows and not any(row.completion is not None for row in rows):
        notes.append("No row has a teacher's answer, so agreement with the teacher is unknown.")
    if options.seen_labels is not None and options.labels is not None:
        notes += unseen_labels(rows, options.seen_labels)
    return notes


def unseen_labels(rows: Sequence[Row], seen: frozenset[str]) -> list[str]:
    """A note when right answers of held-out rows never occurred in training."""
    known = {answer_key(label) for label in seen}
    targets = [target_of_row(row) for row in rows]
    unseen = Counter(t for t in targets if t is not None and answer_key(t) not in known)
    if not unseen:
        return []
    shown = ", ".join(f"“{label}”" for label, _ in unseen.most_common(5))
    more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
    total = sum(unseen.values())
    return [
        f"{total:,} held-out {'row has a label' if total == 1 else 'rows have labels'} that the student was not trained on "
        f"({shown}{more}); it can only be wrong there, and this counts."
    ]


def target_of_row(row: Row) -> str | None:
    """The right answer of a row: its reference, or the teacher's answer where there is none."""
    return row.reference_text if row.reference is not None else row.completion_text


def judge_student(
    judged: Sequence[Judged], metrics: Mapping[str, Metric], report: Mapping[str, Any], options: Options
) -> tuple[Any, Estimate | None]:
    """The verdict and retained quality (student's accuracy ÷ teacher's, on the rows both were judged on)."""
    student, teacher = _named(judged, "student"), _named(judged, "teacher")
    rows = int(report["rows"])
    figures: Mapping[str, Any] = next((c["metrics"] for c in report["candidates"] if c["kind"] == "student"), {})
    pairs = None
    if student is not None and teacher is not None and "accuracy" in metrics:
        accuracy = metrics["accuracy"]
        pairs = pair(student.hits(accuracy, rows=rows), teacher.hits(accuracy, rows=rows))
    same = teacher is not None and _same_answers(teacher)
    base = _best_base(report)
    evidence = Evidence(
        rows=rows,
        accuracy=_estimate(figures.get("accuracy")),
        agreement=_estimate(figures.get("agreement")),
        pairs=pairs,
        same_answers=same,
        base_name=_in_sentence(base["b_label"]) if base else "",
        base_difference=_estimate(base["difference"]) if base else None,
        base_measure=base["metric"] if base else "",
        similarity=_estimate(figures.get("token_f1")) if options.task == "text" else None,
    )
    retained = paired_ratio(pairs) if pairs is not None and not same else None
    return decide(evidence, margin=options.margin), retained


def _in_sentence(label: str) -> str:
    return "the " + label[0].lower() + label[1:] if label else ""


def _same_answers(teacher: Judged) -> bool:
    both = [item for item in teacher.items if item.reference is not None]
    return bool(both) and all(same_answer(item.answer, item.reference or "") for item in both)


def _best_base(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The comparison with the strongest base candidate, by accuracy where it is known."""
    bases = {c["name"] for c in report["candidates"] if c["kind"] == "base"}
    for metric in ("accuracy", "agreement"):
        found = [c for c in report["comparisons"] if c["b"] in bases and c["metric"] == metric and c["difference"]]
        if found:
            return dict(min(found, key=lambda c: c["difference"]["value"]))
    return None


def _estimate(value: Mapping[str, Any] | None) -> Estimate | None:
    return None if not value else Estimate(value["value"], value["low"], value["high"], value["n"])
