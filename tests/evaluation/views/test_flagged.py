"""Rows sent on from an evaluation: flagged, closed, taken away, made a dataset."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation.models import FlaggedRow, Scorecard
from studio.models import AuditEvent
from vault import store
from vault.models import Dataset
from vault.rows import read_rows

LIST = "/w/lab/evaluations/flagged/"


@pytest.fixture
def flag_url(scorecard: Scorecard) -> str:
    """Where a row is flagged."""
    return reverse("flag_row", args=["lab", scorecard.pk])


@pytest.fixture
def keep_url(scorecard: Scorecard) -> str:
    """Where rows are kept."""
    return reverse("keep_rows", args=["lab", scorecard.pk])


def test_a_reviewer_flags_a_row_closes_it_and_flags_it_again(
    reviewer_client: Client, reviewer: User, scorecard: Scorecard, flag_url: str
) -> None:
    answer = reviewer_client.post(flag_url, {"rid": "2", "note": " the bank changed ", "back": "?view=wrong&row=2"})
    assert answer["Location"] == f"{scorecard.get_absolute_url()}rows/?view=wrong&row=2"
    flagged = FlaggedRow.objects.get()
    assert (flagged.rid, flagged.note, flagged.created_by) == (2, "the bank changed", reviewer)
    assert (flagged.question, flagged.right, flagged.answer) == ("question 2", "transfer", "card")
    assert b"the bank changed" in reviewer_client.get(LIST).content
    reviewer_client.post(flag_url, {"rid": "2", "do": "close", "from": "list"})
    assert b"the bank changed" not in reviewer_client.get(LIST).content
    assert b"the bank changed" in reviewer_client.get(LIST, {"state": "closed"}).content
    reviewer_client.post(flag_url, {"rid": "2", "do": "open"})
    flagged.refresh_from_db()
    assert flagged.closed_at is None


def test_flagging_twice_keeps_one_entry_with_the_last_note(reviewer_client: Client, flag_url: str) -> None:
    for note in ("one", "two"):
        reviewer_client.post(flag_url, {"rid": "0", "note": note})
    assert [f.note for f in FlaggedRow.objects.all()] == ["two"]


def test_the_list_goes_out_as_csv_that_no_spreadsheet_runs(
    reviewer_client: Client, scorecard: Scorecard, flag_url: str
) -> None:
    reviewer_client.post(flag_url, {"rid": "3", "note": "=HYPERLINK(1)"})
    answer = reviewer_client.get(LIST, {"format": "csv", "evaluation": str(scorecard.pk)})
    (line,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (line["row"], line["student"], line["note"]) == ("4", "card", "'=HYPERLINK(1)")


def test_an_empty_list_says_how_a_row_comes_onto_it(viewer_client: Client) -> None:
    assert b"No row is flagged" in viewer_client.get(LIST).content
    assert b"No flagged row matches" in viewer_client.get(LIST, {"q": "zebra"}).content


@pytest.mark.parametrize("rid", ["", "99", "x", "-1", "9" * 30])
def test_a_row_that_is_none_is_not_found(reviewer_client: Client, flag_url: str, rid: str) -> None:
    assert reviewer_client.post(flag_url, {"rid": rid}).status_code == 404


def test_rows_become_a_dataset_that_is_marked_as_held_out_and_grows(
    editor_client: Client, scorecard: Scorecard, keep_url: str
) -> None:
    answer = editor_client.post(keep_url, {"rid": ["2"], "back": "?row=2"})
    dataset = Dataset.objects.get()
    assert dataset.slug == "hard-rows-cards-1"
    assert answer["Location"] == reverse("dataset_version", args=["lab", dataset.slug, 1])
    editor_client.post(keep_url, {"filter": "view=differs"})
    version = dataset.versions.get(number=2)
    assert version.held_out
    assert version.parent == dataset.versions.get(number=1)
    rows = list(read_rows(store.path(version.artifact)))
    assert [row.id for row in rows] == ["r2", "r4"]
    assert rows[0].tags == ["hard"]
    assert rows[0].meta["hard"] == {"evaluation": str(scorecard.pk), "run": 1, "student": "card"}
    assert AuditEvent.objects.filter(verb="added hard rows to").count() == 2


def test_rows_that_are_there_already_make_no_version_and_say_so(editor_client: Client, keep_url: str) -> None:
    editor_client.post(keep_url, {"rid": "2"})
    page = editor_client.post(keep_url, {"rid": "2"}, follow=True)
    assert b"already" in page.content
    assert Dataset.objects.get().versions.count() == 1


def test_kept_rows_go_on_to_a_review(editor_client: Client, keep_url: str) -> None:
    answer = editor_client.post(keep_url, {"filter": "view=wrong", "then": "review"})
    assert answer["Location"].endswith("/v1/review/?tag=hard")
    assert editor_client.get(answer["Location"]).status_code == 200


def test_a_filter_that_leaves_no_row_keeps_nothing(editor_client: Client, keep_url: str) -> None:
    page = editor_client.post(keep_url, {"filter": "q=zebra"}, follow=True)
    assert b"No row is chosen" in page.content
    assert not Dataset.objects.exists()


def test_who_may_what(
    viewer_client: Client, reviewer_client: Client, stranger_client: Client, flag_url: str, keep_url: str
) -> None:
    assert viewer_client.post(flag_url, {"rid": "0"}).status_code == 403
    assert reviewer_client.post(keep_url, {"rid": "0"}).status_code == 403
    assert stranger_client.get(LIST).status_code == 404
    assert stranger_client.post(flag_url, {"rid": "0"}).status_code == 404
    assert stranger_client.post(keep_url, {"rid": "0"}).status_code == 404
    assert viewer_client.get(flag_url).status_code == 405
