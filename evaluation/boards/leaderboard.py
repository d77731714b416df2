"""Evaluations side by side: boards by test set, who beats whom on shared rows, and how each pipeline went. Pure: plain data in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from evaluation.boards.since import Shared
from evaluation.figures.metric_names import Named, judging
from evaluation.report.picture import round_axis
from evaluation.wording import figure, p_value, points

METRICS = judging()
"""The Studio's metrics that a board can be sorted by: name in the address → what it is."""
KINDS = {
    "student": "Student",
    "base": "Base model",
    "teacher": "Teacher",
    "quantised": "Quantised",
    "outside": "Outside model",
}
MOST_HEADS = 8
"""Students that a head-to-head table sets against one another."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 170, 44, 12, 14, 28


@dataclass(frozen=True)
class Entry:
    """One candidate of one evaluation. ``scores`` are ``{metric: (value, low, high, n)}``; ``rows_set`` names the test set."""

    card: str
    title: str
    pipeline: str
    href: str
    at: datetime
    rows_set: str
    rows: int
    candidate: str
    kind: str
    scores: Mapping[str, tuple[float, float | None, float | None, int]]
    first: bool = True
    """The first candidate of its kind in its evaluation: the one that the rows page calls the student."""

    @property
    def key(self) -> str:
        """What it is found by: an evaluation may have several students (quantised ones)."""
        return f"{self.card}:{self.candidate}"

    def value(self, metric: str) -> float | None:
        """The figure, or None where it has none."""
        return self.scores[metric][0] if metric in self.scores else None


@dataclass
class Board:
    """Everybody who was judged on one test set, best first. ``lines``: an entry with its place; equal figures share one."""

    key: str
    rows: int
    newest: datetime
    lines: list[tuple[int | None, Entry]] = field(default_factory=list)

    @property
    def students(self) -> list[Entry]:
        """Its students, best first."""
        return [e for _, e in self.lines if e.kind == "student"]


def pick_metric(entries: Sequence[Entry], wanted: str, metrics: Mapping[str, Named] = METRICS) -> str:
    """The metric asked for; else the first of ``metrics`` that a student has."""
    if wanted in metrics:
        return wanted
    known = {name for e in entries if e.kind == "student" for name in e.scores}
    return next((name for name in metrics if name in known), "accuracy")


def boards_of(entries: Sequence[Entry], *, metric: str, metrics: Mapping[str, Named] = METRICS) -> list[Board]:
    """A board for each test set, the one with the newest evaluation first. Who has no figure stands last, without a place."""
    lower = metric in metrics and metrics[metric].higher_is_better is False
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.rows_set, []).append(entry)
    boards = []
    for key, mine in found.items():
        board = Board(key, mine[0].rows, max(e.at for e in mine))
        ordered = sorted(mine, key=lambda e: (_rank(e.value(metric), lower=lower), e.at, e.title))
        place, last = 0, None
        for n, entry in enumerate(ordered, start=1):
            value = entry.value(metric)
            if value != last:
                place, last = n, value
            board.lines.append((place if value is not None else None, entry))
        boards.append(board)
    return sorted(boards, key=lambda b: b.newest, reverse=True)


def _rank(value: float | None, *, lower: bool) -> float:
    """What entries are sorted by: the best figure first, those without one last."""
    if value is None:
        return float("inf")
    return value if lower else -value


def heads_of(
    entries: Sequence[Entry], shared: Mapping[tuple[str, str], Shared], *, rows_url: Mapping[str, str]
) -> dict[str, Any]:
    """The table of who beats whom: ``shared[a, b]`` compares the entries with keys a and b (row minus column).

    ``rows_url``: card → the address of its rows.
    """
    lines = []
    for a in entries:
        cells: list[dict[str, Any] | None] = []
        for b in entries:
            pair = shared.get((a.key, b.key))
            cells.append(None if pair is None else _cell(a, b, pair, rows_url=rows_url[a.card]))
        wins = sum(1 for c in cells if c and c["tone"] == "ahead")
        lines.append({"entry": a, "cells": cells, "wins": wins})
    return {"entries": list(entries), "lines": lines}


def _cell(a: Entry, b: Entry, pair: Shared, *, rows_url: str) -> dict[str, Any]:
    d, counts = pair.difference, pair.counts
    tone = "" if d is None else "ahead" if d.low > 0 else "behind" if d.high < 0 else ""
    words = {"ahead": "ahead", "behind": "behind", "": "no telling"}[tone]
    return {
        "text": points(d.value, signed=True).split()[0] if d else "–",
        "tone": tone,
        "word": words if d else "no shared row",
        "won": int(counts.only_a),
        "lost": int(counts.only_b),
        "n": int(counts.n),
        "title": f"{a.title} − {b.title}: right alone on {int(counts.only_a):,}, wrong alone on {int(counts.only_b):,} of "
        f"{int(counts.n):,} shared rows; McNemar {p_value(pair.p)}",
        "href": f"{rows_url}?vs={b.card}&view=changed" if counts.n and a.first and b.first and a.card != b.card else "",
    }


def trends_of(entries: Sequence[Entry], *, metric: str, most: int = 6) -> list[dict[str, Any]]:
    """Each pipeline's students over time with their intervals, all on one axis; a line joins only figures over the same rows.

    The pipelines with the newest evaluations come first; those with one figure are dots.
    """
    by_pipeline: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda e: e.at):
        if entry.kind == "student" and entry.first and entry.value(metric) is not None:
            by_pipeline.setdefault(entry.pipeline, []).append(entry)
    if not by_pipeline:
        return []
    shown = sorted(by_pipeline.items(), key=lambda item: item[1][-1].at, reverse=True)[:most]
    known = [e.scores[metric] for _, mine in shown for e in mine]
    lowest = min(v if low is None else low for v, low, _, _ in known)
    ticks = round_axis(lowest, max(v if high is None else high for v, _, high, _ in known), most=4)
    return [_trend(name, mine, metric, ticks) for name, mine in shown]


def _trend(name: str, mine: Sequence[Entry], metric: str, ticks: Sequence[float]) -> dict[str, Any]:
    bottom, top = ticks[0], ticks[-1]
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP
    first, last = mine[0].at, mine[-1].at
    span = (last - first).total_seconds()

    def x_at(entry: Entry, n: int) -> float:
        if span <= 0:
            return round(x0 + (x1 - x0) * (n + 0.5) / len(mine), 1)
        return round(x0 + 8 + (x1 - x0 - 16) * (entry.at - first).total_seconds() / span, 1)

    def y_at(value: float) -> float:
        return round(y0 + (y1 - y0) * (value - bottom) / (top - bottom), 1)

    dots: list[dict[str, Any]] = []
    lines, breaks = [], []
    for n, entry in enumerate(mine):
        value, low, high, rows = entry.scores[metric]
        dot = {
            "x": x_at(entry, n),
            "y": y_at(value),
            "low": y_at(value if low is None else low),
            "high": y_at(value if high is None else high),
            "href": entry.href,
            "title": f"{entry.title}: {figure(value, unit='%')} of {rows:,} rows",
        }
        if n and mine[n - 1].rows_set == entry.rows_set:
            lines.append({"x1": dots[-1]["x"], "y1": dots[-1]["y"], "x2": dot["x"], "y2": dot["y"]})
        elif n:
            breaks.append(round((dots[-1]["x"] + dot["x"]) / 2, 1))
        dots.append(dot)
    return {
        "name": name,
        "latest": figure(mine[-1].scores[metric][0], unit="%"),
        "dots": dots,
        "lines": lines,
        "breaks": breaks,
        "first": first,
        "last": last,
        "width": WIDTH,
        "height": HEIGHT,
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "ticks": [{"y": y_at(v), "text": f"{round(100 * v, 1):g} %"} for v in ticks],
    }
