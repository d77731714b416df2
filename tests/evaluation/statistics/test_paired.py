"""Tango's and Nam and Blackwelder's scores against the likelihood maximised by brute force, and their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from evaluation import statistics as ours
from evaluation.statistics import PairedCounts

TABLES = [PairedCounts(36, 12, 2, 0), PairedCounts(80, 4, 12, 4), PairedCounts(5, 3, 7, 9), PairedCounts(40, 0, 1, 3)]


@pytest.mark.parametrize("counts", TABLES)
@pytest.mark.parametrize("difference", [-0.3, -0.02, 0.0, 0.1])
def test_the_score_is_that_of_the_restricted_maximum_of_the_likelihood(counts: PairedCounts, difference: float) -> None:
    rest = counts.both + counts.neither

    def loss(only_b: float) -> float:
        only_a = only_b + difference
        other = 1 - only_a - only_b
        cells = [(counts.only_a, only_a), (counts.only_b, only_b), (rest, other)]
        return -sum(n * math.log(max(p, 1e-300)) for n, p in cells if n)

    low, high = max(0.0, -difference), (1 - difference) / 2
    best = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    gap = counts.only_a - counts.only_b - counts.n * difference
    expected = gap / math.sqrt(counts.n * (2 * best + difference - difference**2))
    assert ours.tango_score(counts, difference=difference) == pytest.approx(expected, abs=2e-3)


def test_the_score_of_no_difference_is_mcnemars() -> None:
    assert ours.tango_score(PairedCounts(50, 9, 4, 7), difference=0) == pytest.approx(5 / math.sqrt(13))
    assert ours.ratio_score(PairedCounts(50, 9, 4, 7), ratio=1) == pytest.approx(5 / math.sqrt(13))


@pytest.mark.parametrize("counts", TABLES)
@pytest.mark.parametrize("ratio", [0.7, 0.95, 1.2])
def test_the_ratios_score_is_that_of_the_restricted_maximum_of_the_likelihood(
    counts: PairedCounts, ratio: float
) -> None:
    from scipy.optimize import minimize

    def cells(x: tuple[float, float]) -> list[float]:
        both, only_b = x
        only_a = (ratio - 1) * both + ratio * only_b
        return [both, only_a, only_b, 1 - both - only_a - only_b]

    def loss(x: tuple[float, float]) -> float:
        found = cells(x)
        if min(found) < 0:
            return 1e9
        return -sum(n * math.log(max(p, 1e-300)) for n, p in zip(counts, found, strict=True) if n)

    starts = [(0.6, 0.1), (0.3, 0.2), (0.5, 0.3), (0.2, 0.3), (0.7, 0.22)]
    options = {"xatol": 1e-11, "fatol": 1e-13, "maxiter": 8000}
    best = min((minimize(loss, x, method="Nelder-Mead", options=options) for x in starts), key=lambda r: r.fun)
    _, only_a, only_b, _ = cells(tuple(best.x))
    a, b = (counts.both + counts.only_a) / counts.n, (counts.both + counts.only_b) / counts.n
    expected = (a - ratio * b) / math.sqrt(ratio * (only_a + only_b) / counts.n)
    assert ours.ratio_score(counts, ratio=ratio) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("cells", [(0.80, 0.05, 0.09, 0.06), (0.97, 0.01, 0.01, 0.01), (0.5, 0.2, 0.1, 0.2)])
@pytest.mark.parametrize("n", [40, 300])
def test_the_interval_of_the_difference_covers_the_truth(cells: tuple[float, ...], n: int) -> None:
    generator = np.random.default_rng(7)
    truth = cells[1] - cells[2]
    hits = [
        abs(ours.tango_score(PairedCounts(*(int(v) for v in draw)), difference=truth)) <= 1.96
        for draw in generator.multinomial(n, cells, size=4000)
    ]
    assert 0.935 < np.mean(hits) <= 1


def test_the_interval_of_the_ratio_covers_the_truth() -> None:
    generator = np.random.default_rng(9)
    cells = (0.80, 0.05, 0.09, 0.06)
    truth = 0.85 / 0.89
    hits = [
        abs(ours.ratio_score(PairedCounts(*(int(v) for v in draw)), ratio=truth)) <= 1.96
        for draw in generator.multinomial(120, cells, size=4000)
    ]
    assert 0.935 < np.mean(hits) < 0.965


@given(st.tuples(*[st.integers(0, 40)] * 4), st.floats(-0.9, 0.9))
@settings(max_examples=150, deadline=None)
def test_the_interval_holds_what_the_test_does_not_reject(cells: tuple[int, int, int, int], difference: float) -> None:
    counts = PairedCounts(*cells)
    found = ours.paired_difference(counts)
    if found is None:
        assert counts.n == 0
        return
    score = ours.tango_score(counts, difference=difference)
    if abs(abs(score) - float(norm.ppf(0.975))) > 1e-6:
        assert (found.low <= difference <= found.high) == (abs(score) < float(norm.ppf(0.975)))


@given(st.tuples(*[st.integers(0, 40)] * 4))
@settings(max_examples=150, deadline=None)
def test_swapping_the_two_turns_difference_and_ratio_round(cells: tuple[int, int, int, int]) -> None:
    both, only_a, only_b, neither = cells
    one, two = PairedCounts(both, only_a, only_b, neither), PairedCounts(both, only_b, only_a, neither)
    first, second = ours.paired_difference(one), ours.paired_difference(two)
    if first is not None and second is not None:
        assert first.low == pytest.approx(-second.high, abs=1e-9)
    ratio, back = ours.paired_ratio(one), ours.paired_ratio(two)
    if ratio is not None and back is not None and ratio.low > 1e-6 and back.high < 1e5:
        assert ratio.low == pytest.approx(1 / back.high, rel=1e-4)


def test_fractions_of_rows_are_taken_for_effective_counts() -> None:
    whole, half = PairedCounts(80, 4, 12, 4), PairedCounts(80, 4, 12, 4).scaled(0.5)
    wide, narrow = ours.paired_difference(half), ours.paired_difference(whole)
    assert wide is not None
    assert narrow is not None
    assert wide.value == narrow.value
    assert wide.high - wide.low == pytest.approx(math.sqrt(2) * (narrow.high - narrow.low), rel=0.07)
