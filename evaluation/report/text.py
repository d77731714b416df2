"""A report as plain text (for a terminal), as Markdown and as CSV. Pure: the report's JSON in, text out."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.figures.forms import sentence_of
from evaluation.forgetting.words import forgotten_lines
from evaluation.judging.show import text_lines
from evaluation.report.outside_page import outside_lines
from evaluation.statistics import Estimate
from evaluation.wording import UNKNOWN, figure, figure_range, milliseconds, money, p_value, point_range, points

WORST_LABELS = 10
CHANNELS = {"recorded": "recorded answers", "generated": "written answer", "scored": "likeliest label"}


def table_of(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """``(header, rows)`` of the candidates' table: one row per candidate and way of answering."""
    metrics = shown_metrics(report)
    header = ["Candidate", "Answer", "Rows", "Failed", *(m["label"] for m in metrics)]
    header += ["Latency p50", "p95", "Cost per 1,000"]
    rows = []
    for candidate in report["candidates"]:
        channels = {candidate["channel"]: candidate["metrics"], **candidate["other_channels"]}
        for position, (channel, scores) in enumerate(channels.items()):
            first = position == 0
            row = [candidate["label"] if first else "", CHANNELS[channel]]
            row += [f"{candidate['asked']:,}", f"{candidate['failed']:,}"] if first else ["", ""]
            row += [_cell(scores.get(m["name"]), unit=m["unit"]) for m in metrics]
            row += _speed_and_price(candidate) if first else ["", "", ""]
            rows.append(row)
    return header, rows


def shown_metrics(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics that have a figure for at least one candidate."""

    def has_figure(name: str) -> bool:
        return any(c["metrics"].get(name) for c in report["candidates"])

    return [m for m in report["metrics"] if has_figure(m["name"])]


def _cell(value: Mapping[str, Any] | None, *, unit: str) -> str:
    if not value:
        return "–"
    spread = figure_range(value, unit=unit)
    return f"{figure(value['value'], unit=unit)} [{spread}]" if spread else figure(value["value"], unit=unit)


def _speed_and_price(candidate: Mapping[str, Any]) -> list[str]:
    latency, cost = candidate["latency"], candidate["cost_per_1000"]
    times = [milliseconds(latency[q]["value"]) for q in ("p50", "p95")] if latency else [UNKNOWN, UNKNOWN]
    return [*times, money(cost["value"]) if cost else UNKNOWN]


def layout(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 2) -> list[str]:
    """Lines of an aligned table: the first ``left`` columns to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=True)))
        return "  ".join(padded).rstrip()

    return [line(header), "  ".join("─" * w for w in widths), *map(line, rows)]


def render(report: Mapping[str, Any], *, width: int = 100) -> str:
    """The report for a terminal: verdict, candidates, comparisons, the weakest labels, notes."""
    parts = [textwrap.fill(report["verdict"]["sentence"], width)]
    parts += [textwrap.fill(detail, width) for detail in report["verdict"]["details"]]
    header, rows = table_of(report)
    # A terminal is narrow: one block of metrics with intervals, one with speed and price.
    keep, tail = header[:-3], len(header) - 3
    parts.append("\n".join(layout(keep, [r[:-3] for r in rows])))
    speed = [[r[0], *r[tail:]] for r in rows if r[0]]
    parts.append("\n".join(layout([header[0], *header[tail:]], speed, left=1)))
    if comparisons := comparison_lines(report):
        parts.append("\n".join(comparisons))
    if judged := text_lines(report):
        parts.append("\n".join(["Judged by a model", *(textwrap.fill(line, width) for line in judged)]))
    if forms := [sentence_of(form) for form in report.get("forms") or []]:
        parts.append("\n".join(["The student in other forms", *forms]))
    if forgotten := forgotten_lines(report.get("forgotten")):
        parts.append("\n".join(["What was forgotten", *(textwrap.fill(line, width) for line in forgotten)]))
    if outside := outside_lines(report):
        parts.append("\n".join(["Models asked over a network", *outside]))
    if sure := confidence_lines(report):
        parts.append("Confidence\n" + "\n".join(sure))
    if weakest := weakest_labels(report):
        parts.append("Weakest labels\n" + "\n".join(layout(*weakest, left=1)))
    if behind := slice_lines(report):
        parts.append("Where the student falls behind\n" + "\n".join(behind))
    parts += [textwrap.fill(f"Note: {note}", width) for note in report["notes"]]
    return "\n\n".join(parts) + "\n"


def comparison_lines(report: Mapping[str, Any]) -> list[str]:
    """``Student − teacher, accuracy: −1.2 points (95 % interval −2.0 to −0.4 points, exact McNemar p = 0.004)``."""
    found = []
    for c in report["comparisons"]:
        d = c["difference"]
        spread = point_range(Estimate(d["value"], d["low"], d["high"], d["n"]))
        found.append(
            f"Student − {c['b_label']} ({CHANNELS[c['b_channel']]}), {c['metric']}: {points(d['value'], signed=True)} "
            f"({spread}, {c.get('p_method', 'exact McNemar')} {p_value(c['p'])})"
        )
    return found


def confidence_lines(report: Mapping[str, Any]) -> list[str]:
    """``Student: 96.1 % sure on average over 600 rows, calibration error 2.1 % [1.4–3.0], Brier score of the likeliest label …``."""
    found = []
    for c in report["candidates"]:
        told = c.get("confidence")
        if told:
            error = _cell(told.get("error_estimate") or {"value": told["error"]}, unit="%")
            line = f"{c['label']}: {figure(told['mean'], unit='%')} sure on average over {told['n']:,} rows, calibration error {error}"
            if told.get("brier"):
                line += f", Brier score of the likeliest label {_cell(told['brier'], unit='')}"
            found.append(line)
    return found


def slice_lines(report: Mapping[str, Any]) -> list[str]:
    """``Tag “refund”: −12.0 points over 140 rows (95 % interval …, corrected p = 0.004)`` for every loss that stands after
    the correction for looking at many slices; one line that says so when none does. Empty without tested slices."""
    slices = report.get("slices")
    if not slices or not slices["tested"]:
        return []
    titles = {f["field"]: f["title"] for f in slices["fields"]}
    found = []
    for s in slices["slices"]:
        d = s["difference"]
        if d is not None and d["value"] < 0 and s["p_holm"] is not None and s["p_holm"] < 0.05:
            spread = point_range(Estimate(d["value"], d["low"], d["high"], d["n"]))
            found.append(
                f"{titles[s['field']]} “{s['value']}”: {points(d['value'], signed=True)} against {slices['against_label']} over "
                f"{s['n']:,} rows ({spread}, corrected {p_value(s['p_holm'])})"
            )
    return found or [
        f"In none of the {slices['tested']:,} slices tested against {slices['against_label']} does a loss stand after the "
        "correction for looking at many."
    ]


def weakest_labels(report: Mapping[str, Any], *, most: int = WORST_LABELS) -> tuple[list[str], list[list[str]]] | None:
    """``(header, rows)`` of the labels with the student's lowest F1, or None when there are none below 1."""
    scored = [
        (label, label["candidates"]["student"])
        for label in report["per_label"]
        if label["support"] and "student" in label["candidates"]
    ]
    weak = sorted((s["f1"], -label["support"], label["label"], label, s) for label, s in scored if s["f1"] < 1)[:most]
    if not weak:
        return None
    rows = [
        [label["label"], f"{label['support']:,}", *(_share(s[k]) for k in ("precision", "recall", "f1"))]
        for *_, label, s in weak
    ]
    return ["Label", "Rows", "Precision", "Recall", "F1"], rows


def _share(value: float | None) -> str:
    return "–" if value is None else figure(value, unit="%")


def render_markdown(report: Mapping[str, Any], *, title: str = "Evaluation") -> str:
    """The report as GitHub-flavoured Markdown."""
    header, rows = table_of(report)
    parts = [f"# {title}", f"**{report['verdict']['sentence']}**", *report["verdict"]["details"]]
    parts += ["## Candidates", _markdown_table(header, rows, left=2)]
    if comparisons := comparison_lines(report):
        parts += ["## Student against the others", "\n".join(f"- {line}" for line in comparisons)]
    if judged := text_lines(report):
        parts += ["## Judged by a model", "\n".join(f"- {line}" for line in judged)]
    if forms := [sentence_of(form) for form in report.get("forms") or []]:
        parts += ["## The student in other forms", "\n".join(f"- {line}" for line in forms)]
    if forgotten := forgotten_lines(report.get("forgotten")):
        parts += ["## What was forgotten", "\n".join(f"- {line}" for line in forgotten)]
    if outside := outside_lines(report):
        parts += ["## Models asked over a network", "\n".join(f"- {line}" for line in outside)]
    if sure := confidence_lines(report):
        parts += ["## Confidence", "\n".join(f"- {line}" for line in sure)]
    if report["per_label"]:
        parts += ["## Labels", _markdown_table(*label_table(report), left=1)]
    if behind := slice_lines(report):
        parts += ["## Where the student falls behind", "\n".join(f"- {line}" for line in behind)]
    if report["notes"]:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report["notes"])]
    if report["facts"]:
        parts += ["## What was evaluated", "\n".join(f"- {k}: {v}" for k, v in report["facts"].items())]
    return "\n\n".join(parts) + "\n"


def label_table(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """``(header, rows)`` with every label's support and every candidate's precision, recall and F1."""
    names = [(c["name"], c["label"]) for c in report["candidates"]]
    header = ["Label", "Rows", *(f"{label} {what}" for _, label in names for what in ("precision", "recall", "F1"))]
    empty: dict[str, Any] = {"precision": None, "recall": None, "f1": None}
    rows = []
    for label in report["per_label"]:
        scores = [label["candidates"].get(name, empty) for name, _ in names]
        cells = [_share(s[k]) for s in scores for k in ("precision", "recall", "f1")]
        rows.append([label["label"], f"{label['support']:,}", *cells])
    return header, rows


def _markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

    rule = "|" + "|".join(" :-- " if i < left else " --: " for i in range(len(header))) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def render_csv(report: Mapping[str, Any]) -> str:
    """One line per candidate, way of answering and metric, figures unrounded: for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["candidate", "kind", "answer", "metric", "value", "low", "high", "n", "asked", "failed"])
    for c in report["candidates"]:
        head = [safe_cell(c["label"]), c["kind"]]
        tail = [c["asked"], c["failed"]]
        channels = {c["channel"]: c["metrics"], **c["other_channels"]}
        for channel, scores in channels.items():
            for name, value in scores.items():
                if value:
                    writer.writerow([*head, channel, name, *(value[k] for k in ("value", "low", "high", "n")), *tail])
        for name, value in _other_figures(c):
            writer.writerow([*head, c["channel"], name, *(value.get(k) for k in ("value", "low", "high", "n")), *tail])
    return out.getvalue()


def _other_figures(candidate: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    found: list[tuple[str, Mapping[str, Any]]] = []
    if candidate["latency"]:
        found += [(f"latency_{q}_ms", candidate["latency"][q]) for q in ("p50", "p95")]
    if candidate.get("judge"):
        found.append(("judge", candidate["judge"]))
    if candidate.get("first_token"):
        found += [(f"first_token_{q}_ms", candidate["first_token"][q]) for q in ("p50", "p95")]
    if candidate.get("tokens_per_second"):
        found.append(("tokens_per_second", candidate["tokens_per_second"]))
    told = candidate.get("confidence") or {}
    for name, key in (("calibration_error", "error_estimate"), ("brier_top_label", "brier")):
        if told.get(key):
            found.append((name, told[key]))
    if (candidate.get("energy") or {}).get("joules") is not None:
        found.append(("energy_joules", {"value": candidate["energy"]["joules"]}))
    if candidate["cost_per_1000"]:
        found.append(("cost_per_1000_usd", candidate["cost_per_1000"]))
    return found


def safe_cell(text: str) -> str:
    """Text that a spreadsheet will not run as a formula."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
