"""A pipeline as a list of its steps in the order they run, a part of it at a time: a thousand rows are not rendered to show a screenful."""

from __future__ import annotations

import graphlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.building.stepforms import key_params
from pipelines.specs import spec as specs
from studio.registries import STEPS

ROWS = 100
"""Rows shown at once."""


@dataclass(frozen=True)
class NodeView:
    """What the list shows of one node. ``number``: its place in the order, from 1."""

    number: int
    id: str
    step: str
    label: str
    group: str
    feeds: tuple[str, ...]
    params: tuple[tuple[str, str], ...]
    problems: tuple[specs.Problem, ...]
    note: str = ""


@dataclass(frozen=True)
class Part:
    """Some rows of the list: from ``start`` (counted from 0) of ``total``."""

    rows: Sequence[NodeView]
    start: int
    total: int

    @property
    def earlier(self) -> int | None:
        """Where the rows before these start; None when these are the first."""
        return max(0, self.start - ROWS) if self.start else None

    @property
    def later(self) -> int | None:
        """Where the rows after these start; None when these are the last."""
        end = self.start + len(self.rows)
        return end if end < self.total else None

    @property
    def before(self) -> int:
        """How many rows come before these."""
        return self.start

    @property
    def after(self) -> int:
        """How many rows come after these."""
        return self.total - self.start - len(self.rows)


def node_order(spec: specs.Spec) -> list[str]:
    """The ids of the nodes in the order they run; as written when they go in a circle."""
    try:
        return spec.order()
    except graphlib.CycleError:
        return [n.id for n in spec.nodes]


def view_part(spec: specs.Spec, order: Sequence[str], problems: Iterable[specs.Problem], *, start: int) -> Part:
    """The rows from ``start`` on, at most ``ROWS``; a start outside the list is moved into it."""
    start = max(0, min(start, max(0, len(order) - 1)))
    shown = order[start : start + ROWS]
    by_node = sort_problems(problems)
    rows = [view_node(spec, name, by_node.get(name, ()), number=i) for i, name in enumerate(shown, start=start + 1)]
    return Part(rows, start, len(order))


def part_start(order: Sequence[str], node: str) -> int:
    """Where the part that holds this node starts; the first one for a node that is not there."""
    return order.index(node) // ROWS * ROWS if node in order else 0


def sort_problems(problems: Iterable[specs.Problem]) -> dict[str, tuple[specs.Problem, ...]]:
    """Node id → its problems."""
    by_node: dict[str, list[specs.Problem]] = {}
    for problem in problems:
        by_node.setdefault(problem.node, []).append(problem)
    return {name: tuple(found) for name, found in by_node.items()}


def view_node(spec: specs.Spec, name: str, problems: Sequence[specs.Problem], *, number: int) -> NodeView:
    """One row."""
    node = spec.node(name)
    step = STEPS.get(node.step)
    return NodeView(
        number=number,
        id=node.id,
        step=node.step,
        label=step.label if step else node.step,
        group=step.group if step else "Unknown",
        feeds=tuple(f"{w['node']}.{w['port']}" for w in spec.wiring(node.id).values()),
        params=tuple(key_params(step, node.params)) if step else (),
        problems=tuple(problems),
        note=node.note,
    )
