"""The compare dashboard: any evaluations over any time, by test set, head to head, and over time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.http import require_safe

from evaluation.boards.leaderboard import KINDS, MOST_HEADS, Entry, boards_of, heads_of, pick_metric, trends_of
from evaluation.boards.since import Shared, share
from evaluation.boards.tables import open_items
from evaluation.figures.metric_names import apart, judging
from evaluation.models import Scorecard
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError

JUDGE = "judge_answers"
MOST = 200
"""Evaluations looked at: the newest under the filter."""


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponseBase:
    """Boards, head to head and trends under the filter in the address."""
    get = request.GET.get
    query = get("q", "").strip()[:120]
    since, until = _day(get("since", "")), _day(get("until", ""))
    cards = Scorecard.objects.filter(workspace=request.workspace)
    if query:
        cards = cards.filter(step_run__run__version__pipeline__name__icontains=query)
    if since:
        cards = cards.filter(created_at__gte=since)
    if until:
        cards = cards.filter(created_at__lt=until + timedelta(days=1))
    total = cards.count()
    found = list(
        cards.select_related("step_run__run__version__pipeline", "workspace", "report").prefetch_related("scores")[
            :MOST
        ]
    )
    own = apart(card.own_metrics for card in found)
    keys = {card.pk: mine for card, mine in zip(found, own.keys, strict=True)}
    entries = [entry for card in without_judged_twice(found) for entry in entries_of(card, keys[card.pk])]
    metrics = judging(own.table)
    metric = pick_metric(entries, get("metric", ""), metrics)
    who = "all" if get("who") == "all" else "students"
    boards = boards_of([e for e in entries if who == "all" or e.kind == "student"], metric=metric, metrics=metrics)
    chosen = next((b for b in boards if b.key == get("set", "")), None) or (boards[0] if boards else None)
    heads = chosen.students[:MOST_HEADS] if chosen else []
    context: dict[str, Any] = {
        "boards": [chosen, *(b for b in boards if b is not chosen)] if chosen else [],
        "chosen": chosen,
        "metric": metric,
        "metric_label": metrics[metric].label,
        "metrics": [(name, known.label) for name, known in metrics.items()],
        "kinds": KINDS,
        "who": who,
        "query": query,
        "since": get("since", "") if since else "",
        "until": get("until", "") if until else "",
        "filtered": bool(query or since or until),
        "left_out": max(0, total - len(found)),
        "trends": trends_of(entries, metric=metric),
        "heads": None,
        "gone": [],
        "heads_left_out": max(0, len(chosen.students) - MOST_HEADS) if chosen else 0,
    }
    if len(heads) > 1:
        shared, gone = compare(heads, {str(card.pk): card for card in found})
        there = [e for e in heads if e.key not in gone]
        rows_url = {e.card: reverse("evaluation_rows", args=[request.workspace.slug, e.card]) for e in heads}
        context |= {"heads": heads_of(there, shared, rows_url=rows_url), "gone": [e for e in heads if e.key in gone]}
    return render(request, "evaluation/leaderboard.html", context)


def without_judged_twice(cards: list[Scorecard]) -> list[Scorecard]:
    """The cards, newest first, without those whose report went on to a judge in the same run: it is the same evaluation."""
    kept, judged = [], set()
    for card in cards:
        key = (card.step_run.run_id, card.student_sha, card.row_set or card.held_out_sha)
        if key not in judged:
            kept.append(card)
        if card.step_run.step == JUDGE:
            judged.add(key)
    return kept


def entries_of(card: Scorecard, keys: Mapping[str, str] | None = None) -> list[Entry]:
    """The candidates of an evaluation with their figures. ``keys``: what the boards call its own metrics."""
    names = keys or {}
    run = card.step_run.run
    scores: dict[tuple[str, str], dict[str, tuple[float, float | None, float | None, int]]] = {}
    for score in card.scores.all():
        scores.setdefault((score.candidate, score.kind), {})[names.get(score.metric, score.metric)] = (
            score.value,
            score.low,
            score.high,
            score.n,
        )
    if not any(kind == "student" for _, kind in scores) and card.student_sha:
        # A student that could not be judged is shown without a figure, not left out.
        scores["student", "student"] = {}
    several = sum(kind == "student" for _, kind in scores) > 1
    seen: set[str] = set()
    found = []
    for (candidate, kind), figures in scores.items():
        name = f"{run.version.pipeline.name}, run {run.number}{f', {card.name_in_run}' if card.name_in_run else ''}"
        found.append(
            Entry(
                card=str(card.pk),
                title=_title(name, candidate, kind=kind, several=several),
                pipeline=run.version.pipeline.name,
                href=card.get_absolute_url(),
                at=card.created_at,
                rows_set=card.row_set or f"{card.held_out_sha[:12]}-{card.rows}",
                rows=card.rows,
                candidate=candidate,
                kind=kind,
                scores=figures,
                first=kind not in seen,
            )
        )
        seen.add(kind)
    return found


def compare(heads: list[Entry], cards: dict[str, Scorecard]) -> tuple[dict[tuple[str, str], Shared], set[str]]:
    """Every two of these students on the rows they share, by key; also those whose files are gone."""
    tables, gone = {}, set()
    for entry in heads:
        try:
            table = open_items(cards[entry.card])
        except StudioError:
            gone.add(entry.key)
            continue
        student = table.marks.candidates.get(entry.candidate)
        if student is not None:
            tables[entry.key] = (table.marks, student)
    return {
        (a, b): share(marks, mine, *tables[b]) for a, (marks, mine) in tables.items() for b in tables if a != b
    }, gone


def _day(text: str) -> datetime | None:
    try:
        found = parse_date(text)
    except ValueError:
        return None
    return timezone.make_aware(datetime.combine(found, time.min)) if found else None


def _title(name: str, candidate: str, *, kind: str, several: bool) -> str:
    """The run, and which candidate of it where its kind alone does not say so."""
    if kind == "outside":
        return f"{name}, {candidate.removeprefix('outside_').replace('_', ' ')}"
    return f"{name}, {candidate.replace('_', ' ')}" if several and kind == "student" else name
