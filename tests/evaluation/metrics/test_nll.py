"""NLL per token."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item, judges
from evaluation.metrics.nll import Nll

ITEMS = [
    Item("a", None, "a", nll=2.0, nll_tokens=1),
    Item(None, None, "b", nll=3.0, nll_tokens=9),
    Item("c", None, "c"),
    Item("d", None, None),
]


def test_all_tokens_count_the_same() -> None:
    metric = Nll()
    found = metric.aggregate(ITEMS, seed=0)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.low <= 0.5 <= found.high
    assert found.n == 2
    assert metric.score_all(ITEMS) == [2.0, pytest.approx(1 / 3), None, None]


def test_rows_without_one_are_told() -> None:
    metric = Nll()
    metric.aggregate(ITEMS, seed=0)
    metric.aggregate(ITEMS, seed=0)
    assert len(metric.notes()) == 1
    assert metric.notes()[0].startswith("NLL per token: 1 of 3 rows")


def test_who_has_none_has_no_figure_and_no_note() -> None:
    metric = Nll()
    assert metric.aggregate(ITEMS[2:], seed=0) is None
    assert metric.notes() == []


def test_groups_are_drawn_whole() -> None:
    items = [Item("a", None, "a", nll=float(i % 7), nll_tokens=1) for i in range(70)]
    rows = Nll().aggregate(items, seed=0)
    groups = Nll().aggregate(items, seed=0, clusters=[str(i % 7) for i in range(70)])
    assert rows is not None
    assert groups is not None
    assert groups.high - groups.low > 2 * (rows.high - rows.low)


def test_no_verdict_goes_by_it() -> None:
    assert not judges(Nll)
