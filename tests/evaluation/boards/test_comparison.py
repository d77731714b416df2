"""Scores beside each other: the best is marked, with a word of caution where intervals overlap."""

from __future__ import annotations

import pytest

from evaluation.boards.comparison import ScoreCell, mark_best


def cell(value: float, low: float | None = None, high: float | None = None) -> ScoreCell:
    return ScoreCell(value, str(value), low, high)


@pytest.mark.parametrize(
    ("cells", "higher", "best", "clear"),
    [
        ([cell(0.9, 0.88, 0.92), cell(0.8, 0.78, 0.82)], True, [0], True),
        ([cell(0.9, 0.85, 0.95), cell(0.88, 0.82, 0.93)], True, [0], False),
        ([cell(40.0), cell(30.0), None], False, [1], True),
        ([cell(0.9), cell(0.9), cell(0.5)], True, [0, 1], False),
        ([cell(0.9), cell(0.9)], True, [], False),
        ([cell(0.9), None], True, [], False),
        ([None, None], True, [], False),
    ],
)
def test_the_best_of_a_line(cells: list[ScoreCell | None], higher: bool, best: list[int], clear: bool) -> None:
    marked = mark_best(cells, higher=higher)
    assert [i for i, c in enumerate(marked) if c and c.best] == best
    assert all(c.clear is clear for c in marked if c and c.best)
