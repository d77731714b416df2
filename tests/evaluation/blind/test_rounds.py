"""Drawing rows, sharing them out, taking votes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from evaluation.blind import rounds
from evaluation.models import BlindReview, BlindTask, Scorecard, SignOff
from evaluation.signoff import settling
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Membership
from tests.evaluation.signoff.conftest import say


def begin(card: Scorecard, people: list[User], by: User, **more: Any) -> BlindReview:
    """Student against base; they differ on five of the six rows, and base failed on two of these (r3, r4 empty)."""
    values: dict[str, Any] = {
        "kind": "pairs", "plan": "random", "sources": ["student", "base"], "criteria": [],
        "rows": 50, "per_row": 1, "seed": 7, "people": people, "by": by,
    }  # fmt: skip
    return rounds.start(card, **{**values, **more})


def test_rows_that_both_answered_are_drawn_and_equal_answers_are_not_asked(
    scorecard: Scorecard, reviewer: User, owner: User
) -> None:
    review = begin(scorecard, [reviewer], owner)
    items = {item.rid: item.differs for item in review.items.all()}
    assert review.population == len(items)
    assert review.differing == sum(items.values())
    assert items[5] is False, "both say cash"
    assert items[1] is True
    assert 3 not in items, "base failed there"
    assert BlindTask.objects.count() == review.differing


def test_only_differing_rows_can_be_drawn(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    review = begin(scorecard, [reviewer], owner, plan="differ")
    assert all(review.items.values_list("differs", flat=True))


def test_sides_are_drawn_by_lot_and_the_same_seed_draws_the_same(
    scorecard: Scorecard, reviewer: User, owner: User
) -> None:
    sides = []
    for seed in (1, 1, *range(2, 12)):
        review = begin(scorecard, [reviewer], owner, seed=seed)
        sides.append(tuple(rounds.tasks_of(review, reviewer).values_list("item__rid", "swapped")))
    assert sides[0] == sides[1]
    assert {swapped for side in sides for _, swapped in side} == {True, False}


def test_every_row_goes_to_as_many_people_as_asked(
    scorecard: Scorecard, reviewer: User, editor: User, owner: User
) -> None:
    review = begin(scorecard, [reviewer, editor, owner], owner, per_row=2)
    for item in review.items.filter(differs=True):
        assert item.tasks.count() == 2
    assert AuditEvent.objects.filter(verb="began a blind review of").count() == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sources": ["student", "student"]}, "Two different"),
        ({"sources": ["student", "nobody"]}, "Nobody called"),
        ({"per_row": 2}, "needs 2 people"),
        ({"kind": "rating"}, "1 to 6 criteria"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    scorecard: Scorecard, reviewer: User, owner: User, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(StudioError, match=said):
        begin(scorecard, [reviewer], owner, **wrong)
    assert not BlindReview.objects.exists()


@pytest.mark.parametrize("swapped", [False, True])
def test_left_means_what_stood_on_the_left(scorecard: Scorecard, reviewer: User, owner: User, swapped: bool) -> None:
    review = begin(scorecard, [reviewer], owner)
    task = rounds.tasks_of(review, reviewer)[0]
    task.swapped = swapped
    rounds.vote(task, choice="left", scores={}, revision=0)
    task.refresh_from_db()
    assert task.choice == ("second" if swapped else "first")


def test_a_vote_is_undone_and_a_stale_page_changes_nothing(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    task = rounds.tasks_of(begin(scorecard, [reviewer], owner), reviewer)[0]
    rounds.vote(task, choice="both", scores={}, revision=0)
    with pytest.raises(StudioError, match="another tab"):
        rounds.vote(task, choice="left", scores={}, revision=0)
    rounds.take_back(task, revision=1)
    task.refresh_from_db()
    assert (task.choice, task.judged_at, task.revision) == ("", None, 2)


def test_a_rating_needs_each_criterion(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    review = begin(scorecard, [reviewer], owner, kind="rating", criteria=["right", "clear"])
    assert review.items.count() == 2 * review.population
    task = rounds.tasks_of(review, reviewer)[0]
    with pytest.raises(StudioError, match="“clear” has no rating"):
        rounds.vote(task, choice="rated", scores={"score_0": "4", "score_1": "6"}, revision=0)
    rounds.vote(task, choice="rated", scores={"score_0": "4", "score_1": "5"}, revision=0)
    task.refresh_from_db()
    assert task.scores == {"right": 4, "clear": 5}
    assert rounds.close(review, by=owner).outcome["votes"] == 1


def test_an_unknown_choice_is_refused(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    task = rounds.tasks_of(begin(scorecard, [reviewer], owner), reviewer)[0]
    with pytest.raises(StudioError, match="is not a choice"):
        rounds.vote(task, choice="first", scores={}, revision=0)


def test_a_closed_review_takes_no_votes_and_keeps_its_outcome(
    scorecard: Scorecard, reviewer: User, owner: User
) -> None:
    review = begin(scorecard, [reviewer], owner)
    first, second = rounds.tasks_of(review, reviewer)[:2]
    rounds.vote(first, choice="left", scores={}, revision=0)
    outcome = rounds.close(review, by=owner).outcome
    assert outcome["votes"] == 1
    assert outcome["people"] == [{"name": reviewer.username, "done": 1, "total": review.differing}]
    with pytest.raises(StudioError, match="was closed"):
        rounds.vote(second, choice="left", scores={}, revision=0)
    with pytest.raises(StudioError, match="closed already"):
        rounds.close(review, by=owner)


def test_it_waits_for_those_who_still_may_judge(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    review = begin(scorecard, [reviewer], owner)
    (item,) = rounds.waiting_items(reviewer, scorecard.workspace)
    assert item["title"] == f"{review.differing} answers wait for your blind judgement"
    assert rounds.waiting_items(owner, scorecard.workspace) == []
    Membership.objects.filter(user=reviewer).update(role="viewer")
    assert rounds.waiting_items(reviewer, scorecard.workspace) == []


def test_the_result_is_part_of_what_is_signed(scorecard: Scorecard, reviewer: User, owner: User) -> None:
    review = begin(scorecard, [reviewer], owner)
    rounds.vote(rounds.tasks_of(review, reviewer)[0], choice="left", scores={}, revision=0)
    rounds.close(review, by=owner)
    found = say(scorecard, reviewer)
    assert found.frozen["blind"].keys() == {"1"}
    BlindReview.objects.update(outcome={"score": 1})
    assert settling.settle(SignOff.objects.get()).reasons == ["The result of blind review 1 changed."]
