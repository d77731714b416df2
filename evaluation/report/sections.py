"""The report's slices, forms and cascade as the page shows them. Pure: a report in, lines and places out; tolerates reports without."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from evaluation.report.picture import round_axis
from evaluation.report.presentation import metric_cell, rows_link
from evaluation.report.text import CHANNELS
from evaluation.statistics import Estimate
from evaluation.wording import p_value, percent, point_range, points

ROWS = 8
"""Differing rows that are named."""
SLICES = 15
"""Slices shown before "show all"."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 240, 48, 16, 16, 38
NUMBER = re.compile(r"[\d,]+")


def slices_view(
    report: Mapping[str, Any], *, rows_url: str, field: str = "", whole: bool = False
) -> dict[str, Any] | None:
    """The slices in the report's order (losses that stand first), those of one ``field`` or all; None without any."""
    found = report.get("slices")
    if not found or not found.get("slices"):
        return None
    titles = {f["field"]: f["title"] for f in found["fields"]}
    wanted = [s for s in found["slices"] if field not in titles or s["field"] == field]
    shown = wanted if whole else wanted[:SLICES]
    unit = next((m["unit"] for m in report["metrics"] if m["name"] == found["measure"]), "%")
    edge = max(
        (abs(e) for s in wanted if s["difference"] for e in (s["difference"]["low"], s["difference"]["high"])),
        default=0,
    )
    return {
        "measure": next((m["label"] for m in report["metrics"] if m["name"] == found["measure"]), found["measure"]),
        "against": found["against_label"],
        "margin": points(found["margin"]),
        "enough": found["enough"],
        "tested": found["tested"],
        "fields": found["fields"],
        "field": field if field in titles else "",
        "lines": [_slice_line(s, titles, rows_url=rows_url, unit=unit) for s in shown],
        "left": len(wanted) - len(shown),
        "edge": max(edge, 0.01),
        "behind": sum(_stands(s) for s in found["slices"]),
    }


def _stands(s: Mapping[str, Any]) -> bool:
    return s["p_holm"] is not None and s["p_holm"] < 0.05 and bool(s["difference"]) and s["difference"]["value"] < 0


def _slice_line(s: Mapping[str, Any], titles: Mapping[str, str], *, rows_url: str, unit: str) -> dict[str, Any]:
    d = s["difference"]
    return {
        "title": titles[s["field"]],
        "value": s["value"],
        "href": slice_link(s["field"], s["value"], rows_url),
        "n": s["n"],
        "student": metric_cell(s["student"], unit=unit),
        "other": metric_cell(s["other"], unit=unit),
        "difference": d,
        "difference_text": points(d["value"], signed=True) if d else "",
        "interval": point_range(Estimate(**d)).removeprefix("95 % interval ") if d else "",
        "p": p_value(s["p_holm"]) if s["p_holm"] is not None else "",
        "behind": _stands(s),
        "small": s["small"],
        "reason": s["reason"],
    }


def slice_link(field: str, value: str, rows_url: str) -> str:
    """The rows of a slice, where the rows page can filter by it; empty where it can't."""
    if not rows_url:
        return ""
    if field in ("label", "tag"):
        return rows_link(rows_url, **{field: value})
    if field == "length":
        ends = [text.replace(",", "") for text in NUMBER.findall(value)]
        if value.startswith("up to "):
            return rows_link(rows_url, max=ends[0])
        if value.startswith("over "):
            return rows_link(rows_url, min=str(int(ends[0]) + 1))
        return rows_link(rows_url, min=ends[0], max=ends[1]) if len(ends) == 2 else ""
    return ""


def forms_view(report: Mapping[str, Any], *, rows_url: str) -> list[dict[str, Any]]:
    """Merged weights and files against the adapter they were made of, each with links to the first rows on which they differ."""
    return [
        {
            **form,
            "cell": metric_cell(form["share"], unit="%"),
            "way": CHANNELS[form["channel"]],
            "links": [{"text": f"{p + 1:,}", "href": rows_link(rows_url, row=str(p))} for p in form["positions"][:ROWS]]
            if rows_url
            else [],
        }
        for form in report.get("forms") or []
    ]


def cascade_view(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Quality over the share of rows that is handed back to the teacher; None for a report without a cascade."""
    found = report.get("cascade")
    if not found:
        return None
    curve = found.get("curve") or []
    values = [e for p in curve for e in (p["low"], p["high"], p["quality"])]
    chosen = found.get("threshold")
    view: dict[str, Any] = {**found, "curve": curve, "margin_text": points(found["margin"]), "picture": None}
    if len(curve) < 2:
        return view
    ticks = round_axis(min(values), max(values))
    bottom, span = ticks[0], ticks[-1] - ticks[0]
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP

    def place(share: float, quality: float) -> tuple[float, float]:
        return round(x0 + (x1 - x0) * share, 1), round(y0 + (y1 - y0) * (quality - bottom) / span, 1)

    ordered = sorted(curve, key=lambda p: p["handed_back"])
    line = [place(p["handed_back"], p["quality"]) for p in ordered]
    upper = [place(p["handed_back"], p["high"]) for p in ordered]
    lower = [place(p["handed_back"], p["low"]) for p in reversed(ordered)]
    mark = None
    if chosen is not None:
        near = min(curve, key=lambda p: abs(p["threshold"] - chosen))
        x, y = place(near["handed_back"], near["quality"])
        right = x > x0 + 0.6 * (x1 - x0)
        mark = {
            "x": x,
            "y": y,
            "anchor": "end" if right else "start",
            "dx": -9 if right else 9,
            "text": f"under {percent(chosen)} sure",
        }
    view["picture"] = {
        "width": WIDTH,
        "height": HEIGHT,
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "line": "M" + "L".join(f"{x} {y}" for x, y in line),
        "band": "M" + "L".join(f"{x} {y}" for x, y in [*upper, *lower]) + "Z",
        "x_ticks": [{"x": place(s / 4, bottom)[0], "text": f"{25 * s} %"} for s in range(5)],
        "y_ticks": [{"y": place(0, t)[1], "text": f"{round(100 * t, 1):g} %"} for t in ticks],
        "cut": bottom > 0,
        "mark": mark,
    }
    return view
