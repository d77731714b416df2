"""Quality, cost, latency and size of every candidate in one picture: two panels with one quality axis. Pure: a report in, places out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10
from typing import Any, NamedTuple

from evaluation.wording import figure, joules, milliseconds, money

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 480, 300, 52, 16, 18, 40
CHARACTER = 6.2
"""About how wide a character of a dot's name is, in SVG units."""
LINE = 14
"""Least distance of two names."""
MARK = 9
"""How far a dot with its ring reaches."""


@dataclass(frozen=True)
class Spot:
    """One candidate's figures as ``(value, low, high)``; None where unknown. ``quality`` is 0..1, ``latency`` in milliseconds,
    ``cost`` in US dollars for 1,000 answers. ``size`` is bytes of the model."""

    name: str
    label: str
    kind: str
    quality: tuple[float, float, float]
    latency: tuple[float, float, float] | None
    cost: tuple[float, float, float] | None
    size: int | None = None


class Point(NamedTuple):
    """A candidate in a panel, in SVG units. ``dx``/``dy``: where its name stands."""

    role: str
    x: float
    y: float
    low: float
    high: float
    text: str
    anchor: str
    dy: float = 4.0
    left: float = 0.0
    right: float = 0.0
    best: bool = False


def round_axis(low: float, high: float, *, most: int = 5) -> list[float]:
    """Round shares (multiples of 0.5, 1, 2, 5, 10 or 25 points) from ``low`` or below to ``high`` or above, at most ``most``."""
    for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.25):
        first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
        last = max(last, first + 1)
        if last - first < most:
            return [round(step * n, 6) for n in range(first, last + 1)]
    return [
        round(0.5 * n, 6)
        for n in range(floor(2 * low + 1e-9), max(ceil(2 * high - 1e-9), floor(2 * low + 1e-9) + 1) + 1)
    ]


def quality_metric(report: Mapping[str, Any]) -> str:
    """The metric that stands for quality: word overlap for free text, else accuracy, else agreement with the teacher."""
    known = {name for c in report["candidates"] for name, value in c["metrics"].items() if value}
    order = ("token_f1", "accuracy", "agreement") if report["task"] == "text" else ("accuracy", "agreement")
    return next((name for name in order if name in known), "agreement")


def best_way(candidate: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """A candidate's figure through the way of answering that suits it best."""
    ways = [candidate["metrics"].get(metric), *(s.get(metric) for s in candidate["other_channels"].values())]
    return max((w for w in ways if w), key=lambda w: float(w["value"]))


def spots_of(report: Mapping[str, Any]) -> list[Spot]:
    """The candidates whose quality is known."""
    name = quality_metric(report)
    found = []
    for c in report["candidates"]:
        if not c["metrics"].get(name):
            continue
        latency = c["latency"]["p50"] if c["latency"] else None
        quality = _triple(best_way(c, name))
        if quality is not None:
            cost = _triple(c["cost_per_1000"])
            found.append(Spot(c["name"], c["label"], c["kind"], quality, _triple(latency), cost, c.get("size_bytes")))
    return found


def _triple(value: Mapping[str, Any] | None) -> tuple[float, float, float] | None:
    if not value or value.get("value") is None or not isfinite(value["value"]):
        return None
    middle = float(value["value"])
    low, high = value.get("low"), value.get("high")
    return middle, middle if low is None else float(low), middle if high is None else float(high)


def front_of(spots: Sequence[Spot]) -> set[str]:
    """Candidates that no other beats: nobody is at least as good, as quick and as cheap, and better in one of these.

    What is unknown of a candidate is not held against it; it beats nobody there either. Equal ones are all on the front.
    """
    return {s.name for s in spots if (s.latency or s.cost) and not any(_beats(o, s) for o in spots if o is not s)}


def _beats(one: Spot, other: Spot) -> bool:
    pairs = [(one.quality[0], other.quality[0])]
    for mine, theirs in ((one.latency, other.latency), (one.cost, other.cost)):
        if theirs is None:
            continue
        if mine is None:
            return False
        pairs.append((-mine[0], -theirs[0]))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def picture(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """Both panels, and the table behind them; None when no candidate's quality is known."""
    spots = spots_of(report)
    if not spots:
        return None
    front = front_of(spots)
    bottom, step = _quality_range(spots)
    panels = [
        _panel(
            spots,
            front,
            bottom,
            step,
            title="Median time of one answer",
            of=lambda s: s.latency,
            tick=_time_tick,
            missing="not timed",
        ),
        _panel(
            spots,
            front,
            bottom,
            step,
            title="Price of 1,000 answers",
            of=lambda s: s.cost,
            tick=_money_tick,
            missing="price unknown",
        ),
    ]
    name = quality_metric(report)
    told = {c["name"]: (c.get("energy") or {}).get("joules") for c in report["candidates"]}
    energies = {name: joules(value) for name, value in told.items() if value is not None}
    return {
        "metric": next((m["label"] for m in report["metrics"] if m["name"] == name), name),
        "panels": panels,
        "front": front,
        "any_size": any(s.size for s in spots),
        "any_first": any(c.get("first_token") for c in report["candidates"]),
        "any_pace": any(c.get("tokens_per_second") for c in report["candidates"]),
        "any_memory": any(c.get("peak_bytes") for c in report["candidates"]),
        "any_energy": bool(energies),
        "energies": energies,
        "energy_note": energy_note(report),
        "spots": spots,
        "empty": not any(panel["dots"] for panel in panels),
        "cut": bottom > 0,
        "ways": any(c["other_channels"] for c in report["candidates"]),
    }


def energy_note(report: Mapping[str, Any]) -> str:
    """What was counted as energy, and what was not and why; empty for a report in which nobody tried to."""
    told = [c["energy"] for c in report["candidates"] if c.get("energy")]
    if not told:
        return ""
    counted = list(dict.fromkeys(name for t in told for name in t["counted"]))
    why = "; ".join(dict.fromkeys(t["why"] for t in told if t["why"]))
    if not counted:
        return f"Energy: not measurable here ({why})." if why else "Energy: not measurable here."
    left_out = f" Not counted: {why}." if why else ""
    return (
        f"Energy: joules an answer takes when many are asked at once, of {' and '.join(counted)}, with whatever else ran there meanwhile."
        f"{left_out}"
    )


def _quality_range(spots: Sequence[Spot]) -> tuple[float, float]:
    """The lowest share of the quality axis, which ends at 1, and the distance of its ticks."""
    lowest = min(s.quality[1] for s in spots)
    for bottom, step in ((0.9, 0.02), (0.8, 0.05), (0.5, 0.1)):
        if lowest >= bottom + step / 2:
            return bottom, step
    return 0.0, 0.25


def _panel(
    spots: Sequence[Spot],
    front: set[str],
    bottom: float,
    step: float,
    *,
    title: str,
    of: Callable[[Spot], tuple[float, float, float] | None],
    tick: Callable[[int], str],
    missing: str,
) -> dict[str, Any]:
    """Quality against one other figure on a logarithmic scale. Who has none is a line across."""
    known = [(s, v) for s in spots if (v := of(s)) is not None and v[0] > 0]
    ends = [x for _, (value, low, high) in known for x in (value, max(low, value / 100), high) if x > 0]
    # A little room, so that nobody stands on the axis itself.
    first = floor(log10(min(ends)) - 0.03) if ends else 0
    last = max(ceil(log10(max(ends))), first + 1) if ends else first + 1
    x0, x1, y0, y1 = LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM, TOP

    def x_at(value: float) -> float:
        share = (log10(max(value, 10.0**first)) - first) / (last - first)
        return round(x0 + (x1 - x0) * min(1.0, share), 1)

    def y_at(share: float) -> float:
        return round(y0 + (y1 - y0) * max(0.0, (share - bottom) / (1 - bottom)), 1)

    dots = []
    for s, (value, low, high) in known:
        x = x_at(value)
        anchor = "end" if x > x0 + 0.55 * (x1 - x0) else "start"
        text = f"{s.label}, {figure(s.quality[0], unit='%')}"
        middle, down, up = (y_at(q) for q in s.quality)
        dots.append(
            Point(s.kind, x, middle, down, up, text, anchor, left=x_at(low), right=x_at(high), best=s.name in front)
        )
    lines = [
        {
            "role": s.kind,
            "y": y_at(s.quality[0]),
            "text": f"{s.label}, {figure(s.quality[0], unit='%')}, {'free' if v is not None else missing}",
        }
        for s in spots
        if (v := of(s)) is None or v[0] <= 0
    ]
    ticks = [bottom + step * n for n in range(round((1 - bottom) / step) + 1)]
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "x0": x0,
        "x1": x1,
        "y0": y0,
        "y1": y1,
        "title": title,
        "dots": apart(dots, taken=[line["y"] - 5 for line in _spread(lines)], ends=(x0, x1)),
        "lines": lines,
        "path": _front_path([(x_at(v[0]), y_at(s.quality[0])) for s, v in known], x1),
        "x_ticks": [{"x": x_at(10.0**e), "text": tick(e)} for e in range(first, last + 1)] if known else [],
        "y_ticks": [{"y": y_at(t), "text": f"{round(100 * t)} %"} for t in ticks],
        "missing": missing,
    }


def _spread(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Names of lines that lie on one another go apart; ``dy`` says how far."""
    last = -1e9
    for line in sorted(lines, key=lambda line: float(line["y"])):
        wanted = max(float(line["y"]) - 5, last + LINE)
        line["dy"] = round(wanted - float(line["y"]), 1)
        last = wanted
    return lines


def _front_path(places: Sequence[tuple[float, float]], end: float) -> str:
    """The steps of the best quality that can be had at each place on the axis; empty below two candidates."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(places):
        if not best or y < best[-1][1]:
            best.append((x, y))
    if len(places) < 2 or not best:
        return ""
    return "M{} {}".format(*best[0]) + "".join(f"H{x}V{y}" for x, y in best[1:]) + f"H{end}"


def apart(dots: Sequence[Point], *, taken: Sequence[float] = (), ends: tuple[float, float] = (0, 1e9)) -> list[Point]:
    """The dots with their names beside, under or over them, so that none is written over another, a dot or a line's name.

    ``taken``: heights of names at the right end of lines across. Where there is no free place, the name goes down.
    """
    placed: list[Point] = []
    for dot in sorted(dots, key=lambda d: d.y):
        others = [d for d in dots if (d.x, d.y) != (dot.x, dot.y)]
        sides = ("end", "start") if dot.anchor == "end" else ("start", "end")
        tries = [dot._replace(anchor=side, dy=dot.dy + LINE * n) for n in (0, 1, -1, 2, -2) for side in sides]
        lower = max((p.y + p.dy for p in placed), default=dot.y) + LINE - dot.y
        last = dot._replace(dy=round(max(lower, dot.dy), 1))
        placed.append(next((t for t in tries if _is_free(t, placed, others, taken, ends)), last))
    return placed


def _extent(dot: Point) -> tuple[float, float]:
    """From where to where a dot's name goes."""
    wide = 14 + CHARACTER * len(dot.text)
    return (dot.x - wide, dot.x - 10) if dot.anchor == "end" else (dot.x + 10, dot.x + wide)


def _is_free(
    dot: Point, placed: Sequence[Point], dots: Sequence[Point], taken: Sequence[float], ends: tuple[float, float]
) -> bool:
    """Whether the dot's name lies inside ``ends`` and on no other name, dot or whisker."""
    (left, right), at = _extent(dot), dot.y + dot.dy
    if left < ends[0] or right > ends[1]:
        return False
    if right > ends[1] - 0.5 * (ends[1] - ends[0]) and any(abs(at - y) < LINE for y in taken):
        return False
    if any(left < d.x + MARK and d.x - MARK < right and abs(at - 4 - d.y) < MARK + 5 for d in dots):
        return False
    return not any(left < _extent(p)[1] and _extent(p)[0] < right and abs(at - p.y - p.dy) < LINE for p in placed)


def _time_tick(exponent: int) -> str:
    return milliseconds(10.0**exponent).replace(".00 s", " s") if exponent >= 1 else f"{10.0**exponent:g} ms"


def _money_tick(exponent: int) -> str:
    return f"${10**exponent:,}" if exponent >= 0 else money(10.0**exponent) if exponent > -5 else f"$1e{exponent}"
