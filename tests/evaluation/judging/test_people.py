"""People against a judge: kappa, tau, the table, and people among themselves."""

from __future__ import annotations

import pytest

from evaluation.judging.people import HumanGrade, agreement
from evaluation.statistics import weighted_kappa, weighted_kappa_estimate


def grades(*scores: int, person: str = "ann") -> list[HumanGrade]:
    return [HumanGrade(f"item{n}", person, score) for n, score in enumerate(scores)]


def judge(*scores: int) -> dict[str, int]:
    return {f"item{n}": score for n, score in enumerate(scores)}


def test_full_agreement() -> None:
    found = agreement(grades(1, 3, 5, 2), judge(1, 3, 5, 2), scale="1 to 5")
    assert (found["n"], found["tau"], found["kappa"]["value"], found["exact"]["value"]) == (4, 1.0, 1.0, 1.0)
    assert found["bias"]["value"] == 0
    assert [row[i] for i, row in enumerate(found["confusion"])] == [1, 1, 1, 0, 1]
    assert found["between_people"] is None


def test_a_judge_that_turns_the_scale_round() -> None:
    found = agreement(grades(1, 2, 4, 5), judge(5, 4, 2, 1), scale="1 to 5")
    assert found["tau"] == -1
    assert found["kappa"]["value"] == pytest.approx(-1)


def test_a_lenient_judge_keeps_the_order_and_shows_its_bias() -> None:
    found = agreement(grades(1, 2, 3, 4), judge(2, 3, 4, 5), scale="1 to 5")
    assert found["tau"] == 1
    assert found["bias"]["value"] == 1
    assert found["kappa"]["value"] == pytest.approx(1 - 1 / (2 * 1.25 + 1))


def test_several_people_count_once_and_show_how_far_they_agree() -> None:
    human = [*grades(5, 1, 3), *grades(4, 1, 3, person="bob"), HumanGrade("alone", "bob", 2)]
    found = agreement(human, judge(5, 1, 3), scale="1 to 5")
    assert (found["n"], found["graded"], found["grades"], found["people"]) == (3, 4, 7, 2)
    assert found["between_people"]["n"] == 3
    assert found["between_people"]["exact"]["value"] == pytest.approx(2 / 3)


def test_nothing_in_common_says_nothing() -> None:
    found = agreement(grades(5, 1), {"other": 3}, scale="1 to 5")
    assert (found["n"], found["tau"], found["kappa"], found["exact"], found["bias"]) == (0, None, None, None, None)
    assert agreement([], {}, scale="pass or fail")["confusion"] == [[0, 0], [0, 0]]


def test_no_spread_has_no_order() -> None:
    found = agreement(grades(5, 5, 5), judge(5, 5, 5), scale="1 to 5")
    assert found["tau"] is None
    assert found["kappa"]["value"] == 1


def test_weighted_kappa_is_cohens_example_and_plain_kappa_on_two_levels() -> None:
    pairs = [(0, 0)] * 20 + [(0, 1)] * 5 + [(1, 0)] * 10 + [(1, 1)] * 15
    assert weighted_kappa(pairs, levels=[0, 1]) == pytest.approx(0.4)
    assert weighted_kappa([], levels=[0, 1]) is None
    near = weighted_kappa([(1, 2), (3, 3), (5, 4)], levels=[1, 2, 3, 4, 5])
    far = weighted_kappa([(1, 4), (3, 3), (5, 2)], levels=[1, 2, 3, 4, 5])
    assert near is not None
    assert far is not None
    assert near > far
    estimate = weighted_kappa_estimate(pairs, levels=[0, 1], seed=0)
    assert estimate is not None
    assert estimate.low < 0.4 < estimate.high
    assert estimate == weighted_kappa_estimate(pairs, levels=[0, 1], seed=0)
