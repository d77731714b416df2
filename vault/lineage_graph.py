"""From the file to every run and model made of it, in layers: files, versions, runs, students, models. Plain data for a page.

The graph is drawn as SVG by the template; the same nodes and links are a list for narrow screens and screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

LAYERS = ("File", "Version", "Run", "Student", "GGUF model")
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN, TOP = 184, 52, 76, 16, 4, 30
ARC = 56
"""Room at the right for the arcs between versions."""


@dataclass
class Node:
    """A thing and where it stands. ``key`` is unique; ``layer`` counts from 0; ``x`` and ``y`` are its upper left corner."""

    key: str
    layer: int
    label: str
    note: str = ""
    href: str = ""
    tone: str = ""
    x: int = 0
    y: int = 0

    @property
    def middle(self) -> int:
        """The height at which links meet it."""
        return self.y + HEIGHT // 2


@dataclass(frozen=True)
class Link:
    """From one node to another; ``path`` is an SVG curve. ``kind``: "made" or "edited" (a version of a version)."""

    source: Node
    target: Node
    kind: str
    path: str


@dataclass
class Graph:
    """Nodes by key, links, and the size of the picture in pixels."""

    nodes: dict[str, Node] = field(default_factory=dict)
    pairs: list[tuple[str, str, str]] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    width: int = 0
    height: int = 0

    def add(self, node: Node) -> Node:
        """A node, or the one that is there under its key."""
        return self.nodes.setdefault(node.key, node)

    def link(self, source: Node, target: Node, kind: str = "made") -> None:
        """Say that one came of the other; once is enough."""
        pair = (source.key, target.key, kind)
        if pair not in self.pairs and source.key != target.key:
            self.pairs.append(pair)

    @property
    def layers(self) -> list[tuple[str, int, list[Node]]]:
        """``(name, x, nodes from top to bottom)`` of each layer that has any."""
        rows = [[n for n in self.nodes.values() if n.layer == number] for number in range(len(LAYERS))]
        return [
            (LAYERS[n], column[0].x, sorted(column, key=lambda one: one.y)) for n, column in enumerate(rows) if column
        ]

    def sources(self, node: Node) -> list[Node]:
        """What a node came of."""
        return [self.nodes[a] for a, b, _ in self.pairs if b == node.key]


def lay_out(graph: Graph) -> Graph:
    """Give every node a place: layers side by side, each in the order of what its nodes came of, and draw the links."""
    columns = [[n for n in graph.nodes.values() if n.layer == number] for number in range(len(LAYERS))]
    used = [column for column in columns if column]
    for number, column in enumerate(used):
        if number:
            column.sort(key=lambda node: _pull(graph, node))
        for place, node in enumerate(column):
            node.x = MARGIN + number * (WIDTH + GAP_X)
            node.y = TOP + place * (HEIGHT + GAP_Y)
    graph.width = 2 * MARGIN + len(used) * WIDTH + max(len(used) - 1, 0) * GAP_X + ARC
    graph.height = TOP + max((len(column) for column in used), default=0) * (HEIGHT + GAP_Y) - GAP_Y + MARGIN
    graph.links = [_draw(graph.nodes[a], graph.nodes[b], kind) for a, b, kind in graph.pairs]
    return graph


def _pull(graph: Graph, node: Node) -> float:
    """The mean height of what a node came of in earlier layers: placing by it keeps links short.

    What came of a node of its own layer (a version of a version) stands right after that.
    """
    sources = graph.sources(node)
    heights: list[float] = [source.y for source in sources if source.layer < node.layer]
    heights = heights or [_pull(graph, source) + 0.5 for source in sources if source.layer == node.layer]
    return sum(heights) / len(heights) if heights else 0.0


def _draw(source: Node, target: Node, kind: str) -> Link:
    if source.layer == target.layer:
        # A version of a version: an arc at the right of their column.
        x, bend = source.x + WIDTH, 26 + min(abs(target.y - source.y) // 10, 30)
        path = f"M{x} {source.middle} C{x + bend} {source.middle} {x + bend} {target.middle} {x} {target.middle}"
    else:
        start, end = source.x + WIDTH, target.x
        half = (start + end) // 2
        path = f"M{start} {source.middle} C{half} {source.middle} {half} {target.middle} {end} {target.middle}"
    return Link(source, target, kind, path)


def outline(graph: Graph) -> Sequence[tuple[str, list[tuple[Node, list[Node]]]]]:
    """The same in words: for each layer its nodes, each with what it came of."""
    return [(name, [(node, graph.sources(node)) for node in nodes]) for name, _, nodes in graph.layers]
