from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.lib.errors import StudioError
from studio.models import Membership
from tests.vault.reviewing.conftest import Begin
from vault.models import DatasetVersion, ReviewRound, ReviewTask
from vault.reviewing import rounds, verdicts


def say(review: ReviewRound, user: User, position: int, answer: str = "accept", **more: Any) -> ReviewTask:
    """A verdict as the desk gives it."""
    task = verdicts.tasks_of(review, user).get(item__position=position)
    values: dict[str, Any] = {"revision": task.revision, "tags": [], "original": None} | more
    return verdicts.judge(task, answer=answer, **values)


def test_a_verdict_is_kept_and_the_next_row_follows(begin: Begin, ada: User) -> None:
    review = begin()
    first = verdicts.next_task(review, ada)
    assert first is not None and first.item.position == 1
    say(review, ada, 1, "reject", tags=[" odd ", "", "odd", "two"], comment=" why ")
    task = verdicts.tasks_of(review, ada).get(item__position=1)
    assert (task.answer, task.tags, task.comment, task.revision) == ("reject", ["odd", "two"], "why", 1)
    following = verdicts.next_task(review, ada, after=1)
    assert following is not None and following.item.position == 2


def test_a_row_left_behind_comes_back_at_the_end(begin: Begin, ada: User) -> None:
    review = begin()
    for position in (2, 3, 4):
        say(review, ada, position)
    left = verdicts.next_task(review, ada, after=4)
    assert left is not None and left.item.position == 1
    say(review, ada, 1)
    assert verdicts.next_task(review, ada) is None


def test_the_same_verdict_twice_changes_nothing(begin: Begin, ada: User) -> None:
    review = begin()
    first = say(review, ada, 1, revision=0)
    second = say(review, ada, 1, revision=0)
    assert (first.revision, second.revision, second.judged_at) == (1, 1, first.judged_at)


def test_another_tab_that_shows_an_older_state_is_refused(begin: Begin, ada: User) -> None:
    review = begin()
    say(review, ada, 1, "accept", revision=0)
    with pytest.raises(verdicts.Stale, match="it is accepted there"):
        say(review, ada, 1, "reject", revision=0)
    assert say(review, ada, 1, "reject", revision=1).answer == "reject"


def test_a_late_repeat_does_not_bring_back_what_was_undone(begin: Begin, ada: User) -> None:
    review = begin()
    task = say(review, ada, 1, revision=0)
    verdicts.take_back(task, revision=1)
    with pytest.raises(verdicts.Stale, match="taken back"):
        say(review, ada, 1, revision=0)
    assert verdicts.tasks_of(review, ada).get(item__position=1).answer == ""


def test_undo_goes_back_verdict_by_verdict(begin: Begin, ada: User) -> None:
    review = begin()
    for position in (1, 2):
        say(review, ada, position)
    for expected in (2, 1):
        last = verdicts.last_judged(review, ada)
        assert last is not None and last.item.position == expected
        verdicts.take_back(last, revision=last.revision)
    assert verdicts.last_judged(review, ada) is None


def test_undo_of_what_another_tab_changed_is_refused(begin: Begin, ada: User) -> None:
    review = begin()
    task = say(review, ada, 1)
    say(review, ada, 1, "reject")
    with pytest.raises(verdicts.Stale):
        verdicts.take_back(task, revision=1)


def test_an_edit_that_changes_nothing_is_an_acceptance(begin: Begin, ada: User) -> None:
    review = begin()
    assert say(review, ada, 1, "edit", text="top_up", original="top_up").answer == "accept"
    task = say(review, ada, 2, "edit", text="a\r\nb", original="top_up")
    assert (task.answer, task.text) == ("edit", "a\nb")
    assert say(review, ada, 3, "edit", text="", original="x").text == ""


@pytest.mark.parametrize(
    "values",
    [
        {"answer": "maybe"},
        {"answer": "edit"},
        {"tags": ["x" * 61]},
        {"comment": "x" * 4001},
        {"tags": list("abcdefghijklmnopqrstu")},
    ],
)
def test_what_makes_no_sense_is_refused_and_kept_nowhere(begin: Begin, ada: User, values: dict[str, Any]) -> None:
    review = begin()
    with pytest.raises(StudioError):
        say(review, ada, 1, **values)
    assert not verdicts.tasks_of(review, ada).exclude(answer="").exists()


def test_nobody_compares_before_being_done_and_nobody_changes_his_mind_after(
    begin: Begin, ada: User, ben: User, editor: User
) -> None:
    review = begin()
    verdicts.compare(review, editor)
    with pytest.raises(StudioError, match="You still have 4 rows to review"):
        verdicts.compare(review, ada)
    for position in (1, 2, 3, 4):
        task = say(review, ada, position)
    verdicts.compare(review, ada)
    with pytest.raises(StudioError, match="You have seen what the others said"):
        verdicts.take_back(task, revision=task.revision)
    with pytest.raises(StudioError, match="You have seen what the others said"):
        say(review, ada, 1, "reject")
    assert say(review, ada, 1).answer == "accept"
    assert verdicts.is_blind(review, ben) and not verdicts.is_blind(review, ada)


def test_a_closed_round_takes_no_verdict_but_knows_a_repeated_one(begin: Begin, ada: User, editor: User) -> None:
    review = begin()
    say(review, ada, 1)
    rounds.close(review, by=editor)
    with pytest.raises(StudioError, match="was closed"):
        say(review, ada, 2)
    assert say(review, ada, 1, revision=0).answer == "accept"


def test_who_leaves_keeps_the_verdicts_and_loses_the_rows(
    begin: Begin, ada: User, ben: User, editor: User, sign_in: Any
) -> None:
    review = begin(per_row=1, rows=10)
    position = verdicts.tasks_of(review, ada).first().item.position  # type: ignore[union-attr]
    say(review, ada, position)
    Membership.objects.get(user=ada).delete()
    client: Client = sign_in(ada)
    assert client.get(f"{review.get_absolute_url()}desk/").status_code == 404
    rounds.add_people(review, people=[], by=editor)
    assert [t.item.position for t in verdicts.tasks_of(review, ada)] == [position]
    assert verdicts.tasks_of(review, ben).count() == 9
    ada.delete()
    said = ReviewTask.objects.get(item__round=review, item__position=position)
    assert said.answer == "accept" and said.seat.name == "ada"


def test_rows_are_found_by_verdict_and_not_by_that_of_others_in_an_open_round(
    begin: Begin, version: DatasetVersion, ada: User, ben: User, editor: User
) -> None:
    review = begin()
    say(review, ada, 1, "reject")
    say(review, ben, 2, "accept")

    def found(verdict: str, user: User | None) -> list[int]:
        return list(verdicts.positions_with(version, verdict, user=user))  # type: ignore[arg-type]

    assert found("rejected", ada) == [0]
    assert found("rejected", ben) == []
    assert found("none", ada) == list(range(1, 60))
    ben.delete()
    assert found("accepted", None) == []
    rounds.close(review, by=editor)
    assert found("rejected", None) == [0] and found("accepted", ada) == [1]
    assert found("none", ada) == list(range(2, 60))
    assert verdicts.positions_with(version, "zzz", user=ada) is None


def test_what_waits_for_a_person_is_counted(begin: Begin, ada: User, viewer: User, editor: User) -> None:
    review = begin()
    say(review, ada, 1)
    workspace = review.dataset.workspace
    assert verdicts.waiting(ada, workspace) == [(review, 3)]
    assert verdicts.waiting(viewer, workspace) == []
    rounds.close(review, by=editor)
    assert verdicts.waiting(ada, workspace) == []
