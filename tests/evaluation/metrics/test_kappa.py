"""Cohen's kappa with the teacher."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.kappa import Kappa


def test_always_giving_the_commonest_label_is_worth_nothing() -> None:
    items = [Item("a", "a", None)] * 90 + [Item("a", "b", None)] * 10
    found = Kappa().aggregate(items, seed=0)
    assert found is not None
    assert found.value == pytest.approx(0.0)


def test_full_agreement_is_one_also_when_there_is_only_one_label() -> None:
    for items in ([Item("a", "A.", None), Item("b", "b", None)], [Item("a", "a", None)] * 3):
        found = Kappa().aggregate(items, seed=0)
        assert found is not None
        assert found.value == 1.0


def test_failures_lower_it_and_rows_without_teacher_do_not_count() -> None:
    good = [Item("a", "a", None), Item("b", "b", None)] * 10
    found = Kappa().aggregate([*good, Item(None, "a", None), Item("a", None, "a")], seed=0)
    assert found is not None
    assert found.value < 1
    assert found.n == 21
    assert Kappa().score(Item(None, "a", None)) == 0.0
    assert Kappa().score(Item("a", None, "a")) is None
