"""Weighted F1: the expected figure is that of scikit-learn's definition, counted by hand."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.weighted_f1 import WeightedF1

ITEMS = [Item("a", None, "a"), Item("a", None, "a"), Item("b", None, "a"), Item("b", None, "b"), Item(None, None, "b")]


def test_labels_weigh_as_many_rows_as_they_have() -> None:
    """a: precision 1, recall 2/3, F1 0.8; b: precision 1/2, recall 1/2, F1 0.5."""
    found = WeightedF1().aggregate(ITEMS, seed=0)
    assert found is not None
    assert found.value == pytest.approx((3 * 0.8 + 2 * 0.5) / 5)
    assert found.low < found.value < found.high
    assert found.n == 5


def test_clusters_widen_the_interval_and_without_rows_there_is_no_figure() -> None:
    alone = WeightedF1().aggregate(ITEMS * 8, seed=0)
    together = WeightedF1().aggregate(ITEMS * 8, seed=0, clusters=[str(i % 5) for i in range(40)])
    assert alone is not None
    assert together is not None
    assert together.high - together.low > alone.high - alone.low
    assert WeightedF1().aggregate([Item("a", None, None)], seed=0) is None
