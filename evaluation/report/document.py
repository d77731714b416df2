"""The report: rows and answers in, one JSON document out. Everything the report's page, text and downloads show is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.candidates.predictions import Candidate
from evaluation.figures.cascading import cascade_report
from evaluation.figures.clusters import AUTO, find_clusters
from evaluation.figures.forms import describe_forms
from evaluation.figures.judgement import (
    Bench,
    against_teacher,
    compare,
    describe_detectable,
    describe_test,
    judge_student,
)
from evaluation.figures.scoring import (
    Judged,
    channels_of,
    confidence_of,
    cost_of,
    estimate,
    first_token_of,
    judge,
    latency_of,
    scores_of,
    tokens_of,
    tokens_per_second_of,
)
from evaluation.figures.slices import FIELDS, FieldName
from evaluation.figures.slicing import slice_report
from evaluation.metrics.base import Metric, Task, answer_key, keyed, target_of
from evaluation.metrics.own import Own
from evaluation.report.notes import find_notes, teacher_models
from evaluation.statistics import DISCORDANCE, label_scores
from studio.registries import METRICS
from vault.rows import Row

SCHEMA = 1
OTHER = "(another answer)"
FAILED = "(no answer)"
DEFAULT_METRICS = ("agreement", "accuracy", "macro_f1", "kappa", "token_f1", "chrf")


@dataclass(frozen=True)
class Options:
    """How to judge. ``labels``: the closed set, or None for free text. ``seen_labels``: those the student was trained on,
    when known. ``margin``: accepted loss as a proportion, by ``measure`` (``auto``: accuracy for labels, word overlap for text).
    ``own``: metrics of one's own. ``cluster_by``: which rows belong together. ``discordance``: expected share of rows that one of student and teacher gets
    right. ``leakage``: what the comparison with the training rows brought. ``student``: how it wants to be asked
    (its view of the prompt, the longest answer). ``facts``: what was evaluated, shown as it is. ``forgotten``: the
    document of the benchmarks step."""

    labels: Sequence[str] | None = None
    seen_labels: frozenset[str] | None = None
    metrics: Sequence[str] = DEFAULT_METRICS
    metric_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    own: Sequence[Own.Params] = ()
    margin: float = 0.02
    measure: str = AUTO
    cluster_by: str = AUTO
    slices: Sequence[FieldName] = tuple(FIELDS)
    discordance: float = DISCORDANCE
    leakage: Mapping[str, Any] | None = None
    seed: int = 0
    student: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    forgotten: Mapping[str, Any] | None = None
    notes: Sequence[str] = ()

    @property
    def task(self) -> Task:
        """``labels`` when there is a closed set, else ``text``."""
        return "text" if self.labels is None else "labels"


def build_report(
    rows: Sequence[Row],
    candidates: Sequence[Candidate],
    options: Options,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, Any]:
    """Judge every candidate on ``rows``. Failures stay in every denominator; rows a candidate was not asked do not count.

    ``metrics``: those of :func:`load_metrics`, where they were loaded already.
    """
    metrics = load_metrics(options) if metrics is None else metrics
    judged = [judge(c, rows, channel=channels_of(c)[0]) for c in candidates]
    clusters = find_clusters(rows, options.cluster_by)
    bench = Bench(
        rows, judged, metrics, options.task, options.margin, options.measure, clusters=clusters, seed=options.seed
    )
    names = None if clusters is None else clusters.names
    with_reference = sum(row.reference is not None for row in rows)
    with_teacher = sum(row.completion is not None for row in rows)
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "task": options.task,
        "rows": len(rows),
        "rows_with_reference": with_reference,
        "rows_with_teacher": with_teacher,
        "margin": options.margin,
        "seed": options.seed,
        "settings": {
            "margin": options.margin,
            "measure": bench.chosen,
            "cluster_by": options.cluster_by,
            "clustered_by": "" if clusters is None else clusters.by,
            "slices": list(options.slices),
            "discordance": options.discordance,
        },
        "facts": dict(options.facts),
        "student": dict(options.student),
        "metrics": [describe_metric(name, metric) for name, metric in metrics.items()],
        "candidates": [describe_candidate(j, rows, metrics, seed=options.seed, clusters=names) for j in judged],
        "comparisons": compare(bench),
        "forms": describe_forms(judged, rows),
        "retained": None,
        "label_basis": "reference" if with_reference else "teacher",
        "labels": list(options.labels or []),
        "per_label": [],
        "confusion": None,
        "teacher_models": teacher_models(rows),
        "leakage": options.leakage,
        "forgotten": None if options.forgotten is None else dict(options.forgotten),
        "notes": [
            *options.notes,
            *_measure_note(bench),
            *find_notes(rows, judged, seen_labels=_seen(options), leakage=options.leakage),
        ],
    }
    if options.labels is not None:
        report["per_label"] = per_label(judged, options)
        report["confusion"] = confusion(bench.of("student"), options.labels)
    against = against_teacher(bench)
    verdict = judge_student(bench, report, against)
    report["retained"] = estimate(against.retained) if against is not None else None
    report["non_inferiority"] = describe_test(against)
    report["detectable"] = describe_detectable(bench, against, expected=options.discordance)
    report["cascade"] = cascade_report(bench, report)
    report["slices"] = slice_report(bench, report, fields=options.slices, labels=options.labels)
    report["notes"] += [note for metric in metrics.values() for note in metric.notes()]
    report["verdict"] = {"sentence": verdict.sentence, "tone": verdict.tone, "details": verdict.details}
    return report


def _measure_note(bench: Bench) -> list[str]:
    if bench.measure in (AUTO, bench.chosen):
        return []
    return [f"“{bench.measure}” says nothing of this kind of task; the verdict goes by “{bench.chosen}” instead."]


def _seen(options: Options) -> frozenset[str] | None:
    return options.seen_labels if options.labels is not None else None


def load_metrics(options: Options) -> dict[str, Metric]:
    """The chosen metrics that say something of this kind of task, in the order chosen; then those of one's own."""
    classes = {name: METRICS[name] for name in dict.fromkeys(options.metrics)}
    settings = options.metric_settings
    found: dict[str, Metric] = {
        name: cls(cls.Params.model_validate(settings.get(name, {})))
        for name, cls in classes.items()
        if options.task in cls.tasks
    }
    return found | {params.name: Own(params) for params in options.own}


def describe_metric(name: str, metric: Metric) -> dict[str, Any]:
    """What the pages need to show a metric's figures."""
    return {
        "name": name,
        "label": metric.label,
        "help": metric.about(),
        "params": metric.params.model_dump(mode="json"),
        "unit": metric.unit,
        "higher_is_better": metric.higher_is_better,
    }


def describe_candidate(
    judged: Judged,
    rows: Sequence[Row],
    metrics: Mapping[str, Metric],
    *,
    seed: int,
    clusters: Sequence[str | None] | None = None,
) -> dict[str, Any]:
    """Everything measured of one candidate."""
    candidate = judged.candidate
    others = {
        channel: scores_of(judge(candidate, rows, channel=channel), metrics, seed=seed, clusters=clusters)
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
        "metrics": scores_of(judged, metrics, seed=seed, clusters=clusters),
        "other_channels": others,
        "confidence": confidence_of(candidate, rows, seed=seed),
        "latency": latency_of(candidate, seed=seed),
        "first_token": first_token_of(candidate, seed=seed),
        "tokens_per_second": tokens_per_second_of(candidate, seed=seed),
        "cost_per_1000": cost_of(candidate, seed=seed),
        "rows_per_second": candidate.rows_per_second,
        "size_bytes": candidate.size_bytes,
        "peak_bytes": candidate.peak_bytes,
        "energy": None if candidate.energy is None else dict(candidate.energy),
        "tokens": tokens_of(candidate),
        "source": None if candidate.source is None else dict(candidate.source),
        "errors": [[text, n] for text, n in _errors(candidate).most_common(5)],
    }


def _errors(candidate: Candidate) -> Counter[str]:
    return Counter(p.error for p in candidate.answers.values() if p.error)


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
