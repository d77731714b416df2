"""A judge's preferences against those of people who judged the same pairs blind."""

from __future__ import annotations

from django.contrib.auth.models import User

from evaluation.blind import rounds
from evaluation.judging.blind_pairs import compared, majority
from evaluation.judging.golden import with_people
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report


def test_most_votes_decide_and_none_leading_is_a_tie() -> None:
    assert majority(["win", "win", "loss"]) == "win"
    assert majority(["win", "loss"]) == "tie"
    assert majority(["loss"]) == "loss"


def test_agreement_is_over_shared_rows_only() -> None:
    assert compared({1: "win"}, {2: "win"}) is None
    found = compared({1: "win", 2: "loss", 3: "tie"}, {1: "win", 2: "loss", 4: "win"})
    assert found is not None
    assert (found["n"], found["kappa"]["value"], found["exact"]["value"]) == (2, 1.0, 1.0)


def test_a_closed_blind_review_of_the_run_is_held_against_the_judge(
    judged: Scorecard, reviewer: User, owner: User
) -> None:
    review = rounds.start(
        judged, kind="pairs", plan="differ", sources=["teacher", "student"], criteria=[], rows=20, per_row=1,
        seed=1, people=[reviewer], by=owner,
    )  # fmt: skip
    for task in rounds.tasks_of(review, reviewer):
        # The teacher is the first source: it wins everywhere, as the judge says too.
        rounds.vote(task, choice="right" if task.swapped else "left", scores={}, revision=0)
    assert with_people(judged, read_report(judged.report))["judges"][0]["blind"] == []
    rounds.close(review, by=owner)
    (found,) = with_people(judged, read_report(judged.report))["judges"][0]["blind"]
    assert found["n"] == 9
    assert found["exact"]["value"] == 1
