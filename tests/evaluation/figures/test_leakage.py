"""Held-out questions among the training rows."""

from __future__ import annotations

from dataclasses import replace

from evaluation.figures.leakage import check_leakage
from tests.evaluation.conftest import make_rows


def test_questions_that_were_trained_on_are_found_letter_for_letter_and_but_for_case() -> None:
    held_out = make_rows([("card", "card")] * 4)
    shouted = replace(held_out[1], id="x", prompt=[{"role": "user", "content": "QUESTION  1!"}])
    found = check_leakage(held_out, [held_out[0], shouted])
    assert found == {"checked": 2, "same": 1, "normalised": 1, "examples": ["r0", "r1"]}


def test_nothing_in_common_is_nothing_found() -> None:
    assert check_leakage(make_rows([("card", "card")]), []) == {
        "checked": 0, "same": 0, "normalised": 0, "examples": [],
    }  # fmt: skip
