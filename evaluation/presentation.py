"""From a report's JSON to what its page shows: tables, pictures, links. Pure: no request, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, NamedTuple
from urllib.parse import urlencode

from evaluation.report import FAILED, OTHER
from evaluation.report_text import CHANNELS, shown_metrics
from evaluation.statistics import Estimate, wilson
from evaluation.wording import figure, figure_range, p_value, point_range, points

MATRIX_LABELS = 24
CONFUSIONS = 12
VERDICT_TONES = {"good": "ok", "bad": "fail", "unclear": "warn", "plain": "info"}
ICONS = {"good": "circle-check", "bad": "circle-x", "unclear": "circle-help", "plain": "scale"}


@dataclass(frozen=True)
class MetricCell:
    """One figure as a table cell shows it: its words, and where it lies between 0 and 1 (None: no figure)."""

    text: str = ""
    low_text: str = ""
    high_text: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None


class CandidateRow(NamedTuple):
    """A line of the candidates' table; ``candidate`` is the report's record, ``first`` its main way of answering."""

    candidate: Mapping[str, Any]
    channel: str
    first: bool
    cells: list[MetricCell]


def metric_cell(value: Mapping[str, Any] | None, *, unit: str) -> MetricCell:
    """A figure in its unit with its interval."""
    if not value:
        return MetricCell()
    low, _, high = figure_range(value, unit=unit).partition("–")
    return MetricCell(figure(value["value"], unit=unit), low, high, value["value"], value.get("low"), value.get("high"))


def candidate_rows(report: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[CandidateRow]]:
    """``(metrics that have a figure, lines)``: a line for each candidate and way of answering."""
    metrics = shown_metrics(report)
    lines = []
    for candidate in report["candidates"]:
        channels = {candidate["channel"]: candidate["metrics"], **candidate["other_channels"]}
        for position, (channel, scores) in enumerate(channels.items()):
            cells = [metric_cell(scores.get(m["name"]), unit=m["unit"]) for m in metrics]
            lines.append(CandidateRow(candidate, CHANNELS[channel], position == 0, cells))
    return metrics, lines


def comparison_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The student against each other: the difference in words, who won how many rows, and the p-value."""
    roles = {c["name"]: c["kind"] for c in report["candidates"]}
    rows = []
    for c in report["comparisons"]:
        d = c["difference"]
        estimate = Estimate(d["value"], d["low"], d["high"], d["n"])
        rows.append(
            {
                "role": roles.get(c["b"], "base"),
                "label": c["b_label"],
                "channel": CHANNELS[c["b_channel"]],
                "metric": c["metric"],
                "difference": points(d["value"], signed=True),
                "interval": point_range(estimate).removeprefix("95 % interval "),
                "settled": d["low"] > 0 or d["high"] < 0,
                "only_a": c["only_a"],
                "only_b": c["only_b"],
                "p": p_value(c["p"]),
                "n": d["n"],
            }
        )
    return rows


LABEL_SORTS = ("label", "support", "precision", "recall", "f1", "base", "teacher")


def label_rows(report: Mapping[str, Any], *, sort: str) -> list[dict[str, Any]]:
    """The labels' table, sorted by a column (``-`` in front: from the largest). Labels without a figure come last."""
    key = sort.removeprefix("-") if sort.removeprefix("-") in LABEL_SORTS else "f1"
    kinds = {c["kind"]: c["name"] for c in reversed(report["candidates"])}
    rows = []
    for label in report["per_label"]:
        by_kind = {kind: label["candidates"].get(name) or {} for kind, name in kinds.items()}
        student = by_kind.get("student", {})
        rows.append(
            {
                "label": label["label"],
                "support": label["support"],
                "unseen": label["seen"] is False,
                "precision": student.get("precision"),
                "recall": student.get("recall"),
                "f1": student.get("f1") if label["support"] or student.get("predicted") else None,
                "base": by_kind.get("base", {}).get("f1") if label["support"] else None,
                "teacher": by_kind.get("teacher", {}).get("f1") if label["support"] else None,
            }
        )
    known = [r for r in rows if r[key] is not None]
    unknown = [r for r in rows if r[key] is None]
    if key == "label":
        known.sort(key=lambda r: str(r["label"]).casefold(), reverse=sort.startswith("-"))
    else:
        # Equal figures: the label with more rows first, then by name.
        sign = -1 if sort.startswith("-") else 1
        known.sort(key=lambda r: (sign * r[key], -r["support"], r["label"]))
    return known + unknown


def rows_link(base: str, **fields: str) -> str:
    """The address of the rows under a filter."""
    kept = {name: value for name, value in fields.items() if value}
    return f"{base}?{urlencode(kept)}" if kept else base


def confusions(report: Mapping[str, Any], *, rows_url: str, most: int = CONFUSIONS) -> list[dict[str, Any]]:
    """What the student takes for what, most frequent first, each with the address of its rows."""
    matrix = report["confusion"]
    if not matrix:
        return []
    found = []
    for i, j, n in matrix["cells"]:
        right, given = matrix["rows"][i], matrix["columns"][j]
        if right != given:
            href = cell_link(report, rows_url, right, given)
            found.append({"right": right, "given": given, "n": n, "href": href})
    return sorted(found, key=lambda c: (-c["n"], c["right"], c["given"]))[:most]


def cell_link(report: Mapping[str, Any], rows_url: str, right: str, given: str) -> str:
    """The rows behind a cell of the matrix."""
    if given == FAILED:
        return rows_link(rows_url, view="failed", label=right)
    if given == OTHER:
        wrong = "wrong" if report["label_basis"] == "reference" else "differs"
        return rows_link(rows_url, view=wrong, label=right)
    return rows_link(rows_url, label=right, answer=given)


def matrix(report: Mapping[str, Any], *, rows_url: str, most: int = MATRIX_LABELS) -> dict[str, Any] | None:
    """A square confusion matrix for the page: all labels when they are few, else those with the most mistakes."""
    found = report["confusion"]
    if not found:
        return None
    mistakes = [0] * len(found["rows"])
    position = {label: i for i, label in enumerate(found["rows"])}
    for i, j, n in found["cells"]:
        given = found["columns"][j]
        if found["rows"][i] != given:
            mistakes[i] += n
            if given in position:
                mistakes[position[given]] += n
    order = range(len(found["rows"]))
    kept = sorted(order, key=lambda i: (-mistakes[i], i))[:most] if len(found["rows"]) > most else list(order)
    labels = [found["rows"][i] for i in sorted(kept)]
    extra = [x for x in (OTHER, FAILED) if any(found["columns"][j] == x for _, j, _ in found["cells"])]
    columns = [*labels, *extra]
    at_row, at_column = {label: i for i, label in enumerate(labels)}, {label: i for i, label in enumerate(columns)}
    counts = [[0] * len(columns) for _ in labels]
    hrefs: dict[tuple[int, int], str] = {}
    for i, j, n in found["cells"]:
        right, given = found["rows"][i], found["columns"][j]
        if right in at_row and given in at_column:
            cell = at_row[right], at_column[given]
            counts[cell[0]][cell[1]] = n
            hrefs[cell] = cell_link(report, rows_url, right, given)
    return {"labels": columns, "counts": counts, "hrefs": hrefs, "left_out": len(found["rows"]) - len(labels)}


class Point(NamedTuple):
    """A candidate on the quality–speed picture, in SVG units."""

    role: str
    x: float
    y: float
    low: float
    high: float
    text: str
    anchor: str
    dy: float = 4.0


CHART = {"width": 560, "height": 240, "left": 52, "right": 16, "top": 16, "bottom": 34}


def tradeoff(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Quality (with its interval) against the time of one answer, on a logarithmic scale; None below two timed candidates.

    A teacher whose answers were not timed is a line across.
    """
    name = quality_metric(report)
    known = [c for c in report["candidates"] if c["metrics"].get(name)]
    timed = [c for c in known if c["latency"] and c["latency"]["p50"]["value"] > 0]
    if len(timed) < 2:
        return None
    times = [c["latency"]["p50"]["value"] for c in timed]
    first, last = floor(log10(min(times))), ceil(log10(max(times)))
    last = max(last, first + 1)
    x0, x1 = CHART["left"], CHART["width"] - CHART["right"]
    y0, y1 = CHART["height"] - CHART["bottom"], CHART["top"]

    def x_at(milliseconds: float) -> float:
        return round(x0 + (x1 - x0) * (log10(milliseconds) - first) / (last - first), 1)

    def y_at(share: float) -> float:
        return round(y0 + (y1 - y0) * share, 1)

    dots = []
    for c in timed:
        value = best_way(c, name)
        x = x_at(c["latency"]["p50"]["value"])
        anchor = "end" if x > x0 + 0.7 * (x1 - x0) else "start"
        text = f"{c['label']}, {figure(value['value'], unit='%')}"
        dots.append(Point(c["kind"], x, y_at(value["value"]), y_at(value["low"]), y_at(value["high"]), text, anchor))
    lines = [
        {"role": c["kind"], "y": y_at(c["metrics"][name]["value"]), "text": f"{c['label']}, {figure(c['metrics'][name]['value'], unit='%')}, not timed"}
        for c in known
        if c not in timed
    ]  # fmt: skip
    return {
        **CHART,
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "metric": next(m["label"] for m in report["metrics"] if m["name"] == name),
        "dots": apart(dots),
        "lines": lines,
        "x_ticks": [{"x": x_at(10**e), "text": _time_tick(e)} for e in range(first, last + 1)],
        "y_ticks": [{"y": y_at(s / 4), "text": f"{25 * s} %"} for s in range(5)],
    }


def quality_metric(report: Mapping[str, Any]) -> str:
    """The metric that stands for quality: word overlap for free text, else accuracy, else agreement with the teacher."""
    known = {name for c in report["candidates"] for name, value in c["metrics"].items() if value}
    order = ("token_f1", "accuracy", "agreement") if report["task"] == "text" else ("accuracy", "agreement")
    return next((name for name in order if name in known), "agreement")


CHARACTER = 6.2
"""About how wide a character of a dot's name is, in SVG units."""


def apart(dots: Sequence[Point]) -> list[Point]:
    """The dots with the names of neighbours moved down, so that none is written over another."""

    def extent(dot: Point) -> tuple[float, float]:
        wide = 14 + CHARACTER * len(dot.text)
        return (dot.x - wide, dot.x + 6) if dot.anchor == "end" else (dot.x - 6, dot.x + wide)

    placed: list[Point] = []
    for dot in sorted(dots, key=lambda d: d.y):
        left, right = extent(dot)
        over = [p for p in placed if left < extent(p)[1] and extent(p)[0] < right and dot.y + dot.dy < p.y + p.dy + 14]
        lowest = max((p.y + p.dy for p in over), default=None)
        placed.append(dot if lowest is None else dot._replace(dy=round(lowest + 14 - dot.y, 1)))
    return placed


def best_way(candidate: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """A candidate's figure through the way of answering that suits it best."""
    ways = [candidate["metrics"].get(metric), *(s.get(metric) for s in candidate["other_channels"].values())]
    return max((w for w in ways if w), key=lambda w: float(w["value"]))


def _time_tick(exponent: int) -> str:
    return f"{10 ** (exponent - 3):g} s" if exponent >= 3 else f"{10.0**exponent:g} ms"


def tiles(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures under the verdict: the student's agreement and accuracy, retained quality, speed and price."""
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    found: list[dict[str, Any]] = []
    for name, label in (("agreement", "Agreement with teacher"), ("accuracy", "Accuracy")):
        value = student["metrics"].get(name) if student else None
        cell = metric_cell(value, unit="%")
        if value:
            found.append({"label": label, "role": "student", **_tile(cell)})
    if report["retained"]:
        cell = metric_cell(report["retained"], unit="%")
        found.append({"label": "Teacher's quality retained", **_tile(cell)})
    return found


def _tile(cell: MetricCell) -> dict[str, Any]:
    value, _, unit = cell.text.partition(" ")
    return {"value": value, "unit": unit, "low": cell.low_text, "high": cell.high_text}


def calibration_bins(candidate: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """The student's confidence bins in the form that the calibration plot takes."""
    if not candidate or not candidate["confidence"]:
        return []
    bins = []
    for b in candidate["confidence"]["bins"]:
        spread = wilson(round(b["accuracy"] * b["n"]), b["n"])
        low, high = (spread.low, spread.high) if spread else (None, None)
        bins.append(
            {"confidence": b["confidence"], "accuracy": b["accuracy"], "count": b["n"], "low": low, "high": high}
        )
    return bins
