"""No worse than the margin? Error rates by simulation, agreement with the interval, and every edge."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import statistics as ours
from evaluation.statistics import PairedCounts


@given(st.tuples(*[st.integers(0, 50)] * 4), st.floats(0, 0.5))
@settings(max_examples=150, deadline=None)
def test_the_tests_answer_is_that_of_the_interval(cells: tuple[int, int, int, int], margin: float) -> None:
    found = ours.noninferiority_of_pairs(PairedCounts(*cells), margin=margin)
    if found.difference is None:
        assert found.reason
        return
    if abs((found.p or 0) - 0.025) > 1e-6 and abs((found.p_worse or 0) - 0.025) > 1e-6:
        assert found.outcome == ours.verdict_of_margin(found.difference, margin=margin)
    assert found.p is not None
    assert found.p_worse is not None
    assert found.p + found.p_worse == pytest.approx(1)


def test_a_student_worse_by_just_the_margin_passes_in_no_more_than_one_of_forty() -> None:
    generator = np.random.default_rng(1)
    cells = (0.85, 0.04, 0.06, 0.05)
    passed = [
        ours.noninferiority_of_pairs(PairedCounts(*(int(v) for v in draw)), margin=0.02).outcome == "within"
        for draw in generator.multinomial(500, cells, size=1500)
    ]
    assert 0.012 < np.mean(passed) < 0.038


def test_a_mean_worse_by_just_the_margin_passes_in_no_more_than_one_of_forty() -> None:
    generator = np.random.default_rng(2)
    passed = [
        ours.noninferiority_of_means((-0.05 + d).tolist(), margin=0.05).outcome == "within"
        for d in 0.3 * (generator.beta(2, 2, size=(1500, 120)) - 0.5)
    ]
    assert np.mean(passed) < 0.035


def test_rows_in_conversations_do_not_pass_too_often() -> None:
    generator = np.random.default_rng(3)
    plain, clustered = [], []
    for _ in range(300):
        # Conversations of ten rows that succeed or fail as one, the student worse by exactly the margin.
        kinds = generator.choice(4, size=60, p=(0.85, 0.03, 0.08, 0.04))
        hits = [((k in (0, 1)), (k in (0, 2))) for k in kinds for _ in range(10)]
        names = [i for i in range(60) for _ in range(10)]
        plain.append(ours.noninferiority_of_pairs(hits, margin=0.05).outcome == "within")
        clustered.append(ours.noninferiority_of_pairs(hits, margin=0.05, clusters=names).outcome == "within")
    assert np.mean(plain) > 0.15
    assert np.mean(clustered) < 0.05


def test_clusters_widen_the_interval_and_say_how_much() -> None:
    hits = [(i % 7 != 0, i % 9 != 0) for i in range(50) for _ in range(4)]
    names = [i for i in range(50) for _ in range(4)]
    plain = ours.noninferiority_of_pairs(hits, margin=0.02)
    clustered = ours.noninferiority_of_pairs(hits, margin=0.02, clusters=names)
    assert clustered.clusters == 50
    assert clustered.design_effect == pytest.approx(4, rel=0.1)
    assert plain.difference is not None
    assert clustered.difference is not None
    assert clustered.difference.low < plain.difference.low
    assert clustered.n == clustered.difference.n == 200
    assert clustered.method.endswith("on clusters")


def test_a_single_cluster_says_nothing() -> None:
    for found in (
        ours.noninferiority_of_pairs([(True, True)] * 9, margin=0.02, clusters=["a"] * 9),
        ours.noninferiority_of_means([0.0] * 9, margin=0.02, clusters=["a"] * 9),
    ):
        assert found.p is None
        assert found.outcome == "unclear"
        assert "one cluster" in found.reason


def test_means_have_a_reason_where_there_is_no_answer() -> None:
    assert "no row" in ours.noninferiority_of_means([], margin=0.02).reason
    assert "One row" in ours.noninferiority_of_means([0.1], margin=0.02).reason
    assert "not a number" in ours.noninferiority_of_means([0.1, math.nan], margin=0.02).reason
    assert "no row" in ours.noninferiority_of_pairs([], margin=0.02).reason


def test_equal_scores_throughout_need_rows_before_they_convince() -> None:
    few, many = (ours.noninferiority_of_means([0.0] * n, margin=0.02) for n in (20, 2000))
    assert few.outcome == "unclear"
    assert many.outcome == "within"


def test_one_row_of_yes_and_yes_convinces_nobody() -> None:
    found = ours.noninferiority_of_pairs([(True, True)], margin=0.02)
    assert found.outcome == "unclear"
    assert found.rows_needed is not None
    assert found.rows_needed > 1


def test_all_failures_against_a_teacher_that_is_right_is_outside() -> None:
    assert ours.noninferiority_of_pairs([(False, True)] * 30, margin=0.02).outcome == "outside"
    assert ours.noninferiority_of_pairs([(False, False)] * 5, margin=0.02).outcome == "unclear"


def test_a_margin_of_everything_is_always_kept() -> None:
    assert ours.noninferiority_of_pairs([(False, True)] * 30, margin=1.0).outcome == "within"


def test_the_rows_that_are_said_to_be_needed_settle_it_four_times_in_five() -> None:
    generator = np.random.default_rng(6)
    seen = PairedCounts(900, 30, 36, 34)
    needed = ours.rows_needed(seen, margin=0.03)
    assert needed is not None
    shares = [c / seen.n for c in seen]
    settled = [
        ours.noninferiority_of_pairs(PairedCounts(*(int(v) for v in draw)), margin=0.03).outcome == "within"
        for draw in generator.multinomial(needed, shares, size=600)
    ]
    assert 0.74 < np.mean(settled) < 0.88


def test_a_loss_of_just_the_margin_is_settled_by_no_number_of_rows() -> None:
    assert ours.rows_needed(PairedCounts(90, 2, 4, 4), margin=0.02) is None
