"""The page "Where the student loses"."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.losses import losing
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from studio.jobs import State
from studio.models import Workspace
from tests.evaluation.lost_rows import record_losing
from vault import derivations
from vault.models import Derivation


@pytest.fixture
def card(workspace: Workspace) -> Scorecard:
    """The evaluation that loses two kinds of rows."""
    return record_losing(workspace)


def address(card: Scorecard, name: str = "evaluation_losses", *more: object) -> str:
    return reverse(name, args=["lab", card.pk, *more])


def group(card: Scorecard) -> None:
    """Do the job."""
    derivations.run(losing.request(card, read_report(card.report)).pk)


def test_opening_it_asks_for_the_groups_and_shows_how_far_they_are(viewer_client: Client, card: Scorecard) -> None:
    html = viewer_client.get(address(card)).content.decode()
    assert "Waiting for a worker" in html and "hx-get" in html
    assert Derivation.objects.filter(name=losing.NAME).count() == 1
    viewer_client.get(address(card))
    assert Derivation.objects.filter(name=losing.NAME).count() == 1


def test_each_group_has_its_share_its_mistakes_and_its_rows(viewer_client: Client, card: Scorecard) -> None:
    group(card)
    html = viewer_client.get(address(card)).content.decode()
    assert "24" in html and "stolen → lost" in html and "transfer → cash" in html
    assert "50" in html and "of all losses" in html and "of rows like these are lost" in html
    assert f"{address(card, 'evaluation_rows')}?group=1&amp;row=" in html
    assert "some of them will look better next time by chance alone" in html
    assert "hx-trigger" not in html.split('id="losses"')[1].split(">")[0]
    assert "Review these labels" not in html


def test_an_editor_is_offered_what_to_do(editor_client: Client, card: Scorecard) -> None:
    group(card)
    html = editor_client.get(address(card)).content.decode()
    assert "Review these labels" in html and "Keep as hard rows" in html
    there = editor_client.get(address(card, "evaluation_losses_review", 1))
    assert there.status_code == 302 and there["Location"].startswith(
        "/w/lab/vault/datasets/learnt/v1/review/?field=id&op=regex"
    )
    assert editor_client.get(there["Location"]).status_code == 200


def test_the_group_is_a_filter_of_the_rows_page_and_can_be_kept(editor_client: Client, card: Scorecard) -> None:
    group(card)
    html = editor_client.get(address(card, "evaluation_rows") + "?group=1").content.decode()
    assert "Group of lost rows" in html and "12" in html
    kept = editor_client.post(address(card, "keep_rows"), {"filter": "group=1", "back": "group=1"}, follow=True)
    assert "12 rows added" in kept.content.decode()


def test_a_fragment_is_answered_to_htmx(viewer_client: Client, card: Scorecard) -> None:
    html = viewer_client.get(address(card), HTTP_HX_REQUEST="true").content.decode()
    assert html.lstrip().startswith("<div") and "<html" not in html


def test_the_next_round_is_offered_as_soon_as_the_groups_are_there(editor_client: Client, card: Scorecard) -> None:
    waiting = editor_client.get(address(card)).content.decode()
    assert 'id="losses-next"' in waiting and "Plan the next round" not in waiting
    group(card)
    polled = editor_client.get(address(card), HTTP_HX_REQUEST="true").content.decode()
    assert '<hx-partial hx-target="#losses-next"' in polled and "Plan the next round" in polled
    assert "hx-partial" not in editor_client.get(address(card)).content.decode()


def test_a_failed_or_cancelled_grouping_says_so_and_can_be_tried_again(editor_client: Client, card: Scorecard) -> None:
    made = losing.request(card, read_report(card.report))
    editor_client.post(address(card, "evaluation_losses_cancel"))
    assert "The grouping was cancelled" in editor_client.get(address(card)).content.decode()
    editor_client.post(address(card, "evaluation_losses_again"))
    made.refresh_from_db()
    assert made.state == State.PENDING


def test_a_report_without_losses_and_one_with_few_say_what_there_is(
    viewer_client: Client, workspace: Workspace, scorecard: Scorecard
) -> None:
    perfect = record_losing(workspace, number=2, mends=frozenset({"stolen", "transfer"}))
    for one, words in ((perfect, "No row is lost"), (scorecard, "Too few rows were lost")):
        group(one)
        assert words in viewer_client.get(address(one)).content.decode()


def test_a_stranger_finds_nothing_and_a_viewer_changes_nothing(
    stranger_client: Client, viewer_client: Client, card: Scorecard
) -> None:
    group(card)
    assert stranger_client.get(address(card)).status_code == 404
    for name in ("evaluation_losses_cancel", "evaluation_losses_again"):
        assert stranger_client.post(address(card, name)).status_code == 404
        assert viewer_client.post(address(card, name)).status_code == 403
    assert viewer_client.get(address(card, "evaluation_losses_review", 1)).status_code == 403


def test_a_group_that_is_not_there_is_not_found(editor_client: Client, card: Scorecard) -> None:
    assert editor_client.get(address(card, "evaluation_losses_review", 1)).status_code == 404
    group(card)
    for number in (0, 3, 99):
        assert editor_client.get(address(card, "evaluation_losses_review", number)).status_code == 404
    assert (
        editor_client.get(
            reverse("evaluation_losses", args=["lab", "0" * 8 + "-0000-0000-0000-" + "0" * 12])
        ).status_code
        == 404
    )
