"""Perplexity."""

from __future__ import annotations

import math

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.nll import Nll
from evaluation.metrics.perplexity import Perplexity


def test_it_is_e_to_the_mean() -> None:
    items = [Item("a", None, "a", nll=2.0, nll_tokens=2), Item("b", None, "b", nll=6.0, nll_tokens=2)]
    found, mean = Perplexity().aggregate(items, seed=3), Nll().aggregate(items, seed=3)
    assert found is not None
    assert mean is not None
    assert found.value == pytest.approx(math.exp(2))
    assert (found.low, found.high) == (pytest.approx(math.exp(mean.low)), pytest.approx(math.exp(mean.high)))
    assert Perplexity().score(items[0]) == pytest.approx(math.e)


def test_a_hopeless_model_still_has_a_number() -> None:
    items = [Item("a", None, "a", nll=5000.0, nll_tokens=1)]
    found = Perplexity().aggregate(items, seed=0)
    assert found is not None
    assert math.isfinite(found.value)


def test_who_has_no_likelihood_has_none() -> None:
    assert Perplexity().aggregate([Item("a", None, "a")], seed=0) is None
    assert Perplexity().score(Item("a", None, "a")) is None
