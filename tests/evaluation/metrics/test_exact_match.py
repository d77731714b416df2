"""Exact match: to the byte."""

from __future__ import annotations

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.exact_match import ExactMatch


@pytest.mark.parametrize(("answer", "score"), [("Yes", 1.0), ("yes", 0.0), ("Yes\n", 0.0), (None, 0.0), ("", 0.0)])
def test_it_is_exact_to_the_byte(answer: str | None, score: float) -> None:
    assert ExactMatch().score(Item(answer, None, "Yes")) == score


def test_white_space_around_it_may_be_ignored_and_the_teacher_stands_in() -> None:
    loose = ExactMatch(ExactMatch.Params(space_around="is ignored"))
    assert loose.score(Item("Yes\n", "Yes", None)) == 1.0
    assert loose.score(Item("Yes", None, None)) is None
