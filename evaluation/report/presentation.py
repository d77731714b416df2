"""From a report's JSON to what its page shows: tables, pictures, links. Pure: no request, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote_plus

from evaluation.report.document import FAILED, OTHER
from evaluation.report.text import CHANNELS, shown_metrics
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
    bar: bool = True
    """Whether it lies on a scale from 0 to 100 %. A likelihood or a length has no such end."""


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
    text = figure(value["value"], unit=unit)
    return MetricCell(text, low, high, value["value"], value.get("low"), value.get("high"), bar=unit == "%")


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
    kept = "&".join(f"{name}={_quoted(value)}" for name, value in fields.items() if value)
    return f"{base}?{kept}" if kept else base


_quoted = lru_cache(maxsize=4096)(quote_plus)  # a matrix of 77 labels names each of them 154 times


def confusions(report: Mapping[str, Any], *, rows_url: str, most: int = CONFUSIONS) -> list[dict[str, Any]]:
    """What the student takes for what, most frequent first, each with the address of its rows."""
    matrix = report["confusion"]
    if not matrix:
        return []
    pairs = [(-n, matrix["rows"][i], matrix["columns"][j]) for i, j, n in matrix["cells"]]
    mistakes = sorted(pair for pair in pairs if pair[1] != pair[2])[:most]
    return [
        {
            "right": right,
            "given": given,
            "n": -less,
            "href": cell_link(report, rows_url, right, given) if rows_url else "",
        }
        for less, right, given in mistakes
    ]


def cell_link(report: Mapping[str, Any], rows_url: str, right: str, given: str) -> str:
    """The rows behind a cell of the matrix."""
    if given == FAILED:
        return rows_link(rows_url, view="failed", label=right)
    if given == OTHER:
        wrong = "wrong" if report["label_basis"] == "reference" else "differs"
        return rows_link(rows_url, view=wrong, label=right)
    return rows_link(rows_url, label=right, answer=given)


def matrix(
    report: Mapping[str, Any], *, rows_url: str, most: int = MATRIX_LABELS, order: str = "name"
) -> dict[str, Any] | None:
    """A square confusion matrix for the page: all labels when they are at most ``most``, else those with the most mistakes.

    ``order``: ``name`` (as the report has them) or ``errors`` (most mistakes first). Without ``rows_url`` no cell is a link.
    """
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
    worst_first = sorted(range(len(found["rows"])), key=lambda i: (-mistakes[i], i))[:most]
    labels = [found["rows"][i] for i in (worst_first if order == "errors" else sorted(worst_first))]
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
            hrefs[cell] = cell_link(report, rows_url, right, given) if rows_url else ""
    return {
        "labels": columns,
        "counts": counts,
        "hrefs": hrefs,
        "left_out": len(found["rows"]) - len(labels),
        "total": len(found["rows"]),
        "mistakes": sum(mistakes[i] > 0 for i in range(len(mistakes))),
    }


def tiles(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The figures under the verdict: the student's agreement and accuracy, retained quality, speed and price."""
    student = next((c for c in report["candidates"] if c["kind"] == "student"), None)
    found: list[dict[str, Any]] = []
    for name, label in (("agreement", "Agreement with teacher"), ("accuracy", "Accuracy")):
        value = student["metrics"].get(name) if student else None
        cell = metric_cell(value, unit="%")
        if found and value == (student["metrics"].get("agreement") if student else None):
            # The teacher's answers are the references: one figure, said once.
            found[-1]["label"] = "Agreement, and accuracy"
        elif value:
            found.append({"label": label, "role": "student", **_tile(cell)})
    if report["retained"]:
        cell = metric_cell(report["retained"], unit="%")
        found.append({"label": "Teacher's quality retained", **_tile(cell)})
    return found


def _tile(cell: MetricCell) -> dict[str, Any]:
    value, _, unit = cell.text.partition(" ")
    return {"value": value, "unit": unit, "low": cell.low_text, "high": cell.high_text}


def confidence_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How far every candidate with confidences can be believed: mean confidence, mean gap and Brier score. Reports of before have
    no intervals, and none of them a Brier score."""
    rows = []
    for candidate in report["candidates"]:
        found = candidate.get("confidence")
        if found:
            rows.append(
                {
                    "candidate": candidate,
                    "n": found["n"],
                    "mean": found["mean"],
                    "error": metric_cell(found.get("error_estimate") or {"value": found["error"]}, unit="%"),
                    "brier": metric_cell(found.get("brier"), unit=""),
                }
            )
    return rows


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
