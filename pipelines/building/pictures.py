"""A spec's graph as a small picture: SVG text made from plain data, for cards, reports and run pages.

Boxes carry classes only (``graph-picture``, ``gp-node``, ``gp-<group>``, ``gp-state-<state>``), so that the style sheet gives the colours of
either theme and no inline style is needed.
"""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from html import escape
from typing import Any, NamedTuple

from pipelines.specs.spec import Spec
from studio.registries import STEPS

MOST_NODES = 300
"""Larger graphs are not drawn: nobody can see anything in them."""


class Size(NamedTuple):
    """Box and gaps in the SVG's units."""

    width: float
    height: float
    across: float
    down: float


SMALL = Size(22, 14, 14, 9)
LABELLED = Size(132, 30, 34, 14)


def draw_graph(
    spec: Spec,
    *,
    title: str,
    states: Mapping[str, str] | None = None,
    labels: bool = False,
    facts: Mapping[str, str] | None = None,
) -> str:
    """The graph from left to right as an ``<svg>``; an empty text for one that can't be drawn (a circle, too large, empty).

    ``states``: node → a state's name, as a class on its box. ``labels``: write the steps' names into the boxes; else they are
    tooltips. ``facts``: node → a few words under its label. All text is escaped.
    """
    if not spec.nodes or len(spec.nodes) > MOST_NODES:
        return ""
    try:
        layers = arrange(spec)
    except graphlib.CycleError:
        return ""
    size = LABELLED if labels else SMALL
    tallest = max(len(layer) for layer in layers)
    width = len(layers) * (size.width + size.across) - size.across + 2
    height = tallest * (size.height + size.down) - size.down + 2
    places: dict[str, tuple[float, float]] = {}
    for column, layer in enumerate(layers):
        top = (height - 2 - (len(layer) * (size.height + size.down) - size.down)) / 2 + 1
        for row, name in enumerate(layer):
            places[name] = (1 + column * (size.width + size.across), top + row * (size.height + size.down))
    drawn = [_edge(places[e.source], places[e.target], size) for e in _edges(spec)]
    for node in spec.nodes:
        drawn.append(_box(node, places[node.id], size, states or {}, facts or {}, labels=labels))
    kind = "graph-picture graph-picture-labelled" if labels else "graph-picture"
    return (
        f'<svg class="{kind}" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" height="{_n(height)}" '
        f'role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    )


def arrange(spec: Spec) -> list[list[str]]:
    """Node ids in layers: each node right of all that feed it and as near as can be to what it feeds, within a layer ordered by
    the middle of its neighbours. Raises ``graphlib.CycleError``."""
    order = spec.order()
    edges = _edges(spec)
    before: dict[str, list[str]] = {name: [] for name in order}
    after: dict[str, list[str]] = {name: [] for name in order}
    for edge in edges:
        before[edge.target].append(edge.source)
        after[edge.source].append(edge.target)
    depth: dict[str, int] = {}
    for name in order:
        depth[name] = max((depth[source] + 1 for source in before[name]), default=0)
    for name in reversed(order):
        if not before[name] and after[name]:  # a source stands beside what it feeds, not at the far left
            depth[name] = min(depth[target] for target in after[name]) - 1
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in order:
        layers[depth[name]].append(name)
    for _ in range(2):
        for neighbours, run in ((before, layers[1:]), (after, layers[-2::-1])):
            rank = {name: i - len(layer) / 2 for layer in layers for i, name in enumerate(layer)}
            for layer in run:
                layer.sort(key=lambda name: _middle([rank[n] for n in neighbours[name]], rank[name]))
                rank |= {name: i - len(layer) / 2 for i, name in enumerate(layer)}
    return layers


def _middle(values: list[float], own: float) -> float:
    return sum(values) / len(values) if values else own


def _edges(spec: Spec) -> list[Any]:
    return [e for e in spec.edges if e.source in spec and e.target in spec]


def _edge(source: tuple[float, float], target: tuple[float, float], size: Size) -> str:
    x1, y1 = source[0] + size.width, source[1] + size.height / 2
    x2, y2 = target[0], target[1] + size.height / 2
    bend = max(size.across / 2, (x2 - x1) / 2)
    return f'<path class="gp-edge" d="M{_n(x1)} {_n(y1)}C{_n(x1 + bend)} {_n(y1)} {_n(x2 - bend)} {_n(y2)} {_n(x2)} {_n(y2)}"/>'


def _box(
    node: Any,
    place: tuple[float, float],
    size: Size,
    states: Mapping[str, str],
    facts: Mapping[str, str],
    *,
    labels: bool,
) -> str:
    step = STEPS.get(node.step)
    label = step.label if step else node.step[:60]
    group = _class(step.group if step else "unknown")
    state = f" gp-state-{_class(states[node.id])}" if states.get(node.id) else ""
    told = f"{label} ({node.id})" + (f": {states[node.id]}" if states.get(node.id) else "")
    x, y = place
    text = ""
    if labels:
        fact = facts.get(node.id, "")
        line = y + size.height / 2 + (-2 if fact else 4)
        text = f'<text class="gp-label" x="{_n(x + 10)}" y="{_n(line)}">{escape(_cut(label, 21))}</text>'
        if fact:
            text += f'<text class="gp-fact" x="{_n(x + 10)}" y="{_n(line + 11)}">{escape(_cut(fact, 24))}</text>'
    return (
        f'<g class="gp-node gp-{group}{state}"><title>{escape(told)}</title><rect x="{_n(x)}" y="{_n(y)}" '
        f'width="{_n(size.width)}" height="{_n(size.height)}" rx="{4 if labels else 3}"/>{text}</g>'
    )


def _class(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text.lower())[:30]


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
