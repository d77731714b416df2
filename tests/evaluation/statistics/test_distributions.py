"""Tails without scipy, against scipy's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evaluation.statistics import normal_quantile, student_quantile, student_tail, upper_tail


@given(st.floats(-60, 60), st.integers(1, 5000))
@settings(max_examples=200, deadline=None)
def test_students_tail_is_that_of_scipy(t: float, degrees: int) -> None:
    assert student_tail(t, degrees) == pytest.approx(float(stats.t.sf(t, degrees)), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize("z", [-8.0, -1.96, 0.0, 1.0, 5.0, 12.0, float("inf")])
def test_the_normal_tail_is_exact_far_out(z: float) -> None:
    assert upper_tail(z) == pytest.approx(float(stats.norm.sf(z)), rel=1e-10)


@pytest.mark.parametrize("degrees", [1, 2, 9, 30, 1000])
@pytest.mark.parametrize("p", [0.5, 0.8, 0.975, 0.999])
def test_quantiles_are_those_of_scipy(p: float, degrees: int) -> None:
    assert student_quantile(p, degrees) == pytest.approx(float(stats.t.ppf(p, degrees)), abs=1e-9)
    assert normal_quantile(p) == pytest.approx(float(stats.norm.ppf(p)), abs=1e-12)


def test_an_endless_t_leaves_nothing_above_it() -> None:
    assert student_tail(float("inf"), 3) == 0.0
    assert student_tail(float("-inf"), 3) == 1.0
