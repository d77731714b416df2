"""Calibration error and Brier score with intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import statistics as ours


def test_the_brier_score_is_the_mean_squared_gap() -> None:
    assert ours.brier([0.9, 0.6, 0.2], [True, False, False]) == pytest.approx((0.01 + 0.36 + 0.04) / 3)
    assert ours.brier([], []) is None
    assert ours.brier([math.nan], [True]) is None


def test_its_interval_covers_the_truth() -> None:
    generator = np.random.default_rng(3)
    inside = 0
    for seed in range(150):
        sure = generator.uniform(0.5, 1, 200)
        found = ours.brier_estimate(sure.tolist(), (generator.random(200) < sure).tolist(), seed=seed)
        assert found is not None
        # E[c(1-c)] for c uniform on 0.5..1
        inside += found.low <= 1 / 6 <= found.high
    assert inside / 150 > 0.88


def test_an_overconfident_model_has_an_error_whose_interval_holds_it() -> None:
    generator = np.random.default_rng(4)
    inside = 0
    for seed in range(60):
        found = ours.calibration_error_estimate([0.95] * 200, (generator.random(200) < 0.8).tolist(), seed=seed)
        assert found is not None
        inside += found.low <= 0.15 <= found.high
    assert inside / 60 > 0.88


def test_a_calibrated_model_is_not_said_to_be_surely_off() -> None:
    generator = np.random.default_rng(5)
    sure = generator.uniform(0.3, 1, 500)
    found = ours.calibration_error_estimate(sure.tolist(), (generator.random(500) < sure).tolist(), seed=1)
    assert found is not None
    assert found.low < 0.03


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_figure_and_the_edges_have_none(rows: list[tuple[float, bool]]) -> None:
    sure, hits = [c for c, _ in rows], [h for _, h in rows]
    found = ours.calibration_error_estimate(sure, hits, seed=1, resamples=100)
    if not rows:
        assert found is None
        return
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high
    assert found.value == pytest.approx(ours.expected_calibration_error(ours.calibration(sure, hits)), abs=1e-9)


def test_not_a_number_has_no_error() -> None:
    assert ours.calibration_error_estimate([math.nan, 0.5], [True, True], seed=1) is None
