"""Our figures against scipy's and statsmodels', and on the edges where those give up."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from evaluation import statistics as ours


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 10), (10, 10), (7, 10), (921, 1000), (1, 3080)])
def test_wilson_is_that_of_statsmodels(hits: int, n: int) -> None:
    low, high = proportion_confint(hits, n, method="wilson")
    found = ours.wilson(hits, n)
    assert found is not None
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_wilson_takes_another_confidence() -> None:
    low, high = proportion_confint(30, 50, alpha=0.2, method="wilson")
    assert ours.wilson(30, 50, confidence=0.8)[1:3] == pytest.approx((low, high))


def test_nothing_to_count_has_no_interval() -> None:
    assert ours.wilson(0, 0) is None
    assert ours.bootstrap([], seed=1) is None
    assert ours.paired_difference(ours.PairedCounts(0, 0, 0, 0)) is None
    assert ours.paired_ratio(ours.PairedCounts(0, 0, 0, 0)) is None
    assert ours.macro_f1_estimate([], seed=1) is None
    assert ours.cohen_kappa_estimate([], seed=1) is None


@pytest.mark.parametrize("q", [0.0, 0.05, 0.5, 0.95, 1.0])
def test_percentiles_are_those_of_numpy(q: float) -> None:
    values = [random.Random(3).gauss(10, 4) for _ in range(57)]
    assert ours.percentile(values, q) == pytest.approx(float(np.quantile(values, q)))


@pytest.mark.parametrize(("name", "function"), [("mean", np.mean), ("p50", np.median)])
def test_the_bootstrap_interval_is_close_to_scipys(name: str, function: object) -> None:
    generator = random.Random(11)
    values = [generator.lognormvariate(3, 0.6) for _ in range(200)]
    theirs = scipy_stats.bootstrap(
        (values,), function, n_resamples=4000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    found = ours.bootstrap(values, statistic=name, seed=7, resamples=4000)
    assert found is not None
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.1 * width
    assert abs(found.high - theirs.high) < 0.1 * width


def test_the_bootstrap_gives_the_same_interval_for_the_same_seed_and_another_for_another() -> None:
    values = [float(v) for v in range(40)]
    assert ours.bootstrap(values, statistic="p95", seed=1) == ours.bootstrap(values, statistic="p95", seed=1)
    assert ours.bootstrap(values, statistic="mean", seed=1) != ours.bootstrap(values, statistic="mean", seed=2)


def test_the_bootstrap_of_one_value_and_of_equal_values_is_that_value() -> None:
    assert ours.bootstrap([5.0], statistic="p95", seed=1) == (5.0, 5.0, 5.0, 1)
    assert ours.bootstrap([2.0] * 9, seed=1) == (2.0, 2.0, 2.0, 9)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 71), (900, 1010)])
def test_mcnemar_is_that_of_statsmodels(b: int, c: int) -> None:
    theirs = 1.0 if b + c == 0 else mcnemar([[10, b], [c, 10]], exact=True).pvalue
    assert ours.mcnemar_exact(b, c) == pytest.approx(min(1.0, theirs), abs=1e-9)


def test_pairs_leave_out_rows_that_were_not_judged() -> None:
    counts = ours.pair([True, True, False, None, False], [True, False, True, True, False])
    assert counts == (1, 1, 1, 1)
    assert counts.n == 4


def test_the_paired_difference_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    cells, n = [0.80, 0.05, 0.09, 0.06], 150
    truth = cells[1] - cells[2]
    hits = 0
    for draw in generator.multinomial(n, cells, size=2000):
        found = ours.paired_difference(ours.PairedCounts(*(int(v) for v in draw)))
        assert found is not None
        hits += found.low <= truth <= found.high
    assert 0.93 < hits / 2000 < 0.985


def test_the_paired_ratio_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(4)
    cells, n = [0.80, 0.05, 0.09, 0.06], 150
    truth = (cells[0] + cells[1]) / (cells[0] + cells[2])
    hits = 0
    for draw in generator.multinomial(n, cells, size=2000):
        found = ours.paired_ratio(ours.PairedCounts(*(int(v) for v in draw)))
        assert found is not None
        hits += found.low <= truth <= found.high
    assert 0.93 < hits / 2000 < 0.985


def test_the_paired_ratio_touches_one_exactly_where_the_difference_touches_zero() -> None:
    counts = ours.PairedCounts(80, 4, 12, 4)
    difference, ratio = ours.paired_difference(counts), ours.paired_ratio(counts)
    assert difference is not None
    assert ratio is not None
    assert (difference.high < 0) == (ratio.high < 1)
    assert (difference.low < 0) == (ratio.low < 1)


def test_two_that_are_always_right_still_have_an_interval() -> None:
    difference = ours.paired_difference(ours.PairedCounts(20, 0, 0, 0))
    ratio = ours.paired_ratio(ours.PairedCounts(20, 0, 0, 0))
    assert difference is not None
    assert ratio is not None
    assert difference.value == 0
    assert difference.low < -0.1
    assert difference.high > 0.1
    assert ratio.value == 1
    assert ratio.low < 0.9
    assert ratio.high > 1.1


def test_a_teacher_that_is_never_right_has_no_ratio() -> None:
    assert ours.paired_ratio(ours.PairedCounts(0, 5, 0, 5)) is None


@given(st.tuples(*[st.integers(0, 60)] * 4))
@settings(max_examples=300, deadline=None)
def test_intervals_always_hold_their_figure(cells: tuple[int, int, int, int]) -> None:
    counts = ours.PairedCounts(*cells)
    for found in (ours.paired_difference(counts), ours.paired_ratio(counts), ours.wilson(cells[0], counts.n)):
        if found is not None:
            assert math.isfinite(found.low)
            assert math.isfinite(found.high)
            assert found.low <= found.value <= found.high


LABELS = st.sampled_from(["a", "b", "c", "d"])


@given(st.lists(st.tuples(LABELS, LABELS), min_size=2, max_size=60))
@settings(max_examples=100, deadline=None)
def test_kappa_is_that_of_statsmodels(pairs: list[tuple[str, str]]) -> None:
    names = sorted({label for two in pairs for label in two})
    if len(names) == 1:
        assert ours.cohen_kappa(pairs) == 1.0
        return
    table = [[sum(1 for p in pairs if p == (a, b)) for b in names] for a in names]
    expected = cohens_kappa(np.array(table), return_results=False)
    assert ours.cohen_kappa(pairs) == pytest.approx(float(expected), abs=1e-12)


def test_macro_f1_is_the_mean_of_the_labels_f1_worked_by_hand() -> None:
    pairs: list[tuple[str, str | None]] = [("a", "a"), ("a", "b"), ("b", "b"), ("b", None), ("c", "zebra")]
    scores = ours.label_scores(pairs)
    assert scores["a"] == (2, 1, 1.0, 0.5, pytest.approx(2 / 3))
    assert scores["b"] == (2, 2, 0.5, 0.5, 0.5)
    assert scores["c"] == (1, 0, None, 0.0, 0.0)
    assert scores["zebra"] == (0, 1, 0.0, None, 0.0)
    assert ours.macro_f1(pairs) == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_macro_f1_has_an_interval_that_narrows_with_rows() -> None:
    generator = random.Random(1)
    pairs = [(label, label if generator.random() < 0.9 else "a") for label in generator.choices("abcd", k=400)]
    few, many = ours.macro_f1_estimate(pairs[:50], seed=3), ours.macro_f1_estimate(pairs, seed=3)
    assert few is not None
    assert many is not None
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low
    assert many == ours.macro_f1_estimate(pairs, seed=3)


def test_the_kappa_interval_is_about_the_asymptotic_one_of_statsmodels() -> None:
    generator = random.Random(8)
    pairs = [(label, label if generator.random() < 0.8 else "a") for label in generator.choices("abc", k=500)]
    table = np.array([[sum(1 for p in pairs if p == (a, b)) for b in "abc"] for a in "abc"])
    theirs = cohens_kappa(table)
    found = ours.cohen_kappa_estimate(pairs, seed=1)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((theirs.kappa_low, theirs.kappa_upp), abs=0.015)


def test_calibration_bins_hold_every_row_and_the_error_is_weighted() -> None:
    bins = ours.calibration([0.05, 0.95, 0.99, 1.0], [False, True, True, False])
    assert [(b.low, b.n) for b in bins] == [(0.0, 1), (0.9, 3)]
    assert bins[1].accuracy == pytest.approx(2 / 3)
    assert ours.expected_calibration_error(bins) == pytest.approx((0.05 + 3 * abs(2.94 / 3 - 2 / 3)) / 4)
    assert ours.expected_calibration_error([]) is None


def test_the_margin_is_judged_by_the_whole_interval() -> None:
    assert ours.verdict_of_margin(ours.Estimate(-0.005, -0.015, 0.005, 900), margin=0.02) == "within"
    assert ours.verdict_of_margin(ours.Estimate(-0.06, -0.08, -0.04, 900), margin=0.02) == "outside"
    assert ours.verdict_of_margin(ours.Estimate(-0.01, -0.04, 0.02, 90), margin=0.02) == "unclear"


def test_the_rows_needed_are_enough_to_settle_it() -> None:
    counts = ours.PairedCounts(85, 4, 5, 6)
    needed = ours.rows_needed(counts, margin=0.04)
    assert needed is not None
    assert needed > counts.n
    scale = math.ceil(needed / counts.n) + 1
    larger = ours.paired_difference(ours.PairedCounts(*(scale * v for v in counts)))
    assert larger is not None
    assert ours.verdict_of_margin(larger, margin=0.04) == "within"
    assert ours.rows_needed(ours.PairedCounts(0, 0, 0, 0), margin=0.02) is None


def test_very_many_values_get_fewer_resamples_and_an_interval_as_narrow_as_it_should_be() -> None:
    generator = random.Random(2)
    values = [generator.gauss(100, 15) for _ in range(120_000)]
    found = ours.bootstrap(values, seed=1)
    assert found is not None
    expected = 2 * 1.96 * 15 / math.sqrt(len(values))
    assert found.high - found.low == pytest.approx(expected, rel=0.25)
