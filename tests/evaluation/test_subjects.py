"""Comments on reports and their rows: found in their own workspace, and nowhere else."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evaluation import subjects
from evaluation.models import Scorecard
from studio import comments
from studio.models import Workspace


def test_a_report_and_its_rows_are_found(scorecard: Scorecard, other_workspace: Workspace) -> None:
    report = subjects.find_report(scorecard.workspace, str(scorecard.pk))
    assert report is not None and report.url == scorecard.get_absolute_url()
    last = subjects.row_key(scorecard, scorecard.rows - 1)
    row = subjects.find_row(scorecard.workspace, last)
    assert row is not None
    assert row.title.startswith(f"row {scorecard.rows} of ") and row.url.endswith(f"?row={scorecard.rows - 1}")
    assert subjects.find_report(other_workspace, str(scorecard.pk)) is None
    assert subjects.find_row(other_workspace, last) is None


def test_what_is_no_report_or_row_is_not_found(scorecard: Scorecard) -> None:
    room, pk = scorecard.workspace, scorecard.pk
    for key in ("", "x", str(uuid.uuid4()), f"{pk}:0"):
        assert subjects.find_report(room, key) is None
    for key in (
        "",
        str(pk),
        f"{pk}:",
        f"{pk}:{scorecard.rows}",
        f"{pk}:-1",
        f"{pk}:01",
        f"{pk}:x",
        f"{uuid.uuid4()}:0",
    ):
        assert subjects.find_row(room, key) is None


def test_open_threads_of_all_rows_are_counted_at_once(scorecard: Scorecard, reviewer: User) -> None:
    for rid in (0, 0, 2):
        key = subjects.row_key(scorecard, rid)
        subject = subjects.find_row(scorecard.workspace, key)
        assert subject is not None
        comments.say(scorecard.workspace, kind="report_row", key=key, subject=subject, text="Hm.", by=reviewer)
    found = comments.count_open_under(scorecard.workspace, "report_row", f"{scorecard.pk}:")
    assert found == {f"{scorecard.pk}:0": 2, f"{scorecard.pk}:2": 1}


def test_the_report_and_the_drawer_of_a_row_have_their_comments(scorecard: Scorecard, viewer_client: Client) -> None:
    def loads(kind: str, key: str) -> str:
        return f'hx-get="{reverse("comments", args=["lab", kind, key])}"'

    assert loads("report", str(scorecard.pk)) in viewer_client.get(scorecard.get_absolute_url()).text
    drawer = viewer_client.get(reverse("evaluation_rows", args=["lab", scorecard.pk]) + "?row=1")
    assert loads("report_row", f"{scorecard.pk}:1") in drawer.text
