"""Geometry of the pictures drawn by the server: histogram, curve, confusion matrix, intervals, timeline, sparkline, calibration.

Each tag turns plain data into plain positions; the component of the same name draws them, so that a chart needs neither
script nor inline style and looks the same in an exported report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil, floor, isfinite, log10
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from studio.templatetags.ui import THIN, duration, number, percent

register = template.Library()

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 560, 180, 44, 24, 14


def nice_ticks(top: float, *, about: int = 4) -> list[float]:
    """Round values from 0 to at least ``top`` for an axis with a zero baseline."""
    if not top > 0 or not isfinite(top):
        return [0.0, 1.0]
    rough = top / about
    scale = 10.0 ** floor(log10(rough))
    step = next(s * scale for s in (1, 2, 2.5, 5, 10) if s * scale >= rough)
    count = int(-(-top // step))
    return [round(step * i, 10) for i in range(count + 1)]


def _item(thing: Any, key: str, default: Any = None) -> Any:
    return thing.get(key, default) if isinstance(thing, Mapping) else getattr(thing, key, default)


@register.simple_tag
def histogram_view(bins: Iterable[Any], unit: str = "", line: Any = None, open_end: Any = "") -> dict[str, Any]:
    """Bars of a histogram. A bin is ``{"low", "high", "count"}`` (numbers) or ``{"label", "count"}``, with optional ``href`` and ``role``.

    ``line``: a limit to mark, left out of the picture when it lies beyond the last bin. ``open_end``: the last bin is wider
    than the others and means "and more".
    """
    rows = list(bins or [])
    ticks = nice_ticks(max((float(_item(b, "count", 0)) for b in rows), default=0))
    inner, tall = WIDTH - LEFT, HEIGHT - TOP - BOTTOM
    slot = inner / max(1, len(rows))
    bars = []
    for i, b in enumerate(rows):
        count = float(_item(b, "count", 0))
        high = tall * count / ticks[-1]
        low_edge, high_edge = _item(b, "low"), _item(b, "high")
        label = _item(b, "label") or (
            number(low_edge) if low_edge == high_edge else f"{number(low_edge)} to {number(high_edge)}"
        )
        bars.append(
            {
                "x": round(LEFT + i * slot + min(1.0, slot * 0.1), 2),
                "slot_x": round(LEFT + i * slot, 2),
                "slot": round(slot, 2),
                "y": round(TOP + tall - high, 2),
                "width": round(max(1.0, slot - min(2.0, slot * 0.2)), 2),
                "height": round(high, 2),
                "count": _item(b, "count", 0),
                "label": label,
                "href": _item(b, "href", ""),
                "role": _item(b, "role", ""),
            }
        )
    every = max(1, -(-len(rows) // 8))
    labels = []
    if rows and _item(rows[0], "low") is not None:
        edges = [_item(b, "low") for b in rows] + ([] if open_end else [_item(rows[-1], "high")])
        # The words at an open end need the room of two labels.
        room = WIDTH - 110 if open_end else WIDTH
        marked = [(round(LEFT + i * slot, 2), number(e)) for i, e in enumerate(edges) if i % every == 0]
        labels = [{"x": x, "text": text} for x, text in marked if x <= room]
        if open_end:
            labels.append({"x": WIDTH, "text": f"{number(edges[-1])} and more", "anchor": "end"})
    elif slot >= 40:
        labels = [
            {"x": round(LEFT + (i + 0.5) * slot, 2), "text": str(_item(b, "label"))[: int(slot // 6)]}
            for i, b in enumerate(rows)
        ]
    return {
        "bars": bars,
        "labels": labels,
        "grid": [{"y": round(TOP + tall - tall * t / ticks[-1], 2), "text": number(t)} for t in ticks],
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "bottom": TOP + tall,
        "top": TOP,
        "tall": tall,
        "unit": unit,
        "line": _line(rows, line, slot),
    }


def _line(rows: Sequence[Any], limit: Any, slot: float) -> dict[str, Any] | None:
    """Where a limit stands among bins, and on which side there is room for its label."""
    if limit in (None, "") or not rows or _item(rows[0], "low") is None:
        return None
    for i, b in enumerate(rows):
        low, high = float(_item(b, "low")), float(_item(b, "high"))
        if low <= float(limit) <= high:
            x = LEFT + slot * (i + (float(limit) - low + 1) / (high - low + 1))
            return {
                "x": round(x, 2),
                "anchor": "end" if x > WIDTH / 2 else "start",
                "shift": -6 if x > WIDTH / 2 else 6,
            }
    return None


@register.simple_tag
def curve_view(points: Iterable[Sequence[float]], mark: Any = None, percent: Any = "") -> dict[str, Any]:
    """A falling step curve through ``(x, y)`` points in order of ``x``, with the area below it; ``y`` starts from zero.

    ``mark``: an ``x`` to mark on the curve. ``percent``: ``y`` is a share, written as such, and the axis ends at 100 %.
    """
    spots = [(float(x), float(y)) for x, y in points or []]
    if not spots:
        return {"path": ""}
    inner, tall = WIDTH - LEFT, HEIGHT - TOP - BOTTOM
    first, last = spots[0][0], spots[-1][0]
    span = (last - first) or 1.0
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if percent else nice_ticks(max(y for _, y in spots))

    def place(x: float, y: float) -> tuple[float, float]:
        share = min(1.0, max(0.0, (x - first) / span))
        return round(LEFT + inner * share, 2), round(TOP + tall * (1 - y / ticks[-1]), 2)

    placed = [place(x, y) for x, y in spots]
    steps = [f"M{placed[0][0]} {placed[0][1]}", *(f"H{x}V{y}" for x, y in placed[1:])]
    path = "".join(steps) + (f"H{WIDTH}" if len(placed) == 1 else "")
    below = TOP + tall
    every = [first + (last - first) * n / 4 for n in range(5)] if last > first else [first]
    dot = None
    if mark not in (None, ""):
        at = float(mark)
        y_there = next((y for x, y in reversed(spots) if x <= at), spots[0][1] if percent == "" else 1.0)
        x, y = place(at, y_there)
        dot = {"x": x, "y": y, "anchor": "end" if x > WIDTH / 2 else "start", "shift": -8 if x > WIDTH / 2 else 8}
    return {
        "path": path,
        "area": f"{path}V{below}H{placed[0][0]}Z",
        "grid": [
            {"y": place(first, t)[1], "text": f"{round(100 * t)}{THIN}%" if percent else number(t)} for t in ticks
        ],
        "labels": [
            {"x": place(x, 0)[0], "text": number(round(x)), "anchor": "end" if n and n == len(every) - 1 else "middle"}
            for n, x in enumerate(every)
        ],
        "mark": dot,
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "bottom": below,
        "top": TOP,
        "tall": tall,
    }


def _shade(count: float, top: float) -> int:
    """0 for none, else 1 to 4 by the share of the largest count."""
    return 0 if not count or not top else min(4, 1 + int(4 * count / top * 0.999))


@register.simple_tag
def matrix_view(labels: Sequence[str], counts: Sequence[Sequence[Any]], hrefs: Any = None) -> dict[str, Any]:
    """Rows of a confusion matrix. ``counts[i][j]``: rows whose true label is i and that were answered j.

    ``hrefs``, when given, is ``{(i, j): url}`` or a nested list; shades compare hits with hits and misses with misses.
    """
    grid = [[float(c or 0) for c in row] for row in counts or []]
    hit_top = max((grid[i][i] for i in range(len(grid)) if i < len(grid[i])), default=0)
    miss_top = max((c for i, row in enumerate(grid) for j, c in enumerate(row) if i != j), default=0)
    rows = []
    for i, row in enumerate(grid):
        total = sum(row)
        cells = []
        for j, count in enumerate(row):
            shade = _shade(count, hit_top if i == j else miss_top)
            href = ""
            if isinstance(hrefs, Mapping):
                href = hrefs.get((i, j), "")
            elif hrefs:
                href = hrefs[i][j]
            cells.append(
                {
                    "count": int(count),
                    "css": f"{'hit' if i == j else 'miss'}-{shade}" if shade else "",
                    "href": href if count else "",
                    "answer": labels[j],
                }
            )
        rows.append(
            {"label": labels[i], "cells": cells, "total": int(total), "recall": grid[i][i] / total if total else None}
        )
    return {"labels": list(labels or []), "rows": rows}


@register.simple_tag
def matrix_body(view: dict[str, Any]) -> SafeString:
    """The rows of :func:`matrix_view` as ``<tr>`` elements: made in code, since 77 labels are 6,000 cells."""
    lines = []
    for row in view["rows"]:
        label = escape(row["label"])
        cells = []
        for cell in row["cells"]:
            if not cell["count"]:
                cells.append("<td data-zero></td>")
                continue
            said = f"{label} answered as {escape(cell['answer'])}: {cell['count']}"
            inner = f'<a href="{escape(cell["href"])}">{cell["count"]}</a>' if cell["href"] else str(cell["count"])
            cells.append(f'<td class="{cell["css"]}" title="{said}">{inner}</td>')
        recall = percent(row["recall"], 0) if row["recall"] is not None else "–"
        lines.append(f'<tr><th scope="row" title="{label}">{label}</th>{"".join(cells)}<td>{recall}</td></tr>')
    return mark_safe("".join(lines))  # noqa: S308 -- every text is escaped above


@register.simple_tag
def interval_view(value: Any, low: Any = None, high: Any = None, minimum: Any = 0, maximum: Any = 1) -> dict[str, Any]:
    """Positions (0 to 100) of a value and its interval on a scale from ``minimum`` to ``maximum``."""
    floor_, top = float(minimum), float(maximum)

    def place(x: Any) -> float | None:
        if x is None or x == "" or top <= floor_:
            return None
        return round(min(100.0, max(0.0, 100 * (float(x) - floor_) / (top - floor_))), 2)

    return {"at": place(value), "low": place(low), "high": place(high)}


@register.simple_tag
def difference_view(value: Any, low: Any = None, high: Any = None, edge: Any = 0.1) -> dict[str, Any]:
    """Positions (0 to 100) of a difference and its interval around zero, which stands at 50; ``edge`` is at both ends.

    ``tone``: ``ahead`` or ``behind`` when the interval leaves zero out, else empty.
    """
    place = interval_view(value, low, high, -float(edge), edge)
    known = low not in (None, "") and high not in (None, "")
    tone = "ahead" if known and float(low) > 0 else "behind" if known and float(high) < 0 else ""
    return {**place, "tone": tone}


@register.simple_tag
def sparkline_points(values: Iterable[Any], width: int = 80, height: int = 20) -> dict[str, Any]:
    """``points`` of a polyline through ``values`` and its last point; empty for fewer than two numbers."""
    numbers = [float(v) for v in values or [] if v is not None and isfinite(float(v))]
    if len(numbers) < 2:
        return {"points": "", "x": 0, "y": 0}
    low, span = min(numbers), (max(numbers) - min(numbers)) or 1.0
    pad = 2
    spots = [
        (
            round(pad + i * (width - 2 * pad) / (len(numbers) - 1), 1),
            round(height - pad - (v - low) / span * (height - 2 * pad), 1),
        )
        for i, v in enumerate(numbers)
    ]
    return {"points": " ".join(f"{x},{y}" for x, y in spots), "x": spots[-1][0], "y": spots[-1][1]}


TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Seconds between the marks of a time axis; beyond the last, whole days."""


def time_ticks(whole: float, *, about: int = 7) -> list[float]:
    """Seconds at which an axis of ``whole`` seconds is marked, from 0 on: round times, at most ``about`` + 1 of them."""
    rough = whole / about
    step = next((s for s in TIME_STEPS if s >= rough), 86400.0 * ceil(rough / 86400))
    return [step * i for i in range(int(whole / step + 1e-9) + 1)]


@register.simple_tag
def timeline_view(spans: Iterable[Any], begin: Any = None) -> dict[str, Any]:
    """Bars of a timeline over one axis. A span has ``name``, ``status``, ``href`` (optional) and either ``bars`` or one bar's fields.

    A bar: ``status``, ``start``, ``end`` (``None``: until now), ``says`` (optional), ``wait`` (True: drawn lighter, not counted
    as work). ``begin``: where the axis starts, else with the first bar. ``rows``, ``ticks`` (``x`` in percent, ``text``), ``total``.
    """
    now = timezone.now()
    rows = [(span, list(_item(span, "bars") or ([span] if _item(span, "start") else []))) for span in spans or []]
    starts = [_item(bar, "start") for _, bars in rows for bar in bars]
    first: datetime | None = min([*starts, *([begin] if begin and starts else [])], default=None)
    last = max([_item(bar, "end") or now for _, bars in rows for bar in bars], default=now)
    whole = max((last - first).total_seconds(), 0.001) if first else 0.0
    drawn = []
    for span, bars in rows:
        found = [_bar(bar, now=now, first=first, whole=whole) for bar in bars if first is not None]
        worked = sum(bar["seconds"] for bar in found if not bar["wait"])
        drawn.append(
            {
                "name": _item(span, "name"),
                "status": _item(span, "status"),
                "href": _item(span, "href", ""),
                "bars": found,
                "spoken": duration(worked) if any(not bar["wait"] for bar in found) else "",
            }
        )
    ticks = [
        {"x": round(100 * at / whole, 2), "text": duration(at), "anchor": "start" if at == 0 else "middle"}
        for at in (time_ticks(whole) if whole else [])
        if at / whole < 0.97
    ]
    return {"rows": drawn, "total": whole or None, "ticks": ticks, "spoken": duration(whole) if whole else ""}


def _bar(bar: Any, *, now: datetime, first: datetime, whole: float) -> dict[str, Any]:
    seconds = max(((_item(bar, "end") or now) - _item(bar, "start")).total_seconds(), 0.0)
    width = min(max(0.5, 100 * seconds / whole), 100)
    before = (_item(bar, "start") - first).total_seconds()
    return {
        "status": _item(bar, "status"),
        "wait": bool(_item(bar, "wait")),
        "says": _item(bar, "says", "") or "",
        "x": round(min(100 - width, 100 * before / whole), 2),
        "width": round(width, 2),
        "seconds": seconds,
        "spoken": duration(seconds),
        "after": duration(before),
    }


@register.simple_tag
def bars_view(rows: Iterable[Any], maximum: Any = None) -> list[dict[str, Any]]:
    """Horizontal bars from zero. A row has ``label``, ``value``, optional ``text``, ``href``, ``role``."""
    items = list(rows or [])
    top = (
        float(maximum)
        if maximum not in (None, "")
        else max((float(_item(r, "value", 0) or 0) for r in items), default=0)
    )
    return [
        {
            "label": _item(r, "label"),
            "text": _item(r, "text") or number(_item(r, "value")),
            "href": _item(r, "href", ""),
            "role": _item(r, "role", ""),
            "width": round(100 * float(_item(r, "value", 0) or 0) / top, 2) if top else 0,
        }
        for r in items
    ]


@register.simple_tag
def calibration_view(bins: Iterable[Any]) -> dict[str, Any]:
    """Points of a calibration plot on a 0–1 square. A bin has ``confidence``, ``accuracy``, ``count``, optional ``low``, ``high``."""
    size, left, bottom = 320, 38, 26
    inner = size - left - 8
    rows = [b for b in bins or [] if _item(b, "count", 0)]
    top = max((float(_item(b, "count")) for b in rows), default=1)

    def x(v: float) -> float:
        return round(left + inner * v, 2)

    def y(v: float) -> float:
        return round(8 + inner * (1 - v), 2)

    points = [
        {
            "x": x(float(_item(b, "confidence"))),
            "y": y(float(_item(b, "accuracy"))),
            "r": round(2.5 + 4 * (float(_item(b, "count")) / top) ** 0.5, 2),
            "low": y(float(_item(b, "low"))) if _item(b, "low") is not None else None,
            "high": y(float(_item(b, "high"))) if _item(b, "high") is not None else None,
            "confidence": _item(b, "confidence"),
            "accuracy": _item(b, "accuracy"),
            "count": _item(b, "count"),
        }
        for b in rows
    ]
    ticks = [{"x": x(t), "y": y(t), "text": f"{t:g}"} for t in (0, 0.25, 0.5, 0.75, 1)]
    return {
        "size": size,
        "height": 8 + inner + bottom,
        "points": points,
        "ticks": ticks,
        "x0": x(0),
        "x1": x(1),
        "y0": y(0),
        "y1": y(1),
    }
