"""Fleiss' kappa and Krippendorff's alpha."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from evaluation import statistics as ours

RATINGS = st.sampled_from("abc")


@given(
    st.integers(2, 4).flatmap(lambda m: st.lists(st.lists(RATINGS, min_size=m, max_size=m), min_size=2, max_size=30))
)
@settings(max_examples=100, deadline=None)
def test_fleiss_kappa_is_that_of_statsmodels(units: list[list[str]]) -> None:
    if len({r for unit in units for r in unit}) == 1:
        assert ours.fleiss_kappa(units) == 1.0
        return
    table, _ = aggregate_raters(np.array(units))
    assert ours.fleiss_kappa(units) == pytest.approx(float(fleiss_kappa(table)), abs=1e-12)


def test_fleiss_kappa_refuses_ratings_of_different_number() -> None:
    with pytest.raises(ValueError, match="same number"):
        ours.fleiss_kappa([["a", "b"], ["a"]])
    assert ours.fleiss_kappa([]) is None


def test_alpha_has_an_interval_that_holds_it_and_narrows_with_rows() -> None:
    generator = random.Random(3)
    units = []
    for _ in range(300):
        truth = generator.choice("abc")
        units.append([truth if generator.random() < 0.8 else generator.choice("abc") for _ in range(3)])
    few, many = ours.krippendorff_estimate(units[:40], seed=1), ours.krippendorff_estimate(units, seed=1)
    assert few is not None
    assert many is not None
    assert many.value == ours.krippendorff_alpha(units)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_alphas_bootstrap_centres_on_alpha() -> None:
    units = [["a", "a"], ["a", "b"], ["b", "b"], ["c", "c", "a"]] * 40
    found = ours.krippendorff_estimate(units, seed=2)
    assert found is not None
    assert (found.low + found.high) / 2 == pytest.approx(found.value, abs=0.03)


def test_alpha_without_rows_rated_twice_is_unknown_and_with_one_rating_throughout_full() -> None:
    assert ours.krippendorff_estimate([["a"], []], seed=1) is None
    assert ours.krippendorff_estimate([["a", "a"]] * 3, seed=1) == (1.0, 1.0, 1.0, 3)
