"""Answers of a form."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.metrics.base import Item
from evaluation.metrics.regex import Regex


def test_a_pattern_is_found_or_not() -> None:
    dated = Regex(Regex.Params(pattern=r"^\d{4}-\d{2}-\d{2}$"))
    assert dated.score(Item("2026-01-31", None, None)) == 1.0
    assert dated.score(Item("31 January", None, None)) == 0.0
    assert dated.score(Item(None, None, None)) == 0.0
    without = Regex(Regex.Params(pattern="sorry", good="without a match", ignore_case=True))
    assert without.score(Item("Sorry, no", None, None)) == 0.0


def test_without_a_pattern_there_is_no_figure() -> None:
    assert Regex().score(Item("a", None, None)) is None


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="can't be used"):
        Regex.Params(pattern="(")
