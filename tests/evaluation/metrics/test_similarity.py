"""Similarity of meaning."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.metrics.base import Item
from evaluation.metrics.similarity import Similarity

ITEMS = [Item("a", "t", "r"), Item("a", None, "r"), Item("b", "t", None), Item(None, "t", "r"), Item("c", None, None)]


def test_the_cosines_are_those_that_were_learned() -> None:
    metric = Similarity(Similarity.Params(model="folder:/models/x"))
    assert list(metric.pairs(ITEMS)) == [("a", "r"), ("b", "t")]
    metric.learn({("a", "r"): 0.5, ("b", "t"): None}, told={"cut": 3, "texts": 9, "model": "x"})
    assert metric.score_all(ITEMS) == [0.5, 0.5, None, 0.0, None]
    found = metric.aggregate(ITEMS, seed=0)
    assert found is not None
    assert found.value == pytest.approx(1 / 3)
    assert metric.notes() == ["3 of 9 texts are longer than x reads; their ends are not compared."]


def test_without_a_model_there_is_no_figure_and_that_is_told() -> None:
    metric = Similarity()
    assert metric.aggregate(ITEMS, seed=0) is None
    assert "names no encoder" in metric.notes()[0]


def test_a_model_is_a_folder() -> None:
    with pytest.raises(ValidationError, match="folder:/path"):
        Similarity.Params(model="hub:org/name")
