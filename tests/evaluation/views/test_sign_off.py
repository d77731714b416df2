"""The sign-off's box, page and rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.models import Decision, Scorecard, SignOff, SignOffPolicy
from evaluation.signoff import reading, records
from evaluation.signoff.policy import Policy
from pipelines.models import StepRun
from studio.jobs import State
from studio.models import Membership
from tests.evaluation.signoff.conftest import card as card
from tests.evaluation.signoff.conftest import say

Sign = Callable[[User], Client]


def url(name: str, card: Scorecard) -> str:
    return reverse(name, args=["lab", card.pk])


def send(client: Client, card: Scorecard, verdict: str = "approve", **more: str) -> object:
    fields = {"verdict": verdict, "seen": reading.look(card).digest, "reason": "", **more}
    return client.post(url("sign_off_decide", card), fields)


def test_the_report_has_the_box_with_what_a_reviewer_may_do(card: Scorecard, reviewer: User, sign_in: Sign) -> None:
    page = sign_in(reviewer).get(card.get_absolute_url()).content.decode()
    assert 'id="sign-off"' in page
    for text in ("Not asked for", "Approve report", "Request changes", "Reject", "Ask the team to sign"):
        assert text in page
    assert reading.look(card).digest in page


def test_a_viewer_sees_the_box_without_buttons(card: Scorecard, viewer_client: Client, reviewer: User) -> None:
    say(card, reviewer, reason="Read 50 rows.")
    for address in (card.get_absolute_url(), url("sign_off", card)):
        page = viewer_client.get(address).content.decode()
        assert "Read 50 rows." in page
        assert "Approve report" not in page
        assert "pill-approved" in page


def test_a_reviewer_approves_from_the_report(card: Scorecard, reviewer: User, sign_in: Sign) -> None:
    client = sign_in(reviewer)
    answer = send(client, card)
    assert answer.status_code == 302  # type: ignore[attr-defined]
    assert answer["Location"] == f"{card.get_absolute_url()}#sign-off"  # type: ignore[index]
    assert SignOff.objects.get().state == "approved"
    page = client.get(card.get_absolute_url()).content.decode()
    assert "Recorded. Sign-off: approved." in page
    assert "Withdraw my decision" in page


def test_the_author_is_told_that_his_approval_is_not_enough(
    card: Scorecard, editor: User, reviewer: User, sign_in: Sign
) -> None:
    page = sign_in(editor).get(card.get_absolute_url()).content.decode()
    assert "your approval alone is not enough" in page


def test_who_is_alone_is_told_what_to_do(card: Scorecard, editor: User, sign_in: Sign) -> None:
    Membership.objects.exclude(user=editor).delete()
    client = sign_in(editor)
    page = client.get(card.get_absolute_url()).content.decode()
    assert "Add a second person, or allow it in the rules" in page
    records.change_policy(card.workspace, Policy(alone=True), by=editor, revision=0)
    send(client, card)
    assert "signed alone" in client.get(card.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("verdict", "reason", "said"),
    [("changes", "", "Say why"), ("reject", " ", "Say why"), ("shrug", "x", "is not a decision")],
)
def test_bad_input_is_shown_with_what_was_typed(
    card: Scorecard, reviewer: User, sign_in: Sign, verdict: str, reason: str, said: str
) -> None:
    answer = send(sign_in(reviewer), card, verdict, reason=reason)
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert said in answer.content.decode()  # type: ignore[attr-defined]
    assert not Decision.objects.exists()


def test_an_old_page_signs_nothing_and_keeps_what_was_typed(card: Scorecard, reviewer: User, sign_in: Sign) -> None:
    answer = send(sign_in(reviewer), card, "changes", seen="0" * 64, reason="Too few rows.")
    page = answer.content.decode()  # type: ignore[attr-defined]
    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert "changed after you opened this page" in page
    assert "Too few rows." in page
    assert not Decision.objects.exists()


def test_a_void_sign_off_says_why_and_can_be_asked_for_again(
    card: Scorecard, reviewer: User, sign_in: Sign, viewer_client: Client
) -> None:
    say(card, reviewer)
    card.scores.filter(metric="accuracy", kind="student").update(value=1.0)
    page = viewer_client.get(card.get_absolute_url()).content.decode()
    assert "This sign-off no longer holds" in page
    assert "The figures kept of the report changed." in page
    client = sign_in(reviewer)
    assert "Ask for a new sign-off" in client.get(url("sign_off", card)).content.decode()
    assert client.post(url("sign_off_ask", card), {"from": "page"})["Location"] == url("sign_off", card)
    assert SignOff.objects.count() == 2


def test_a_decision_is_withdrawn_once(card: Scorecard, reviewer: User, sign_in: Sign) -> None:
    say(card, reviewer)
    client = sign_in(reviewer)
    assert client.post(url("sign_off_withdraw", card)).status_code == 302
    answer = client.post(url("sign_off_withdraw", card))
    assert answer.status_code == 422
    assert "no decision here to withdraw" in answer.content.decode()
    assert "withdrawn" in client.get(card.get_absolute_url()).content.decode()


def test_a_closed_gate_is_shown_and_the_approval_disabled(card: Scorecard, owner: User, sign_in: Sign) -> None:
    records.change_policy(card.workspace, Policy(minimums={"accuracy": 0.99}), by=owner, revision=0)
    client = sign_in(owner)
    page = client.get(card.get_absolute_url()).content.decode()
    assert "Accuracy at least 99.0 %" in page
    assert "student 83.3 %" in page
    assert 'value="approve" disabled' in page
    assert send(client, card).status_code == 422  # type: ignore[attr-defined]


def test_the_checklist_is_ticked_in_the_box(card: Scorecard, owner: User, sign_in: Sign) -> None:
    records.change_policy(card.workspace, Policy(checklist=("Read 20 rows",)), by=owner, revision=0)
    client = sign_in(owner)
    assert "Not ticked yet" in send(client, card).content.decode()  # type: ignore[attr-defined]
    assert send(client, card, checked="Read 20 rows").status_code == 302  # type: ignore[attr-defined]
    assert "Ticked: Read 20 rows" in client.get(url("sign_off", card)).content.decode()


def test_the_lists_show_where_each_report_stands(card: Scorecard, reviewer: User, viewer_client: Client) -> None:
    say(card, reviewer)
    for address in (reverse("evaluations", args=["lab"]), reverse("workspace_home", args=["lab"])):
        assert "pill-approved" in viewer_client.get(address).content.decode()


def test_the_review_page_home_and_rail_count_what_waits_for_me(
    card: Scorecard, reviewer: User, editor: User, owner: User, sign_in: Sign
) -> None:
    records.ask(card, by=owner)
    client = sign_in(reviewer)
    assert url("sign_off", card) in client.get(reverse("review", args=["lab"])).content.decode()
    assert url("sign_off", card) in client.get(reverse("workspace_home", args=["lab"])).content.decode()
    activity = reverse("activity", args=["lab"])
    assert ">1</hx-partial>" in client.get(activity).content.decode()
    assert ">1</hx-partial>" not in sign_in(editor).get(activity).content.decode()


def test_a_waiting_gate_links_to_the_sign_off(card: Scorecard, editor_client: Client) -> None:
    StepRun.objects.create(
        run=card.step_run.run, node="gate", position=2, step="review_gate", version=1, queue="cpu",
        state=State.WAITING, error="The report waits.", wiring={"report": {"node": "evaluate", "port": "report"}},
    )  # fmt: skip
    page = editor_client.get(reverse("run_step", args=["lab", 1, "gate"])).content.decode()
    assert url("sign_off", card) in page
    assert 'value="go"' not in page
    assert url("sign_off", card) in editor_client.get(reverse("review", args=["lab"])).content.decode()


@pytest.mark.parametrize("name", ["sign_off_decide", "sign_off_withdraw", "sign_off_ask"])
def test_viewers_may_not_write_and_strangers_find_nothing(
    card: Scorecard, viewer_client: Client, stranger_client: Client, name: str
) -> None:
    assert viewer_client.post(url(name, card)).status_code == 403
    assert stranger_client.post(url(name, card)).status_code == 404
    assert stranger_client.get(url("sign_off", card)).status_code == 404
    assert viewer_client.get(url(name, card)).status_code == 405


RULES = {"approvals": 2, "least_role": "editor", "from_editors": "", "from_owners": 1, "checklist": "", "revision": 0}


def test_an_owner_changes_the_rules(owner: User, sign_in: Sign) -> None:
    client, address = sign_in(owner), reverse("sign_off_rules", args=["lab"])
    assert "nobody has changed them" in client.get(address).content.decode()
    more = {"checklist": "Read the rows\n\n Checked the licence ", "minimum_accuracy": "92.5", "parity": "on"}
    more |= {"judge_grade": "75", "judge_wins": "45.5", "judge_health": "on"}
    assert client.post(address, {**RULES, **more}).status_code == 302
    rules = reading.policy_of(SignOffPolicy.objects.get().workspace)
    assert rules == Policy(
        approvals=2, least_role="editor", from_owners=1, parity=True, minimums={"accuracy": 0.925},
        checklist=("Read the rows", "Checked the licence"), judge_grade=0.75, judge_wins=0.455, judge_health=True,
    )  # fmt: skip
    page = client.get(address).content.decode()
    assert 'value="92.5"' in page and 'value="45.5"' in page
    assert "grade is at least 75" in page and "The judge agrees with people, where" in page
    assert "Changed" in page


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"approvals": 0}, "greater than or equal to 1"),
        ({"from_owners": 3}, "More approvals by editors or owners"),
        ({"checklist": "a\na"}, "same item twice"),
        ({"minimum_accuracy": "150"}, "less than or equal to 100"),
        ({"judge_grade": "-1"}, "greater than or equal to 0"),
        ({"revision": 7}, "Somebody else changed the rules"),
    ],
)
def test_wrong_rules_are_shown(owner: User, sign_in: Sign, wrong: dict[str, object], said: str) -> None:
    answer = sign_in(owner).post(reverse("sign_off_rules", args=["lab"]), {**RULES, **wrong})
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not SignOffPolicy.objects.exists()


def test_everybody_sees_the_rules_and_only_owners_change_them(
    viewer_client: Client, editor_client: Client, stranger_client: Client
) -> None:
    address = reverse("sign_off_rules", args=["lab"])
    assert "Only owners change the rules" in viewer_client.get(address).content.decode()
    assert editor_client.post(address, RULES).status_code == 403
    assert stranger_client.get(address).status_code == 404
