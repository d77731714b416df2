"""BLEU: the expected figures are those of sacrebleu 2.6 with its defaults for the same pairs."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.bleu import Bleu, bleu, counts_of, tokens_of

PAIRS = [
    ("the cat sat on the mat", "the cat is on the mat", 0.3799178428257963),
    ("Refunds take five days.", "A refund takes 5 working days.", 0.14320952289897704),
    ("Das kostet 1,234.50 Euro - bitte zahlen!", "Es kostet 1,234.50 Euro; bitte zahlen.", 0.25848657697858535),
    ("a", "a", 1.0),
    (
        "The quick brown fox jumps over the lazy dog.",
        "The quick brown fox jumped over the lazy dog.",
        0.6580370064762461,
    ),
]


@pytest.mark.parametrize(("answer", "target", "expected"), PAIRS)
def test_a_sentence_has_the_figure_of_sacrebleu(answer: str, target: str, expected: float) -> None:
    assert bleu(counts_of(answer, target), effective=True) == pytest.approx(expected)


def test_the_whole_set_has_the_figure_of_sacrebleu_with_an_interval() -> None:
    found = Bleu().aggregate([Item(a, None, b) for a, b, _ in PAIRS], seed=1)
    assert found is not None
    assert found.value == pytest.approx(0.36881380397387474)
    assert found.low < found.value < found.high
    assert found == Bleu().aggregate([Item(a, None, b) for a, b, _ in PAIRS], seed=1)


def test_a_failed_answer_is_an_empty_one() -> None:
    whole = [Item(a, None, b) for a, b, _ in PAIRS]
    failed = Bleu().aggregate([*whole, Item(None, None, "a b c d e f g")], seed=0)
    assert failed is not None
    assert failed.value < 0.36
    assert failed.n == 6
    assert Bleu().score(Item(None, None, "a")) == 0.0
    assert Bleu().aggregate([Item("a", None, None)], seed=0) is None


def test_clusters_are_drawn_whole() -> None:
    items = [Item(a, None, b) for a, b, _ in PAIRS]
    found = Bleu().aggregate(items * 4, seed=0, clusters=[str(i % 5) for i in range(20)])
    alone = Bleu().aggregate(items * 4, seed=0)
    assert found is not None
    assert alone is not None
    assert found.high - found.low > alone.high - alone.low


def test_tokens_are_those_of_13a() -> None:
    assert tokens_of("It's 1,234.50 &quot;dollars&quot;.") == ["It's", "1,234.50", '"', "dollars", '"', "."]
