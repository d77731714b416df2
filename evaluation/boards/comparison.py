"""The scores of several runs beside each other, the best of each line marked; and the whole comparison as CSV."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evaluation.figures.metric_names import Named, apart, named
from evaluation.models import Score, Scorecard
from evaluation.report.text import safe_cell
from evaluation.wording import figure, milliseconds, money
from pipelines.models import Run, StepOutput
from pipelines.watching.side_by_side import Row, SideBySide
from studio.registries import METRICS
from studio.templatetags.ui import duration
from studio.templatetags.ui import money as amount

FIGURES = {
    "latency_p50_ms": "Time of an answer, median",
    "latency_p95_ms": "Time of an answer, 95th percentile",
    "first_token_p50_ms": "Time to the first token, median",
    "first_token_p95_ms": "Time to the first token, 95th percentile",
    "cost_per_1000_usd": "Cost of 1,000 answers",
}
"""Figures of a scorecard that are no metrics; less is better in each."""
KINDS = ("student", "quantised", "base", "teacher", "outside")


@dataclass(frozen=True)
class ScoreCell:
    """A run's figure with its interval. ``best``: none of the line is better; ``clear``: nor within its interval."""

    value: float
    text: str
    low: float | None = None
    high: float | None = None
    low_text: str = ""
    high_text: str = ""
    best: bool = False
    clear: bool = False
    href: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """A figure of one candidate: a cell for each run, None where it was not measured. ``bars``: from 0 to 1, fit to draw."""

    kind: str
    candidate: str
    metric: str
    label: str
    cells: tuple[ScoreCell | None, ...]
    higher_is_better: bool | None = True
    bars: bool = False


@dataclass(frozen=True)
class Scores:
    """All figures of the runs. ``held_out``: how many different sets of held-out rows they were measured on."""

    cards: list[Scorecard | None]
    rows: list[ScoreRow]
    held_out: int
    rivals: int
    """Other evaluations of these runs that are not shown: only the last of each run is."""


def scores_of(runs: Sequence[Run]) -> Scores:
    """The figures of the last evaluation of each run, also when its report was reused."""
    found = _cards(runs)
    cards = [found[run.pk][-1] if found[run.pk] else None for run in runs]
    figures: dict[tuple[str, str, str], dict[int, Score]] = defaultdict(dict)
    own = apart(card.own_metrics if card else {} for card in cards)
    for position, card in enumerate(cards):
        for score in card.scores.all() if card else []:
            metric = own.keys[position].get(score.metric, score.metric)
            figures[score.kind, score.candidate, metric].setdefault(position, score)
    retained = {i: card.retained for i, card in enumerate(cards) if card and card.retained is not None}
    rows = [
        _row(key, at, len(runs), own.table) for key, at in sorted(figures.items(), key=lambda item: _order(item[0]))
    ]
    if retained:
        rows.insert(0, _retained(retained, len(runs)))
    return Scores(
        cards=cards,
        rows=rows,
        held_out=len({card.row_set or card.held_out_sha for card in cards if card}),
        rivals=sum(len(found[run.pk]) - 1 for run in runs if found[run.pk]),
    )


def _cards(runs: Sequence[Run]) -> dict[Any, list[Scorecard]]:
    """Run → the scorecards of its reports in the order of its steps. A reused report's stands with the step that made it."""
    outputs = StepOutput.objects.filter(step_run__run__in=runs, port="report").order_by("step_run__position")
    reports = list(outputs.values_list("step_run__run_id", "step_run_id", "step_run__reused_from_id", "artifact_id"))
    made_by = {reused or step for _, step, reused, _ in reports}
    cards = Scorecard.objects.filter(step_run_id__in=made_by).select_related("workspace").prefetch_related("scores")
    # An earlier attempt may have had the same report: the newest counts.
    known = {(card.step_run_id, card.report_id): card for card in cards.order_by("created_at")}
    found: dict[Any, list[Scorecard]] = defaultdict(list)
    for run_id, step, reused, artifact in reports:
        if card := known.get((reused or step, artifact)):
            found[run_id].append(card)
    return found


def _order(key: tuple[str, str, str]) -> tuple[Any, ...]:
    kind, candidate, metric = key
    names = [*METRICS, *FIGURES]
    return (
        KINDS.index(kind) if kind in KINDS else len(KINDS),
        candidate,
        names.index(metric) if metric in names else len(names),
        metric,
    )


def _row(key: tuple[str, str, str], at: dict[int, Score], width: int, own: Mapping[str, Mapping[str, Any]]) -> ScoreRow:
    kind, candidate, metric = key
    known = named(metric, own)
    show = _words(metric, known)
    cells: list[ScoreCell | None] = [None] * width
    for position, score in at.items():
        low, high = ("", "") if score.low is None or score.high is None else (show(score.low), show(score.high))
        cells[position] = ScoreCell(score.value, show(score.value), score.low, score.high, low, high)
    higher = known.higher_is_better if known else metric not in FIGURES
    bars = bool(known and known.unit == "%")
    label = known.label if known else FIGURES.get(metric, metric.replace("_", " "))
    # Base and teacher are the same in every run: that one measured a little faster says nothing of the run.
    fair = kind in ("student", "quantised") and higher is not None
    marked = mark_best(cells, higher=bool(higher)) if fair else tuple(cells)
    return ScoreRow(kind, candidate, metric, label, marked, higher, bars)


def _words(metric: str, known: Named | None) -> Callable[[float], str]:
    if metric.endswith("_ms"):
        return milliseconds
    if metric.endswith("_usd"):
        return money
    unit = known.unit if known else ""
    return lambda value: figure(value, unit=unit)


def _retained(values: dict[int, float], width: int) -> ScoreRow:
    cells = [ScoreCell(values[i], figure(values[i], unit="%")) if i in values else None for i in range(width)]
    return ScoreRow("student", "", "retained", "Teacher's quality retained", mark_best(cells, higher=True), True, True)


def mark_best(cells: Sequence[ScoreCell | None], *, higher: bool) -> tuple[ScoreCell | None, ...]:
    """The cells with the best ones marked: only where at least two runs have a figure and not all are equal.

    It is ``clear`` when no other figure reaches into its interval, nor it into another's.
    """
    known = [c for c in cells if c is not None]
    if len({c.value for c in known}) < 2:
        return tuple(cells)
    top = (max if higher else min)(c.value for c in known)

    def is_clear(cell: ScoreCell) -> bool:
        others = [c for c in known if c.value != top]
        return all(not _overlap(cell, other) for other in others) and sum(c.value == top for c in known) == 1

    return tuple(c if c is None or c.value != top else replace(c, best=True, clear=is_clear(c)) for c in cells)


def _overlap(a: ScoreCell, b: ScoreCell) -> bool:
    a_low, a_high = (a.value, a.value) if a.low is None or a.high is None else (a.low, a.high)
    b_low, b_high = (b.value, b.value) if b.low is None or b.high is None else (b.low, b.high)
    return a_low <= b_high and b_low <= a_high


def took(comparison: SideBySide) -> list[ScoreRow]:
    """What each run cost and how long it worked, the least marked; only of runs that have ended."""
    columns = comparison.columns
    lines: list[tuple[str, Callable[[Any], str], list[float | None]]] = [
        ("Cost", amount, [c.cost for c in columns]),
        ("Worked, without what was reused", duration, [c.worked for c in columns]),
        ("From start to end", duration, [c.run.seconds if c.run.is_finished else None for c in columns]),
    ]
    rows = []
    for label, show, values in lines:
        cells = [None if v is None else ScoreCell(v, show(v)) for v in values]
        fair = [c if columns[i].run.state == "succeeded" else None for i, c in enumerate(cells)]
        marked = mark_best(fair, higher=False)
        rows.append(ScoreRow("", "", label, label, tuple(m or c for m, c in zip(marked, cells, strict=True)), False))
    return rows


def write_csv(comparison: SideBySide, scores: Scores) -> str:
    """Everything compared as a table: section, step or candidate, what, then a column for each run."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    runs = [c.run for c in comparison.columns]
    writer.writerow(["section", "of", "what", *(f"run {run.number}" for run in runs)])

    def line(section: str, of: str, what: str, values: Iterable[Any]) -> None:
        texts = ["" if v is None else v if isinstance(v, float | int) else safe_cell(str(v)) for v in values]
        writer.writerow([section, safe_cell(of), safe_cell(what), *texts])

    line("run", "", "pipeline", [run.version.pipeline.name for run in runs])
    line("run", "", "version", [run.version.number for run in runs])
    line("run", "", "state", [run.state for run in runs])
    line("run", "", "started", [run.created_at.isoformat() for run in runs])
    line("run", "", "cost_usd", [c.cost for c in comparison.columns])
    line("run", "", "worked_seconds", [c.worked for c in comparison.columns])
    line("run", "", "seconds", [run.seconds if run.is_finished else None for run in runs])
    sections: list[tuple[str, list[Row]]] = [
        ("settings", comparison.spec), ("data", comparison.data), ("code", comparison.code),
    ]  # fmt: skip
    for section, rows in sections:
        for row in rows:
            line(section, row.node, row.name, [c.text if not c.note else f"{c.text} {c.note}" for c in row.cells])
    for score in scores.rows:
        of = score.candidate or score.kind
        line("score", of, score.metric, [c.value if c else None for c in score.cells])
        if any(c and c.low is not None for c in score.cells):
            line("score", of, f"{score.metric}_low", [c.low if c else None for c in score.cells])
            line("score", of, f"{score.metric}_high", [c.high if c else None for c in score.cells])
    return out.getvalue()
