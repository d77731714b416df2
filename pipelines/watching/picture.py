"""Where the boxes of a run stand in its picture, and the lines between them: plain geometry, no database.

The builder's places are kept where every step has one, drawn closer together (a run's boxes are lower: they show no
settings and no ports). Otherwise the boxes stand in columns along the data, and a long path is folded like text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import NamedTuple

WIDTH, HEIGHT = 216, 116
"""Of a box, in pixels."""
GAP_X, GAP_Y = 44, 24
FOLD_GAP = 40
"""Between the lines of a folded path, besides ``GAP_Y``."""
MARGIN = 8
MOST_FITTED = 120
"""Steps up to which the builder's places are drawn closer together: every pair of boxes is looked at."""
BUILDER_WIDTH = 240

Place = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A step's box: its upper left corner."""

    id: str
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """From one box to another, as an SVG path."""

    source: str
    target: str
    path: str


class Picture(NamedTuple):
    """Boxes in the order given, lines, and the size of the whole in pixels."""

    boxes: list[Box]
    lines: list[Line]
    width: int
    height: int


def draw(feeds: Mapping[str, Sequence[str]], *, places: Mapping[str, Sequence[float]]) -> Picture:
    """The picture of steps (id → ids of those that feed it, in an order in which a step comes after its feeders).

    ``places``: id → [x, y] on the builder's canvas, used when every step has one.
    """
    known = all(name in places and len(places[name]) == 2 for name in feeds)
    spots = _closer({n: (places[n][0], places[n][1]) for n in feeds}) if known else _columns(feeds)
    left = min((x for x, _ in spots.values()), default=0.0)
    top = min((y for _, y in spots.values()), default=0.0)
    boxes = [Box(n, round(spots[n][0] - left) + MARGIN, round(spots[n][1] - top) + MARGIN) for n in feeds]
    at = {box.id: box for box in boxes}
    lines = [
        Line(source, target, _path(at[source], at[target]))
        for target, sources in feeds.items()
        for source in dict.fromkeys(sources)
        if source in at
    ]
    width = max((box.x for box in boxes), default=0) + WIDTH + MARGIN
    height = max((box.y for box in boxes), default=0) + HEIGHT + MARGIN
    return Picture(boxes, lines, width, height)


def _closer(places: Mapping[str, Place]) -> dict[str, Place]:
    """The builder's places with the empty space between them taken out, as far as no box then covers another."""
    if len(places) > MOST_FITTED:
        return dict(places)
    spots = list(places.values())
    pairs = [(abs(a[0] - b[0]), abs(a[1] - b[1])) for i, a in enumerate(spots) for b in spots[i + 1 :]]
    across = max(((WIDTH + GAP_X) / dx for dx, _ in pairs if dx >= BUILDER_WIDTH), default=1.0)
    down = max(((HEIGHT + GAP_Y) / dy for dx, dy in pairs if dy and dx < BUILDER_WIDTH), default=1.0)
    # Boxes that cover each other on the canvas would need any amount of room: they are left as they are.
    across, down = min(across, 1.1), min(down, 1.3)
    return {name: (x * across, y * down) for name, (x, y) in places.items()}


def _columns(feeds: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """Each step one column right of the last that feeds it; columns folded into lines of about a screen's shape."""
    column: dict[str, int] = {}
    for name, sources in feeds.items():
        column[name] = max((column[s] + 1 for s in sources if s in column), default=0)
    count = max(column.values(), default=0) + 1
    per_line = count if count <= 5 else ceil(sqrt(count * 1.4))
    members: dict[int, list[str]] = {}
    for name, at in column.items():
        members.setdefault(at, []).append(name)
    spots: dict[str, Place] = {}
    down = 0.0
    for first in range(0, count, per_line):
        line = [members[c] for c in range(first, min(first + per_line, count))]
        tall = max(len(names) for names in line) * (HEIGHT + GAP_Y) - GAP_Y
        for i, names in enumerate(line):
            # Beside what feeds it, so that lines cross as little as can be told this cheaply.
            names.sort(key=lambda n: _middle([spots[s][1] for s in feeds[n] if s in spots]))
            above = (tall - (len(names) * (HEIGHT + GAP_Y) - GAP_Y)) / 2
            for row, name in enumerate(names):
                spots[name] = (i * (WIDTH + GAP_X), down + above + row * (HEIGHT + GAP_Y))
        down += tall + GAP_Y + FOLD_GAP
    return spots


def _middle(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _path(source: Box, target: Box) -> str:
    """A curve from the right of one box to the left of the other; from its foot to the other's head when that lies behind."""
    if target.x >= source.x + WIDTH:
        x1, y1 = source.x + WIDTH, source.y + HEIGHT // 2
        x2, y2 = target.x, target.y + HEIGHT // 2
        bend = max((x2 - x1) // 2, 16)
        return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    downward = target.y >= source.y
    x1, y1 = source.x + WIDTH // 2, source.y + (HEIGHT if downward else 0)
    x2, y2 = target.x + WIDTH // 2, target.y + (0 if downward else HEIGHT)
    bend = max(abs(y2 - y1) // 2, 24) * (1 if downward else -1)
    return f"M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"
