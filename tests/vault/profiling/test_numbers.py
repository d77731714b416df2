"""The numbers behind the pictures: histograms, what a limit costs, how uneven labels are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.profiling.numbers import describe, imbalance, nice_width, survivors

lengths = st.lists(st.integers(0, 5_000), min_size=1, max_size=200)


@settings(max_examples=60, deadline=None)
@given(lengths)
def test_every_row_is_in_one_bin_and_the_bins_touch(values: list[int]) -> None:
    told = describe(np.array(values, np.int32))
    assert told is not None
    assert sum(rows for *_, rows in told["bins"]) == len(values) == told["rows"]
    assert told["low"] == min(values) and told["high"] == max(values) and told["total"] == sum(values)
    assert all(end + 1 == start for (_, end, _), (start, _, _) in zip(told["bins"], told["bins"][1:], strict=False))


@settings(max_examples=60, deadline=None)
@given(lengths)
def test_what_a_limit_costs_is_what_counting_says(values: list[int]) -> None:
    for limit, longer, beyond in survivors(np.array(values, np.int32)):
        assert longer == sum(v > limit for v in values)
        assert beyond == sum(max(v - limit, 0) for v in values)


def test_one_far_longer_row_does_not_flatten_the_picture() -> None:
    told = describe(np.array([*range(10, 100)] * 10 + [1_000_000], np.int32))
    assert told is not None and told["open_end"]
    assert told["bins"][-1][1:] == [1_000_000, 1] and told["bins"][-2][1] < 200


def test_nothing_has_no_picture() -> None:
    assert describe(np.array([], np.int32)) is None and survivors(np.array([], np.int32)) == []


@pytest.mark.parametrize(("least", "width"), [(0.1, 1), (1, 1), (1.5, 2), (3, 5), (7, 10), (11, 20), (501, 1000)])
def test_bins_have_round_widths(least: float, width: int) -> None:
    assert nice_width(least) == width


def test_even_labels_count_as_many_as_there_are_and_one_label_as_one() -> None:
    even = imbalance([10, 10, 10, 10])
    assert even["effective"] == pytest.approx(4) and even["evenness"] == pytest.approx(1) and even["half"] == 2
    alone = imbalance([7])
    assert alone["effective"] == pytest.approx(1) and alone["evenness"] is None and alone["ratio"] == 1
    skewed = imbalance([97, 1, 1, 1])
    assert skewed["effective"] < 1.3 and skewed["half"] == 1 and skewed["once"] == 3 and skewed["ratio"] == 97
    assert imbalance([])["effective"] == 0
