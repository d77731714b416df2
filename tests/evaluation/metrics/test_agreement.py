"""Agreement with the teacher."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from evaluation.metrics.agreement import Agreement
from evaluation.metrics.base import Item


@pytest.mark.parametrize("answer", ["Card payment", "card_payment", "  CARD-PAYMENT. ", "ｃard payment"])
def test_case_spaces_and_punctuation_do_not_matter(answer: str) -> None:
    assert Agreement().score(Item(answer=answer, teacher="card payment", reference=None)) == 1.0


def test_another_answer_an_empty_one_and_a_failure_score_zero() -> None:
    for answer in ("cash", "", None, "card payment fee"):
        assert Agreement().score(Item(answer=answer, teacher="card payment", reference="cash")) == 0.0


def test_answers_of_signs_alone_are_told_apart() -> None:
    assert Agreement().score(Item(answer="+", teacher="-", reference=None)) == 0.0
    assert Agreement().score(Item(answer=" - ", teacher="-", reference=None)) == 1.0


def test_rows_without_a_teachers_answer_are_not_counted_and_failures_are() -> None:
    items = [Item("a", "a", None), Item(None, "a", None), Item("a", None, "a"), Item("b", "a", None)]
    found = Agreement().aggregate(items, seed=0)
    assert found is not None
    assert (found.value, found.n) == (1 / 3, 3)
    expected = binomtest(1, 3).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_without_any_teachers_answer_there_is_no_figure() -> None:
    assert Agreement().aggregate([Item("a", None, "a")], seed=0) is None
    assert Agreement().aggregate([], seed=0) is None
