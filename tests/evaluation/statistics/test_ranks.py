"""Kendall's tau-b against scipy's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation import statistics as ours


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=60))
@settings(max_examples=200, deadline=None)
def test_tau_and_its_p_value_are_those_of_scipy(rows: list[tuple[int, int]]) -> None:
    first, second = [a for a, _ in rows], [b for _, b in rows]
    theirs = stats.kendalltau(first, second, method="asymptotic")
    found = ours.kendall_tau(first, second)
    if math.isnan(theirs.statistic):
        assert found.tau is None
        assert found.reason
        return
    assert found.tau == pytest.approx(float(theirs.statistic), abs=1e-12)
    assert found.p == pytest.approx(float(theirs.pvalue), abs=1e-9)


def test_two_rows_have_a_tau_and_no_evidence() -> None:
    assert ours.kendall_tau([1, 2], [1, 2]) == (1.0, pytest.approx(0.317, abs=0.001), 2, "")


def test_the_same_order_is_one_and_the_opposite_minus_one() -> None:
    assert ours.kendall_tau_b([1, 2, 3], [10, 20, 30]) == 1
    assert ours.kendall_tau_b([1, 2, 3], [3, 2, 1]) == -1


def test_one_row_no_spread_and_not_a_number_have_no_tau() -> None:
    assert ours.kendall_tau_b([1], [1]) is None
    assert ours.kendall_tau_b([1, 1, 1], [1, 2, 3]) is None
    assert ours.kendall_tau_b([1, math.nan], [1, 2]) is None
    assert ours.kendall_tau([1], [2]).reason


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="every row"):
        ours.kendall_tau_b([1, 2], [1])


@given(st.lists(st.integers(0, 5), max_size=30))
def test_equal_values_share_their_mean_rank(values: list[int]) -> None:
    ranks, ties = ours.mean_ranks(values)
    assert ranks == pytest.approx(stats.rankdata(values).tolist() if values else [])
    assert sum(ties) == sum(1 for v in values if values.count(v) > 1)
