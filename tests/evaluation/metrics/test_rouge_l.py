"""ROUGE-L: the expected figures are those of rouge-score 0.1.2 (``rougeL``, no stemmer) for the same pairs."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.rouge_l import RougeL, rouge_l


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("the cat sat on the mat", "the cat is on the mat", 0.8333333333333334),
        ("Refunds take five days.", "A refund takes 5 working days.", 0.2),
        ("Das kostet 1,234.50 Euro - bitte zahlen!", "Es kostet 1,234.50 Euro; bitte zahlen.", 0.875),
        (
            "The quick brown fox jumps over the lazy dog.",
            "The quick brown fox jumped over the lazy dog.",
            0.8888888888888888,
        ),
    ],
)
def test_it_is_the_figure_of_rouge_score(answer: str, target: str, expected: float) -> None:
    assert rouge_l(answer, target) == pytest.approx(expected)


def test_empty_failed_and_missing() -> None:
    assert rouge_l("", "") == 1.0
    assert rouge_l("a", "") == 0.0
    assert rouge_l("a b", "c d") == 0.0
    assert RougeL().score(Item(None, None, "a")) == 0.0
    assert RougeL().score(Item("a", None, None)) is None


def test_recall_counts_more_with_a_larger_beta() -> None:
    assert rouge_l("a", "a b c", beta=10) < rouge_l("a", "a b c")
