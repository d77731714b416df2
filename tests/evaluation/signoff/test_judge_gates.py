"""Gates on what a judge said, and on how far it can be believed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from evaluation.judging import golden
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from evaluation.signoff import gates
from evaluation.signoff.gate import Gate
from evaluation.signoff.policy import Policy
from tests.evaluation.judging import reports


def check(card: Scorecard, **rules: Any) -> Gate:
    (gate,) = gates.check(card, Policy(**rules))
    return gate


@pytest.mark.parametrize(("least", "by_interval", "ok"), [(0.4, False, True), (0.6, False, False), (0.4, True, False)])
def test_the_mean_grade_or_its_lower_end_must_reach_the_least(
    judged: Scorecard, least: float, by_interval: bool, ok: bool
) -> None:
    gate = check(judged, judge_grade=least, by_interval=by_interval)
    assert gate.ok is ok and "of 5 by claude-judge" in gate.text
    assert gate.label == f"Judge's mean grade at least {1 + 4 * least:.2f} of 5"
    assert gate.text.startswith("lower end of the interval" if by_interval else "student 3.")


def test_wins_against_the_teacher_count_ties_half(judged: Scorecard) -> None:
    gate = check(judged, judge_wins=0.05)
    assert gate.ok and gate.text.startswith("student 8.3 %"), gate.text
    assert not check(judged, judge_wins=0.5).ok


def test_without_a_judge_the_gates_are_closed_and_say_what_to_do(scorecard: Scorecard) -> None:
    found = gates.check(scorecard, Policy(judge_grade=0.5, judge_wins=0.5, judge_health=True))
    assert [gate.ok for gate in found] == [False] * 3
    assert all("Judge the answers" in gate.text for gate in found)


def test_the_judge_must_agree_with_people_only_where_people_graded(judged: Scorecard, reviewer: User) -> None:
    assert check(judged, judge_health=True).ok
    judge = read_report(judged.report)["judges"][0]
    for _ in range(4):
        following = golden.next_for(judged, judge, reviewer)
        assert following is not None
        golden.grade(judged, judge, following.key, score=str(reports.worth(following.answer)), note="", user=reviewer)
    gate = check(judged, judge_health=True)
    assert not gate.ok and gate.text.startswith("4 answers graded by people; 30")


def test_a_judge_known_well_enough_opens_or_closes_by_its_agreement(
    judged: Scorecard, reviewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.signoff.judge_gates.ENOUGH", 6)
    judge = read_report(judged.report)["judges"][0]
    while (following := golden.next_for(judged, judge, reviewer)) is not None:
        score = reports.worth(following.answer)
        golden.grade(judged, judge, following.key, score=str(score), note="", user=reviewer)
    gate = check(judged, judge_health=True)
    assert gate.ok and gate.text.startswith("Kappa 1.00")
