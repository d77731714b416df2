"""chrF: the expected figures are those sacrebleu 2 prints (``CHRF().sentence_score``) for the same pairs."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.chrf import Chrf, chrf


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("the cat sat on the mat", "the cat is on the mat", 0.645779420625287),
        ("a", "a", 1.0),
        ("Refunds take five days.", "A refund takes 5 working days.", 0.3077852972394486),
        ("ab", "xy", 0.0),
        ("Überweisung", "Überweisungen", 0.837011619115136),
    ],
)
def test_it_is_the_figure_of_sacrebleu(answer: str, target: str, expected: float) -> None:
    assert chrf(answer, target) == pytest.approx(expected, abs=1e-9)


def test_white_space_is_left_out_and_empty_texts_are_alike() -> None:
    assert chrf("a b c", "abc") == 1.0
    assert chrf(" ", "") == 1.0
    assert chrf("", "abc") == 0.0


def test_recall_counts_more_with_a_larger_beta() -> None:
    short, whole = "refund", "refund takes five days"
    assert chrf(short, whole, beta=3) < chrf(short, whole, beta=1)


def test_params_reach_the_score() -> None:
    item = Item("teh cat", None, "the cat")
    letters = Chrf(Chrf.Params(order=1)).score(item)
    assert letters == 1.0
    assert Chrf().score(item) < 1.0


def test_a_failure_is_zero_and_nothing_to_compare_with_is_none() -> None:
    assert Chrf().score(Item(None, "a", None)) == 0.0
    assert Chrf().score(Item("a", None, None)) is None
