"""The list of steps: its order, its parts, and what each row says."""

from __future__ import annotations

from itertools import pairwise

import pytest

from pipelines.building import outline
from pipelines.building.outline import ROWS
from pipelines.specs import spec as specs


def chain(count: int) -> specs.Spec:
    """A dataset and filters one after another."""
    nodes = [specs.Node("data", "dataset"), *(specs.Node(f"n{n}", "filter_length") for n in range(count - 1))]
    edges = [specs.Edge(a.id, "rows", b.id, "rows") for a, b in pairwise(nodes)]
    return specs.Spec(tuple(nodes), tuple(edges))


@pytest.mark.parametrize(
    ("start", "first", "rows", "earlier", "later"),
    [
        (0, 1, ROWS, None, ROWS),
        (ROWS, ROWS + 1, ROWS, 0, 2 * ROWS),
        (50, 51, ROWS, 0, 50 + ROWS),
        (2 * ROWS, 2 * ROWS + 1, 30, ROWS, None),
        (9_999, 2 * ROWS + 30, 1, ROWS + 29, None),
    ],
)
def test_a_part_knows_what_comes_before_and_after(
    start: int, first: int, rows: int, earlier: int | None, later: int | None
) -> None:
    spec = chain(2 * ROWS + 30)
    part = outline.view_part(spec, outline.node_order(spec), [], start=start)
    assert part.rows[0].number == first and len(part.rows) == rows
    assert (part.earlier, part.later) == (earlier, later)
    assert part.before + len(part.rows) + part.after == 2 * ROWS + 30


def test_the_part_around_a_step_holds_it() -> None:
    order = outline.node_order(chain(3 * ROWS))
    assert outline.part_start(order, "n150") == ROWS
    assert outline.part_start(order, "nobody") == 0
    assert outline.part_start([], "") == 0


def test_an_empty_pipeline_has_an_empty_part() -> None:
    part = outline.view_part(specs.Spec((), ()), [], [], start=5)
    assert (part.rows, part.earlier, part.later) == ([], None, None)


def test_steps_that_wait_for_each_other_are_listed_as_written() -> None:
    nodes = (specs.Node("b", "filter_length"), specs.Node("a", "filter_length"))
    circle = specs.Spec(nodes, (specs.Edge("a", "rows", "b", "rows"), specs.Edge("b", "rows", "a", "rows")))
    assert outline.node_order(circle) == ["b", "a"]


def test_a_row_says_what_feeds_it_and_what_is_wrong() -> None:
    problem = specs.Problem("Too long.", node="n0")
    row = outline.view_part(chain(2), ["data", "n0"], [problem], start=0).rows[1]
    assert row.feeds == ("data.rows",) and row.problems == (problem,)
    unknown = outline.view_node(specs.Spec((specs.Node("x", "no_such"),), ()), "x", (), number=1)
    assert (unknown.label, unknown.group, unknown.params) == ("no_such", "Unknown", ())
