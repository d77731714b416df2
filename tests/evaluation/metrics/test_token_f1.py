"""Word overlap of free text."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.token_f1 import TokenF1, token_f1


def test_it_is_the_f1_of_the_two_bags_of_words() -> None:
    # 4 words shared ("the" twice), 6 given, 6 wanted.
    assert token_f1("The cat sat on the mat", "the dog lay on the rug, mat") == pytest.approx(2 * 4 / 13)


def test_repeated_words_count_once_each() -> None:
    assert token_f1("refund refund refund", "refund") == pytest.approx(0.5)


def test_empty_texts_are_alike_and_unlike_everything_else() -> None:
    assert token_f1("", " ") == 1.0
    assert token_f1("", "refund") == 0.0
    assert token_f1("refund", "…") == 0.0


def test_the_reference_comes_before_the_teacher_and_a_failure_is_zero() -> None:
    assert TokenF1().score(Item("yes", teacher="no", reference="yes")) == 1.0
    assert TokenF1().score(Item("no", teacher="no", reference=None)) == 1.0
    assert TokenF1().score(Item(None, teacher="no", reference=None)) == 0.0
    assert TokenF1().score(Item("x", teacher=None, reference=None)) is None


def test_the_mean_has_a_bootstrap_interval() -> None:
    items = [Item("a b", None, "a b"), Item("a", None, "a b"), Item("c", None, "a b")]
    found = TokenF1().aggregate(items, seed=3)
    assert found is not None
    assert found.value == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found.low < found.value < found.high
