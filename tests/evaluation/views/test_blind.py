"""Pages of a blind review."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.blind import rounds
from evaluation.models import BlindReview, BlindTask, Scorecard
from studio.models import Membership
from tests.evaluation.blind.test_rounds import begin

Sign = Callable[[User], Client]


def url(name: str, card: Scorecard, *more: object) -> str:
    return reverse(name, args=["lab", card.pk, *more])


@pytest.fixture
def review(scorecard: Scorecard, reviewer: User, owner: User) -> BlindReview:
    return begin(scorecard, [reviewer], owner)


def test_an_editor_begins_one_and_it_waits_for_the_judges(
    scorecard: Scorecard, reviewer: User, editor_client: Client, sign_in: Sign
) -> None:
    fields = {
        "kind": "pairs", "first": "student", "second": "base", "plan": "random", "rows": "20", "per_row": "1",
        "people": [str(reviewer.pk)],
    }  # fmt: skip
    assert "Begin review" in editor_client.get(url("blind_reviews", scorecard)).content.decode()
    assert editor_client.post(url("blind_start", scorecard), fields).status_code == 302
    found = BlindReview.objects.get()
    judge = sign_in(reviewer)
    assert f"{found.get_absolute_url()}desk/" in judge.get(reverse("review", args=["lab"])).content.decode()


def test_a_wrong_form_is_shown(scorecard: Scorecard, editor_client: Client, reviewer: User) -> None:
    fields = {"kind": "pairs", "first": "base", "second": "base", "plan": "random", "rows": "0", "per_row": "1"}
    answer = editor_client.post(url("blind_start", scorecard), fields)
    assert answer.status_code == 422
    assert "greater than or equal to 1" in answer.content.decode()
    answer = editor_client.post(url("blind_start", scorecard), {**fields, "rows": "5", "people": [str(reviewer.pk)]})
    assert "Two different candidates" in answer.content.decode()


def test_the_desk_shows_two_answers_and_no_name(review: BlindReview, reviewer: User, sign_in: Sign) -> None:
    page = sign_in(reviewer).get(url("blind_desk", review.scorecard, 1)).content.decode()
    body = page[page.index('id="content"') :]
    assert body.count("blind-answer") >= 2
    assert f"0 / {review.differing}" in body
    for name in ("student", "Student", "base", "Base", "swapped"):
        assert name not in body[: body.index("</main>")]


def test_votes_go_on_to_the_next_and_are_undone(review: BlindReview, reviewer: User, sign_in: Sign) -> None:
    client = sign_in(reviewer)
    for task in rounds.tasks_of(review, reviewer):
        assert (
            client.post(
                url("blind_vote", review.scorecard, 1, task.pk), {"choice": "left", "revision": "0"}
            ).status_code
            == 302
        )
    desk = url("blind_desk", review.scorecard, 1)
    assert "You have judged everything" in client.get(desk).content.decode()
    last = BlindTask.objects.order_by("-judged_at").first()
    assert last is not None
    assert client.post(url("blind_undo", review.scorecard, 1, last.pk), {"revision": "1"})["Location"] == desk
    assert f"{review.differing - 1} / {review.differing}" in client.get(desk).content.decode()


def test_a_stale_vote_is_shown(review: BlindReview, reviewer: User, sign_in: Sign) -> None:
    task = rounds.tasks_of(review, reviewer)[0]
    client, address = sign_in(reviewer), url("blind_vote", review.scorecard, 1, task.pk)
    for fields in ({"choice": "shrug", "revision": "0"}, {"choice": "left", "revision": "9"}, {"choice": "left"}):
        assert client.post(address, fields).status_code == 422


def test_nobody_votes_for_somebody_else(review: BlindReview, reviewer: User, editor_client: Client) -> None:
    task = rounds.tasks_of(review, reviewer)[0]
    assert (
        editor_client.post(
            url("blind_vote", review.scorecard, 1, task.pk), {"choice": "left", "revision": "0"}
        ).status_code
        == 404
    )
    assert editor_client.get(url("blind_desk", review.scorecard, 1)).status_code == 404


def test_the_result_shows_in_the_report_once_it_is_closed(
    review: BlindReview, reviewer: User, owner: User, editor_client: Client
) -> None:
    rounds.vote(rounds.tasks_of(review, reviewer)[0], choice="left", scores={}, revision=0)
    report, page = review.scorecard.get_absolute_url(), review.get_absolute_url()
    for address in (report, page):
        assert "Judged blind by people" not in editor_client.get(address).content.decode()
    assert editor_client.post(url("blind_close", review.scorecard, 1)).status_code == 302
    Membership.objects.filter(user=reviewer).delete()
    for address in (report, page):
        shown = editor_client.get(address).content.decode()
        assert "Judged blind by people" in shown
        assert f"{reviewer.username} (no longer in the team)" in shown or address == page
    assert "no longer in the team" in editor_client.get(page).content.decode()


def test_a_rating_is_shown_by_criterion(scorecard: Scorecard, reviewer: User, owner: User, sign_in: Sign) -> None:
    review = begin(scorecard, [reviewer], owner, kind="rating", criteria=["right"])
    client, task = sign_in(reviewer), rounds.tasks_of(review, reviewer)[0]
    assert "How good is this answer?" in client.get(url("blind_desk", scorecard, 1)).content.decode()
    vote = url("blind_vote", scorecard, 1, task.pk)
    assert client.post(vote, {"choice": "rated", "revision": "0"}).status_code == 422
    assert client.post(vote, {"choice": "rated", "revision": "0", "score_0": "4"}).status_code == 302
    rounds.close(review, by=owner)
    assert "How people rated the answers" in client.get(scorecard.get_absolute_url()).content.decode()


def test_who_may_do_what(
    review: BlindReview, viewer_client: Client, stranger_client: Client, reviewer: User, sign_in: Sign
) -> None:
    card, task = review.scorecard, rounds.tasks_of(review, reviewer)[0]
    posts = [("blind_start", ()), ("blind_close", (1,)), ("blind_vote", (1, task.pk)), ("blind_undo", (1, task.pk))]
    for name, more in posts:
        assert viewer_client.post(url(name, card, *more)).status_code == 403
        assert stranger_client.post(url(name, card, *more)).status_code == 404
    assert viewer_client.get(url("blind_desk", card, 1)).status_code == 403
    for name, more in (("blind_reviews", ()), ("blind_review", (1,))):
        assert viewer_client.get(url(name, card, *more)).status_code == 200
        assert stranger_client.get(url(name, card, *more)).status_code == 404
    assert sign_in(reviewer).post(url("blind_close", card, 1)).status_code == 403
