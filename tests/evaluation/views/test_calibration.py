"""The calibration page and its desk: blind grades, undo, agreement, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.judging import golden
from evaluation.models import GoldenGrade, GoldenItem, GoldenSet, Scorecard
from evaluation.report.scorecards import read_report, record_scorecard
from pipelines.models import StepRun
from studio.models import Workspace

Sign = Callable[[User], Client]


def url(name: str, card: Scorecard, *more: object) -> str:
    return reverse(name, args=["lab", card.pk, 1, *more])


def judge_of(card: Scorecard) -> dict[str, object]:
    found: dict[str, object] = read_report(card.report)["judges"][0]
    return found


def give(client: Client, card: Scorecard, user: User, score: str, note: str = "") -> None:
    shown = golden.next_for(card, judge_of(card), user)
    assert shown is not None
    fields = {"item": shown.key, "score": score, "note": note}
    assert client.post(url("judge_grade", card), fields).status_code == 302


def body_of(client: Client, address: str) -> str:
    page = client.get(address).content.decode()
    return page[page.index('id="content"') :]


def test_answers_are_graded_blind_kept_and_held_against_the_judge(
    judged: Scorecard, reviewer: User, owner: User, sign_in: Sign
) -> None:
    client, viewer = sign_in(reviewer), sign_in(owner)
    page = url("judge_calibration", judged)
    assert "No golden set yet" in body_of(viewer, page)
    desk = url("judge_desk", judged)
    shown = body_of(client, desk)
    for hidden in ("It says", "Student", "Teacher", "base", "claude"):
        assert hidden not in shown[: shown.index("</main>")]
    assert "Is the answer correct" in shown
    for score in ("5", "1", "3", "skip"):
        give(client, judged, reviewer, score, note="odd" if score == "1" else "")
    give(viewer, judged, owner, "5")
    assert GoldenSet.objects.get().rubric_id == judge_of(judged)["rubric_id"]
    assert (GoldenItem.objects.count(), GoldenGrade.objects.count()) == (4, 5)
    shown = body_of(viewer, page)
    assert "Weighted kappa" in shown
    assert "People against judge" in shown
    assert f"{reviewer.username}: odd" in shown
    assert "People among themselves" in shown
    assert "3 answers are few" in shown
    report = body_of(viewer, judged.get_absolute_url())
    assert "weighted kappa over 3 answers" in report
    assert "Only 3 answers were graded by people" in report
    markdown = viewer.get(reverse("evaluation_download", args=["lab", judged.pk, "md"])).content.decode()
    assert "weighted kappa over 3 answers" in markdown
    file = viewer.get(reverse("evaluation_download", args=["lab", judged.pk, "html"])).content.decode()
    assert "weighted kappa over 3 answers" in file
    assert "/w/lab/" not in file
    last = golden.last_of(judged, judge_of(judged), reviewer)
    assert last is not None
    undo = url("judge_undo", judged, last.pk)
    assert client.post(undo).status_code == 302
    assert client.post(undo).status_code == 422, "gone already"
    assert (
        viewer.post(url("judge_undo", judged, GoldenGrade.objects.filter(user=reviewer).first().pk)).status_code == 422
    )  # type: ignore[union-attr]


def test_wrong_grades_are_shown_and_nothing_is_kept(judged: Scorecard, reviewer: User, sign_in: Sign) -> None:
    client, address = sign_in(reviewer), url("judge_grade", judged)
    item = judge_of(judged)["drawn"][0][2]  # type: ignore[index]
    for fields in ({}, {"item": item, "score": "6"}, {"item": item, "score": "five"}, {"item": "0" * 32, "score": "5"}):
        answer = client.post(address, fields)
        assert answer.status_code == 422
        assert "callout-fail" in answer.content.decode()
    assert not GoldenGrade.objects.exists()


def test_a_second_grade_of_one_person_replaces_the_first(judged: Scorecard, reviewer: User, sign_in: Sign) -> None:
    client = sign_in(reviewer)
    item = judge_of(judged)["drawn"][0][2]  # type: ignore[index]
    for score in ("2", "4"):
        client.post(url("judge_grade", judged), {"item": item, "score": score})
    assert GoldenGrade.objects.get().score == 4


def test_strangers_see_nothing_and_viewers_do_not_grade(
    judged: Scorecard, stranger_client: Client, viewer_client: Client
) -> None:
    pages = [url("judge_calibration", judged), url("judge_desk", judged)]
    for address in pages:
        assert stranger_client.get(address).status_code == 404
    assert viewer_client.get(pages[0]).status_code == 200
    assert viewer_client.get(pages[1]).status_code == 403
    assert viewer_client.post(url("judge_grade", judged), {}).status_code == 403
    assert viewer_client.post(url("judge_undo", judged, 1)).status_code == 403


def test_a_report_without_such_a_judge_has_no_page(judged: Scorecard, editor_client: Client) -> None:
    for number in (0, 2):
        assert editor_client.get(reverse("judge_calibration", args=["lab", judged.pk, number])).status_code == 404


def test_an_opened_row_shows_grade_and_reason(judged: Scorecard, editor_client: Client) -> None:
    rows = reverse("evaluation_rows", args=["lab", judged.pk])
    shown = body_of(editor_client, f"{rows}?row=1")
    assert "2 of 5" in shown
    assert "It says: a bad reply, 1" in shown
    assert "Worse than Teacher" in shown
    assert "Judge and metric disagree" in shown


def test_the_report_shows_the_health_beside_the_grades(judged: Scorecard, editor_client: Client) -> None:
    shown = body_of(editor_client, judged.get_absolute_url())
    for words in (
        "Judged by claude-judge",
        "Same in both orders",
        "Prefers the first place",
        "Agrees with people",
        "Of one family with",
    ):
        assert words in shown
    assert url("judge_calibration", judged) in shown


@pytest.mark.parametrize("form", ["json", "csv"])
def test_downloads_hold_the_grades(judged: Scorecard, editor_client: Client, form: str) -> None:
    text = editor_client.get(reverse("evaluation_download", args=["lab", judged.pk, form])).content.decode()
    assert "judge" in text


def test_the_report_before_the_judge_leads_to_the_judged_one(
    judged: Scorecard, editor_client: Client, workspace: Workspace
) -> None:
    made = StepRun.objects.get(run=judged.step_run.run, node="made")
    before = record_scorecard(made)
    Scorecard.objects.filter(pk=before.pk).update(created_at=judged.created_at - timedelta(minutes=1))
    shown = body_of(editor_client, before.get_absolute_url())
    assert judged.get_absolute_url() in shown
    assert "with a judge&#x27;s grades" in shown or "with a judge's grades" in shown
    assert "with a judge" not in body_of(editor_client, judged.get_absolute_url())
    listed = body_of(editor_client, reverse("evaluations", args=["lab"]))
    assert listed.count("judged by a model") == 1
    boards = body_of(editor_client, reverse("evaluations_compare", args=["lab"]))
    assert before.get_absolute_url() not in boards, "one evaluation, not two students"
