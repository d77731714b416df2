"""Ratios of sums."""

from __future__ import annotations

import pytest

from evaluation.statistics import ratio_of_sums


def test_it_weighs_rows_by_what_is_below() -> None:
    found = ratio_of_sums([1, 9], [1, 3], seed=0)
    assert found is not None
    assert (found.value, found.n) == (2.5, 2)
    assert found.low == pytest.approx(1.0)
    assert found.high == pytest.approx(3.0)


def test_one_row_and_no_row() -> None:
    found = ratio_of_sums([2], [4], seed=0)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert ratio_of_sums([], [], seed=0) is None
    assert ratio_of_sums([float("nan")], [1], seed=0) is None


def test_a_seed_gives_the_same_interval() -> None:
    values = [float(i % 5) for i in range(40)]
    assert ratio_of_sums(values, [1.0] * 40, seed=7) == ratio_of_sums(values, [1.0] * 40, seed=7)
