from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from studio.models import Membership, Workspace
from tests.conftest import make_member
from vault.models import DatasetVersion, ReviewRound, ReviewTask

ROUNDS = "/w/lab/vault/datasets/tickets/v1/review/"
ROUND = "/w/lab/vault/datasets/tickets/review/1/"
DESK = ROUND + "desk/"
HX = {"HX-Request": "true"}
JSON = {"Accept": "application/json"}


@pytest.fixture
def people(workspace: Workspace, version: DatasetVersion) -> list[User]:
    """Ada and Ben, reviewers."""
    found = []
    for name in ("ada", "ben"):
        user = make_member(workspace, "reviewer")
        User.objects.filter(pk=user.pk).update(username=name)
        user.refresh_from_db()
        found.append(user)
    return found


@pytest.fixture
def clients(people: list[User], sign_in: Callable[[User], Client]) -> tuple[Client, Client]:
    """Ada's and Ben's browsers."""
    return sign_in(people[0]), sign_in(people[1])


def begin(client: Client, reviewers: list[User], **more: Any) -> Any:
    values = {"order": "rows", "rows": 4, "per_row": 2, "people": [u.pk for u in reviewers], "query": ""}
    return client.post(ROUNDS + "start/", values | more)


def judge(client: Client, position: int, answer: str = "accept", **more: Any) -> Any:
    return client.post(f"{ROUND}rows/{position}/", {"answer": answer, "revision": 0} | more, headers=JSON)


def test_an_editor_begins_a_round_over_a_filter(editor_client: Client, people: list[User]) -> None:
    page = editor_client.get(ROUNDS, {"label": "card_arrival"}).text
    assert "Only 2 rows of 60" in page and "New round over version 1" in page
    assert begin(editor_client, people, query="label=card_arrival", title="First look").url == ROUND
    assert "First look" in editor_client.get(ROUNDS).text
    assert ReviewRound.objects.get().items.count() == 2


@pytest.mark.parametrize("more", [{"rows": 0}, {"per_row": 3}, {"people": [99]}, {"order": "zzz"}, {"query": "q=zzzz"}])
def test_a_round_that_makes_no_sense_is_said_beside_the_form(
    editor_client: Client, people: list[User], more: dict[str, Any]
) -> None:
    page = begin(editor_client, people, **more)
    assert page.status_code == 422 and ("field-error" in page.text or "The round was not begun" in page.text)
    assert not ReviewRound.objects.exists()


def test_roles_are_kept(
    editor_client: Client,
    viewer_client: Client,
    stranger_client: Client,
    people: list[User],
    clients: tuple[Client, Client],
) -> None:
    assert begin(viewer_client, people).status_code == 403
    assert begin(clients[0], people).status_code == 403
    begin(editor_client, people)
    for path in ("decide", "judge"):
        assert viewer_client.post(f"{ROUND}rows/1/{'decide/' if path == 'decide' else ''}").status_code == 403
    for action in ("close/", "extend/", "share/", "rows/1/decide/"):
        assert clients[0].post(ROUND + action).status_code == 403
    for path in (ROUNDS, ROUND, DESK):
        assert stranger_client.get(path).status_code == 404
    assert stranger_client.post(ROUND + "rows/1/").status_code == 404
    assert viewer_client.get(ROUND).status_code == 200 and viewer_client.get(DESK).status_code == 403


def test_the_desk_shows_a_row_and_takes_its_verdict(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada = clients[0]
    page = ada.get(DESK).text
    assert "Where is my card?" in page and "review-desk" in page and 'data-key="a"' in page
    fragment = ada.get(DESK, {"after": 1}, headers=HX).text
    assert "<html" not in fragment and "&lt;script&gt;alert(1)&lt;/script&gt;" in fragment
    answer = judge(ada, 1, "edit", text="top_up", tags="odd, late", comment="hm")
    assert answer.json() == {"position": 1, "revision": 1, "progress": {"done": 1, "total": 4, "note": ""}}
    again = ada.get(DESK, {"at": 1}).text
    assert "You said: edited" in again and "odd, late" in again


def test_a_form_without_script_goes_on_to_the_next_row(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada = clients[0]
    answer = ada.post(ROUND + "rows/1/", {"answer": "accept", "revision": 0})
    assert answer.url == f"{DESK}?after=1"
    assert ada.post(ROUND + "undo/").url == f"{DESK}?at=1"
    assert ada.post(ROUND + "undo/").status_code == 302
    assert "There is nothing to undo" in ada.get(DESK).text


def test_a_double_press_is_one_verdict_and_two_tabs_are_told(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada = clients[0]
    assert judge(ada, 1).json()["revision"] == judge(ada, 1).json()["revision"] == 1
    refused = judge(ada, 1, "reject")
    assert refused.status_code == 409 and "another tab" in refused.json()["error"]
    assert ReviewTask.objects.get(seat__user=people[0], item__position=1).answer == "accept"
    undone = ada.post(ROUND + "undo/", {"position": 1, "revision": 1}, headers=JSON)
    assert undone.json()["position"] == 1 and undone.json()["progress"]["done"] == 0


def test_reviewers_are_blind_to_each_other_until_done(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada, ben = clients
    for position in range(1, 5):
        judge(ben, position, "reject", comment="SECRET-OPINION", tags="SECRET-TAG")
    for path in (ROUND, ROUND + "?tab=differences", ROUND + "?tab=differences&show=all", DESK, DESK + "?at=1", ROUNDS):
        page = ada.get(path)
        assert "SECRET" not in page.text and "Rejected</" not in page.text, path
    assert ada.get(ROUND, {"tab": "differences"}).status_code == 403
    rejected = ada.get("/w/lab/vault/datasets/tickets/v1/", {"verdict": "rejected"})
    assert "SECRET" not in rejected.text
    for position in range(1, 5):
        judge(ada, position)
    page = ada.get(ROUND, {"tab": "differences"})
    assert page.status_code == 200 and "SECRET-OPINION" in page.text and "SECRET-TAG" in page.text
    late = judge(ada, 1, "reject", revision=1)
    assert late.status_code == 422 and "You have seen what the others said" in late.json()["error"]


def test_one_reviewer_does_not_get_at_the_row_of_another(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people, per_row=1)
    theirs = ReviewTask.objects.filter(seat__user=people[1]).first()
    assert theirs is not None
    position = theirs.item.position
    assert judge(clients[0], position).status_code == 404
    assert clients[0].get(DESK, {"at": position}).status_code == 404
    assert clients[0].post(ROUND + "undo/", {"position": position}, headers=JSON).status_code == 422


def test_an_editor_decides_and_closes(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    for position in range(1, 5):
        judge(clients[0], position)
        judge(clients[1], position, "accept" if position > 2 else "edit", text="other")
    overview = editor_client.get(ROUND).text
    assert "Cohen’s κ" in overview and "Krippendorff" in overview
    page = editor_client.get(ROUND, {"tab": "differences"}).text
    assert "2 rows on which reviewers differ" in page and "Take ben’s edit" in page
    assert "Take ben’s edit" not in clients[0].get(ROUND, {"tab": "differences"}).text
    decided = editor_client.post(ROUND + "rows/1/decide/", {"answer": "edit", "text": "other"}, headers=HX)
    assert "Decided by editor-of-lab: edited" in decided.text and "<html" not in decided.text
    assert editor_client.post(ROUND + "rows/2/decide/", {"answer": "skip"}).status_code == 302
    assert editor_client.post(ROUND + "close/").url == ROUND
    closed = editor_client.get(ROUND).text
    assert (
        "1 row changed as edits of version 1" in closed and "1 left as they were because reviewers differed" in closed
    )
    assert judge(clients[0], 1, "reject", revision=1).status_code == 422
    assert "This round is closed" in clients[0].get(DESK).text


def test_a_random_sample_says_how_many_more_rows(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people, order="random", rows=20, per_row=1)
    page = editor_client.get(ROUND, {"margin": "10"}).text
    assert "No row was judged yet" in page and "more rows to judge" in page
    task = ReviewTask.objects.filter(seat__user=people[0]).first()
    assert task is not None
    answer = judge(clients[0], task.item.position, "reject")
    assert "100.0 % wrong" in json.dumps(answer.json(), ensure_ascii=False)
    assert "95 % interval" in editor_client.get(ROUND, headers=HX).text
    assert editor_client.post(ROUND + "extend/", {"rows": "5"}).url == ROUND
    assert ReviewRound.objects.get().items.count() == 25


def test_rows_of_somebody_who_left_are_shared_anew(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people, per_row=1)
    Membership.objects.get(user=people[0]).delete()
    assert clients[0].get(DESK).status_code == 404 and judge(clients[0], 1).status_code == 404
    assert "Share open rows anew" in editor_client.get(ROUND).text
    editor_client.post(ROUND + "share/", {"people": ["", "99999"]})
    assert set(ReviewTask.objects.values_list("seat__user", flat=True)) == {people[1].pk}


@pytest.mark.parametrize("path", ["review/9/", "review/9/desk/"])
def test_a_round_that_is_not_there_is_404(editor_client: Client, version: DatasetVersion, path: str) -> None:
    assert editor_client.get(f"/w/lab/vault/datasets/tickets/{path}").status_code == 404


def test_a_person_without_rows_has_no_desk(editor_client: Client, people: list[User]) -> None:
    begin(editor_client, people)
    assert editor_client.get(DESK).status_code == 404


def test_rows_that_wait_for_a_person_are_on_the_home_page_and_in_review(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada = clients[0]
    for path in ("/w/lab/", "/w/lab/review/"):
        assert "4 rows wait for your review" in ada.get(path).text
        assert "for your review" not in editor_client.get(path).text
    assert 'hx-swap="innerHTML">1<' in ada.get("/w/lab/activity/").text


def test_a_row_fetched_ahead_is_one_further_on_never_one_whose_verdict_is_on_its_way(
    editor_client: Client, people: list[User], clients: tuple[Client, Client]
) -> None:
    begin(editor_client, people)
    ada = clients[0]
    assert 'data-position="4"' in ada.get(DESK, {"after": 3, "ahead": "1"}, headers=HX).text
    assert ada.get(DESK, {"after": 4, "ahead": "1"}, headers=HX).status_code == 204
    assert 'data-position="1"' in ada.get(DESK, {"after": 4}, headers=HX).text


def test_the_rows_under_a_filter_lead_to_a_round_over_them(editor_client: Client, version: DatasetVersion) -> None:
    page = editor_client.get(f"{version.dataset.get_absolute_url()}?q=card&label=card_arrival").content.decode()
    found = re.search(r'href="([^"]*/v1/review/\?[^"]*)"', page)
    assert found
    address = html.unescape(found[1])
    assert "q=card" in address and "label=card_arrival" in address
    assert "label=card_arrival" in html.unescape(editor_client.get(address).content.decode())
