"""How long answers are."""

from __future__ import annotations

from evaluation.metrics.base import Item, judges
from evaluation.metrics.length import Length


def test_the_ratio_to_the_reference() -> None:
    assert Length().score(Item("a b", None, "a b c d")) == 0.5
    assert Length(Length.Params(counted="characters")).score(Item("abcd", "ab", None)) == 2.0
    assert Length().score(Item(None, None, "a")) is None
    assert Length().score(Item("a", None, "")) is None


def test_neither_end_is_good_so_no_verdict_goes_by_it() -> None:
    assert Length.higher_is_better is None
    assert not judges(Length)
