"""Macro F1."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.macro_f1 import MacroF1


def test_a_rare_label_weighs_as_much_as_a_common_one() -> None:
    items = [Item("common", None, "common")] * 9 + [Item("common", None, "rare")]
    found = MacroF1().aggregate(items, seed=0)
    assert found is not None
    assert found.value == pytest.approx((18 / 19 + 0) / 2)
    assert found.low <= found.value <= found.high


def test_spellings_of_a_label_are_one_label() -> None:
    found = MacroF1().aggregate([Item("Card Payment", None, "card_payment"), Item("cash", None, "Cash")], seed=0)
    assert found is not None
    assert found.value == 1.0


def test_the_teachers_answer_stands_in_where_there_is_no_reference() -> None:
    assert MacroF1().score(Item("a", teacher="a", reference=None)) == 1.0
    assert MacroF1().score(Item("a", teacher="a", reference="b")) == 0.0
    assert MacroF1().score(Item("a", teacher=None, reference=None)) is None


def test_a_failure_costs_recall() -> None:
    found = MacroF1().aggregate([Item("a", None, "a"), Item(None, None, "a")], seed=0)
    assert found is not None
    assert found.value == pytest.approx(2 / 3)
