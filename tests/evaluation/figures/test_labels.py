"""Telling a label task from free text."""

from __future__ import annotations

from evaluation.figures.labels import dedupe_labels, find_labels


def test_few_short_answers_that_repeat_are_labels() -> None:
    assert find_labels(["cash", "card", "cash", "card", "cash"]) == ["card", "cash"]


def test_spellings_of_one_label_are_one_under_the_most_frequent() -> None:
    assert find_labels(["Card", "card", "card ", "cash", "cash"]) == ["card", "cash"]


def test_answers_used_once_are_free_text() -> None:
    assert find_labels([f"answer {i}" for i in range(20)]) is None


def test_long_many_line_or_empty_answers_are_free_text() -> None:
    assert find_labels(["x" * 81] * 10) is None
    assert find_labels(["a\nb"] * 10) is None
    assert find_labels(["a", "a", " "]) is None
    assert find_labels([]) is None


def test_more_labels_than_allowed_are_free_text() -> None:
    many = [f"label {i % 201}" for i in range(804)]
    assert find_labels(many) is None
    assert len(find_labels(many, max_labels=201) or []) == 201


def test_labels_that_normalise_alike_are_kept_once() -> None:
    assert dedupe_labels(["card_payment", "Card Payment", "+", "-"]) == ["card_payment", "+", "-"]
