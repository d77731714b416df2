"""Permutation and signed-rank tests and Holm's correction against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evaluation import statistics as ours


def test_a_few_differences_are_permuted_exactly_as_scipy_does() -> None:
    values = [0.3, -0.1, 0.5, 0.2, 0.05, -0.02, 0.4]
    theirs = stats.permutation_test(
        (values, [0.0] * 7), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    found = ours.permutation(values, seed=1)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.method == "paired permutation, exact"


def test_many_differences_are_drawn_with_about_the_t_tests_answer_and_never_zero() -> None:
    generator = np.random.default_rng(4)
    values = (0.12 + generator.standard_normal(200)).tolist()
    found = ours.permutation(values, seed=1)
    assert found.p == pytest.approx(float(stats.ttest_1samp(values, 0).pvalue), abs=0.015)
    assert found == ours.permutation(values, seed=1)
    sure = ours.permutation([1.0 + v / 100 for v in values], seed=1)
    assert sure.p == pytest.approx(1 / 10_001)


def test_flipping_whole_clusters_does_not_take_copies_for_evidence() -> None:
    values = [0.4, 0.4, 0.4, 0.4, -0.1, -0.1, 0.3, 0.3, 0.3, 0.3]
    names = ["a", "a", "a", "a", "b", "b", "c", "c", "c", "c"]
    by_row, by_cluster = ours.permutation(values, seed=1), ours.permutation(values, seed=1, clusters=names)
    assert by_cluster.p == 0.5
    assert by_row.p is not None
    assert by_row.p < 0.05


def test_under_no_difference_p_values_are_spread_evenly() -> None:
    generator = np.random.default_rng(8)
    small = [ours.permutation(generator.standard_normal(12).tolist(), seed=1).p for _ in range(400)]
    assert 0.03 < np.mean([p <= 0.05 for p in small if p is not None]) < 0.08


@given(st.lists(st.integers(-40, 40).filter(bool), min_size=1, max_size=25, unique_by=abs))
@settings(max_examples=60, deadline=None)
def test_the_signed_rank_test_without_ties_is_scipys_exact_one(values: list[int]) -> None:
    theirs = stats.wilcoxon(values, method="exact")
    assert ours.wilcoxon([float(v) for v in values]).p == pytest.approx(float(theirs.pvalue))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=14))
@settings(max_examples=60, deadline=None)
def test_few_differences_with_ties_and_zeros_are_counted_out(values: list[int]) -> None:
    kept = [v for v in values if v]
    ranks, _ = ours.mean_ranks([abs(v) for v in kept])
    signed = [math.copysign(rank, v) for rank, v in zip(ranks, kept, strict=True)]
    expected = ours.permutation(signed, seed=0).p if signed else 1.0
    assert ours.wilcoxon([float(v) for v in values]).p == pytest.approx(expected)


@given(st.lists(st.integers(-5, 5).filter(bool), min_size=26, max_size=80), st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_many_differences_with_ties_and_zeros_are_scipys_approximation(values: list[int], zeros: int) -> None:
    values = values + [0] * zeros
    theirs = stats.wilcoxon(values, method="approx", zero_method="wilcox", correction=False)
    assert ours.wilcoxon([float(v) for v in values]).p == pytest.approx(float(theirs.pvalue), abs=1e-9)


@pytest.mark.parametrize("test", [lambda d: ours.permutation(d, seed=0), ours.wilcoxon])
def test_the_edges_have_an_answer_or_a_reason(test: object) -> None:
    assert callable(test)
    assert test([]).p is None
    assert test([]).reason == "There is no row that both were judged on."
    assert test([1.0, math.nan]).reason == "A score is not a number."
    assert test([0.0, 0.0, 0.0]).p == 1.0
    assert test([0.5]).p == 1.0


@given(st.lists(st.floats(0, 1), max_size=30))
@settings(max_examples=20, deadline=None)
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    if not p_values:
        assert ours.holm([]) == []
        return
    theirs = multipletests(p_values, method="holm")[1]
    assert ours.holm(p_values) == pytest.approx(theirs.tolist(), abs=1e-12)


def test_what_was_not_tested_counts_as_no_test() -> None:
    assert ours.holm([0.01, None, 0.04]) == [pytest.approx(0.02), None, pytest.approx(0.04)]
    assert ours.holm([None]) == [None]
