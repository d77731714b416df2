"""Sample sizes: by simulation they do what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower

from evaluation import statistics as ours
from evaluation.statistics import PairedCounts


def test_the_rows_for_a_difference_find_it_four_times_in_five() -> None:
    generator = np.random.default_rng(1)
    n = ours.rows_for_difference(0.04, discordance=0.1)
    assert n is not None
    draws = generator.multinomial(n, (0.07, 0.03, 0.9), size=4000)
    found = np.abs(draws[:, 0] - draws[:, 1]) / np.sqrt(draws[:, 0] + draws[:, 1]) > 1.96
    assert 0.78 < found.mean() < 0.83


def test_with_everything_discordant_it_is_the_usual_formula_of_one_proportion() -> None:
    theirs = NormalIndPower(ddof=0).solve_power(0.02, alpha=0.05, power=0.8, ratio=0, alternative="two-sided")
    assert ours.rows_for_difference(0.02, discordance=1.0) == pytest.approx(theirs, rel=0.002)


@given(st.integers(20, 100_000), st.floats(0.005, 1))
@settings(max_examples=100, deadline=None)
def test_detectable_difference_and_rows_are_each_others_inverse(rows: int, discordance: float) -> None:
    found = ours.detectable_difference(rows, discordance=discordance)
    if found is None:
        assert ours.rows_for_difference(discordance, discordance=discordance) > rows
        return
    assert ours.rows_for_difference(found, discordance=discordance) == pytest.approx(rows, abs=1)
    assert ours.power_for_difference(rows, difference=found, discordance=discordance) == pytest.approx(0.8, abs=0.01)


def test_more_rows_show_less_and_more_discordance_hides_more() -> None:
    table = ours.power_table(discordance=0.1)
    differences = [line.difference for line in table if line.difference is not None]
    assert differences == sorted(differences, reverse=True)
    few = ours.detectable_difference(400, discordance=0.05)
    more = ours.detectable_difference(400, discordance=0.2)
    assert few is not None
    assert more is not None
    assert few < more


def test_what_cannot_be_has_no_answer() -> None:
    assert ours.detectable_difference(0) is None
    assert ours.detectable_difference(5, discordance=0.1) is None
    assert ours.rows_for_difference(0, discordance=0.1) is None
    assert ours.rows_for_difference(0.2, discordance=0.1) is None
    assert ours.power_for_difference(100, difference=0.2, discordance=0.1) is None
    assert ours.rows_for_margin(0) is None


def test_the_rows_for_a_margin_show_equality_four_times_in_five() -> None:
    generator = np.random.default_rng(2)
    n = ours.rows_for_margin(0.03, discordance=0.1)
    assert n is not None
    shown = [
        ours.noninferiority_of_pairs(PairedCounts(*(int(v) for v in draw)), margin=0.03).outcome == "within"
        for draw in generator.multinomial(n, (0.85, 0.05, 0.05, 0.05), size=600)
    ]
    assert 0.74 < np.mean(shown) < 0.86


def test_candidates_that_never_differ_still_need_the_rows_of_the_score_test() -> None:
    n = ours.rows_for_margin(0.02, discordance=0.0)
    assert n is not None
    assert ours.noninferiority_of_pairs(PairedCounts(n + 1, 0, 0, 0), margin=0.02).outcome == "within"
    assert ours.noninferiority_of_pairs(PairedCounts(n - 2, 0, 0, 0), margin=0.02).outcome == "unclear"
