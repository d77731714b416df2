"""What an answer must hold."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.contains import Contains


def score(answer: str | None, reference: str | None = None, **params: Any) -> float | None:
    return Contains(Contains.Params(**params)).score(Item(answer, None, reference))


def test_the_reference_is_looked_for() -> None:
    assert score("The capital is PARIS.", "Paris") == 1.0
    assert score("The capital is PARIS.", "Paris", ignore_case=False) == 0.0
    assert score(None, "Paris") == 0.0
    assert score("anything", "  ") is None
    assert score("anything") is None


@pytest.mark.parametrize(("needed", "expected"), [("all", 0.0), ("any", 1.0), ("none", 0.0)])
def test_given_texts_are_looked_for(needed: str, expected: float) -> None:
    assert score("a and b", texts=["a", "z"], needed=needed) == expected
