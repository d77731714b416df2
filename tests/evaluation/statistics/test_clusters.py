"""Rows that come in conversations: intervals that count conversations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation import statistics as ours


def conversations(
    generator: np.random.Generator, *, count: int, size: int, spread: float
) -> tuple[list[float], list[int]]:
    """Values around 0.5 whose conversations differ by ``spread``."""
    means = 0.5 + spread * generator.standard_normal(count)
    values = np.repeat(means, size) + 0.1 * generator.standard_normal(count * size)
    return values.tolist(), np.repeat(np.arange(count), size).tolist()


def test_the_clustered_bootstrap_covers_where_the_plain_one_does_not() -> None:
    generator = np.random.default_rng(3)
    plain = clustered = 0
    rounds = 200
    for seed in range(rounds):
        values, names = conversations(generator, count=40, size=8, spread=0.2)
        one = ours.bootstrap(values, seed=seed, resamples=300)
        two = ours.clustered_bootstrap(values, names, seed=seed, resamples=300)
        assert one is not None
        assert two is not None
        plain += one.low <= 0.5 <= one.high
        clustered += two.low <= 0.5 <= two.high
    assert plain / rounds < 0.7
    assert 0.89 < clustered / rounds < 0.99


def test_rows_without_a_cluster_count_one_by_one() -> None:
    values = [float(v) for v in range(60)]
    alone = ours.clustered_bootstrap(values, [None] * 60, seed=1)
    plain = ours.bootstrap(values, seed=1)
    assert alone is not None
    assert plain is not None
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high), abs=1.5)


def test_copies_of_rows_in_one_cluster_weigh_like_one() -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal(50).tolist()
    effect = ours.design_effect([v for v in values for _ in range(4)], [i for i in range(50) for _ in range(4)])
    assert effect == pytest.approx(4, rel=0.03)


def test_independent_rows_in_clusters_have_no_design_effect_to_speak_of() -> None:
    generator = np.random.default_rng(2)
    effect = ours.design_effect(generator.standard_normal(4000).tolist(), np.repeat(np.arange(1000), 4).tolist())
    assert 1.0 <= effect < 1.15


def test_without_spread_each_cluster_weighs_as_one_row() -> None:
    assert ours.design_effect([0.0] * 20, [i // 5 for i in range(20)]) == 5
    assert ours.design_effect([1.0] * 6, ["a"] * 6) == 6
    assert ours.design_effect([1.0], ["a"]) == 1


def test_nothing_and_not_a_number_have_no_clustered_interval() -> None:
    assert ours.clustered_bootstrap([], [], seed=1) is None
    assert ours.clustered_bootstrap([1.0, math.nan], [1, 2], seed=1) is None
    assert ours.bootstrap([1.0, math.inf], seed=1) is None


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3) | st.none()), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_interval_holds_the_mean_and_the_effect_is_never_below_one(rows: list[tuple[float, int | None]]) -> None:
    values, names = [v for v, _ in rows], [n for _, n in rows]
    found = ours.clustered_bootstrap(values, names, seed=0, resamples=200)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert ours.design_effect(values, names) >= 1


def test_macro_f1_and_kappa_are_wider_by_clusters_than_by_rows() -> None:
    generator = np.random.default_rng(5)
    pairs: list[tuple[str, str | None]] = []
    names = []
    for talk in range(60):
        label = "ab"[talk % 2]
        given_label = label if generator.random() < 0.8 else "ab"[1 - talk % 2]
        pairs += [(label, given_label)] * 6
        names += [talk] * 6
    for estimate in (ours.macro_f1_estimate, ours.cohen_kappa_estimate):
        rows, clusters = estimate(pairs, seed=1), estimate(pairs, seed=1, clusters=names)
        assert rows is not None
        assert clusters is not None
        assert clusters.value == rows.value
        assert clusters.high - clusters.low > 1.8 * (rows.high - rows.low)


def test_a_proportion_by_clusters_covers_the_truth_where_rows_succeed_as_one() -> None:
    generator = np.random.default_rng(4)
    plain = clustered = 0
    for _ in range(400):
        talks = generator.random(30) < 0.8
        hits = np.repeat(talks, 5).tolist()
        names = np.repeat(np.arange(30), 5).tolist()
        one, two = ours.wilson(sum(hits), 150), ours.clustered_wilson(hits, names)
        assert one is not None
        assert two is not None
        plain += one.low <= 0.8 <= one.high
        clustered += two.low <= 0.8 <= two.high
    assert plain / 400 < 0.75
    assert clustered / 400 > 0.93


def test_a_single_cluster_tells_nothing_of_others() -> None:
    assert ours.clustered_wilson([True, True, False], ["a"] * 3) == (2 / 3, 0.0, 1.0, 3)
    assert ours.clustered_wilson([], []) is None


def test_the_ratio_of_means_has_its_interval_by_rows_and_by_clusters() -> None:
    generator = np.random.default_rng(6)
    teacher = generator.uniform(0.5, 1, 200)
    student = teacher * 0.9
    found = ours.ratio_of_means(student.tolist(), teacher.tolist(), seed=1)
    assert found is not None
    assert found.value == pytest.approx(0.9)
    assert found.high - found.low < 1e-9
    noisy = (student + 0.2 * np.repeat(generator.standard_normal(20), 10)).tolist()
    rows = ours.ratio_of_means(noisy, teacher.tolist(), seed=1)
    groups = ours.ratio_of_means(noisy, teacher.tolist(), seed=1, clusters=np.repeat(np.arange(20), 10).tolist())
    assert rows is not None
    assert groups is not None
    assert groups.high - groups.low > 1.5 * (rows.high - rows.low)
    assert ours.ratio_of_means([], [], seed=1) is None
    assert ours.ratio_of_means([1.0], [0.0], seed=1) is None
    assert ours.ratio_of_means([math.nan], [1.0], seed=1) is None
