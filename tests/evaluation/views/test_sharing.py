"""The links of a report, and the page behind one."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from evaluation.models import ReportShare, Scorecard
from evaluation.signoff.records import ask


def links(card: Scorecard) -> str:
    return reverse("report_shares", args=["lab", card.pk])


def make(client: Client, card: Scorecard, **more: str) -> str:
    """The path of a new link."""
    page = client.post(links(card), {"days": "7", **more}).content.decode()
    found = re.search(r"/s/[\w-]{40,}/", page)
    assert found is not None
    return found.group()


def test_a_link_is_shown_once_and_opens_the_report_without_an_account(
    editor_client: Client, scorecard: Scorecard, client: Client
) -> None:
    path = make(editor_client, scorecard, note="Auditor")
    listed = editor_client.get(links(scorecard)).content.decode()
    assert "Auditor" in listed
    assert path not in listed
    answer = client.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert scorecard.verdict.split(":")[0] in page
    assert answer["X-Robots-Tag"].startswith("noindex")
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer["Cache-Control"]


def test_the_page_has_nothing_of_the_workspace_around_it(
    editor_client: Client, scorecard: Scorecard, client: Client
) -> None:
    path = make(editor_client, scorecard)
    for reader in (client, editor_client):
        page = reader.get(path).content.decode()
        assert "/w/lab/" not in page
        assert "editor-of-lab" not in page
        assert 'class="rail"' not in page
        assert "<script" not in page


def test_rows_are_shown_only_when_chosen(editor_client: Client, scorecard: Scorecard, client: Client) -> None:
    assert "question 2" not in client.get(make(editor_client, scorecard)).content.decode()
    assert "question 2" in client.get(make(editor_client, scorecard, with_rows="1")).content.decode()


def test_the_sign_off_is_told(editor_client: Client, scorecard: Scorecard, client: Client) -> None:
    ask(scorecard, by=None)
    assert "pill-open" in client.get(make(editor_client, scorecard)).content.decode()


def test_a_revoked_link_is_not_found_and_says_so(editor_client: Client, scorecard: Scorecard, client: Client) -> None:
    path = make(editor_client, scorecard)
    revoke = reverse("report_share_revoke", args=["lab", scorecard.pk, ReportShare.objects.get().pk])
    assert editor_client.post(revoke).status_code == 302
    assert editor_client.post(revoke).status_code == 302
    answer = client.get(path)
    assert answer.status_code == 404
    assert "was revoked" in answer.content.decode()
    assert answer["X-Robots-Tag"].startswith("noindex")


def test_guessing_is_slowed_down(client: Client, db: None) -> None:
    cache.clear()
    answers = [client.get(f"/s/guess{n}/").status_code for n in range(22)]
    assert answers[0] == 404
    assert answers[-1] == 429
    cache.clear()


def test_only_reading_is_possible(editor_client: Client, scorecard: Scorecard, client: Client) -> None:
    assert client.post(make(editor_client, scorecard)).status_code == 405


@pytest.mark.parametrize("days", ["", "0", "x", "99999", "3650"])
def test_a_wrong_life_is_shown(editor_client: Client, scorecard: Scorecard, days: str) -> None:
    answer = editor_client.post(links(scorecard), {"days": days})
    assert answer.status_code == 422
    assert "A link lives" in answer.content.decode()
    assert not ReportShare.objects.exists()


def test_who_may_make_links(
    scorecard: Scorecard, viewer_client: Client, stranger_client: Client, editor_client: Client, owner: User
) -> None:
    make(editor_client, scorecard)
    revoke = reverse("report_share_revoke", args=["lab", scorecard.pk, ReportShare.objects.get().pk])
    assert viewer_client.get(links(scorecard)).status_code == 403
    assert viewer_client.post(revoke).status_code == 403
    assert stranger_client.get(links(scorecard)).status_code == 404
    assert stranger_client.post(revoke).status_code == 404
