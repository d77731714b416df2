"""Accuracy against the reference."""

from __future__ import annotations

from evaluation.metrics.accuracy import Accuracy
from evaluation.metrics.base import Item


def test_the_reference_counts_and_not_the_teacher() -> None:
    assert Accuracy().score(Item(answer="b", teacher="a", reference="B")) == 1.0
    assert Accuracy().score(Item(answer="a", teacher="a", reference="b")) == 0.0


def test_a_failed_answer_is_wrong_and_a_row_without_reference_is_no_row() -> None:
    assert Accuracy().score(Item(answer=None, teacher="a", reference="b")) == 0.0
    assert Accuracy().score(Item(answer="a", teacher="a", reference=None)) is None


def test_all_right_keeps_an_honest_interval() -> None:
    found = Accuracy().aggregate([Item("a", None, "a")] * 10, seed=0)
    assert found is not None
    assert found.value == found.high == 1.0
    assert 0.6 < found.low < 0.8
