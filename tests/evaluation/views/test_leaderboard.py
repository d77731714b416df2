"""The compare dashboard."""

from __future__ import annotations

import pytest
from django.test import Client

from evaluation.candidates.predictions import Candidate
from evaluation.figures.own_metrics import read_own
from evaluation.models import Scorecard
from evaluation.report.document import Options
from studio.models import Workspace
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, record_evaluation
from vault import store
from vault.rows import Row

URL = "/w/lab/evaluations/compare/"


@pytest.fixture
def later(workspace: Workspace, held_out: list[Row], candidates: list[Candidate], scorecard: Scorecard) -> Scorecard:
    """A second evaluation over the same rows."""
    student = make_candidate("student", ["cash", "cash", "transfer", "card", "transfer", "cash"])
    return record_evaluation(workspace, held_out, [*candidates[:2], student], Options(labels=LABELS), number=2)


def test_an_empty_dashboard_says_what_to_do_first(viewer_client: Client, workspace: Workspace) -> None:
    assert b"Nothing to compare yet" in viewer_client.get(URL).content


def test_evaluations_over_the_same_rows_share_a_table_and_meet_head_to_head(
    viewer_client: Client, scorecard: Scorecard, later: Scorecard
) -> None:
    page = viewer_client.get(URL).content.decode()
    assert page.count("Best first on this test set") == 2  # the region's name and the caption of one table
    assert f"{scorecard.get_absolute_url()}rows/?vs={later.pk}&amp;view=changed" in page
    assert "different test sets" not in page
    assert "no telling" in page


def test_several_students_of_one_evaluation_meet_each_other_with_their_own_answers(
    viewer_client: Client, workspace: Workspace
) -> None:
    rows = make_rows([("card", "card")] * 4)
    small = Candidate(
        "student_q4", "Q4", "student", make_candidate("student", ["cash", "cash", "card", "card"]).answers
    )
    record_evaluation(
        workspace, rows, [make_candidate("student", ["card"] * 4), small], Options(labels=["card", "cash"])
    )
    page = viewer_client.get(URL).content.decode()
    assert "Cards 1, run 1, student q4" in page
    assert "2 : 0, " in page
    assert "0 : 2, " in page
    assert "view=changed" not in page


def test_different_test_sets_are_said_and_kept_apart(
    viewer_client: Client, workspace: Workspace, scorecard: Scorecard, later: Scorecard
) -> None:
    rows = make_rows([("card", "cash"), ("cash", "cash")])
    other = record_evaluation(
        workspace, rows, [make_candidate("student", ["cash", "cash"])], Options(labels=LABELS), number=3
    )
    page = viewer_client.get(URL).content.decode()
    assert "2 different test sets" in page
    assert page.index(other.row_set[:8]) < page.index(scorecard.row_set[:8])
    assert "Who beats whom" not in page
    assert "Who beats whom" in viewer_client.get(URL, {"set": scorecard.row_set}).content.decode()


def test_pipeline_metric_time_and_who_are_in_the_address(
    viewer_client: Client, scorecard: Scorecard, later: Scorecard
) -> None:
    page = viewer_client.get(URL, {"q": "Cards 2"}).content.decode()
    assert later.get_absolute_url() in page
    assert f'href="{scorecard.get_absolute_url()}"' not in page
    assert "Kappa with teacher</th>" in viewer_client.get(URL, {"metric": "kappa"}).content.decode()
    assert b"No evaluation matches" in viewer_client.get(URL, {"until": "2001-01-01"}).content
    assert b"Teacher</" in viewer_client.get(URL, {"who": "all"}).content
    for nonsense in ({"since": "x"}, {"since": "2026-99-99"}, {"metric": "x"}, {"set": "x"}, {"who": "x"}):
        assert later.get_absolute_url() in viewer_client.get(URL, nonsense).content.decode()


def test_a_report_whose_files_are_gone_is_said_and_the_page_opens(
    viewer_client: Client, scorecard: Scorecard, later: Scorecard
) -> None:
    (store.path(scorecard.report) / "items.parquet").unlink()
    answer = viewer_client.get(URL)
    assert answer.status_code == 200
    assert scorecard.get_absolute_url() in answer.content.decode()


def test_no_rows_and_one_row_do_not_break_the_page(viewer_client: Client, workspace: Workspace) -> None:
    for number, pairs in ((1, []), (2, [("card", "card")]), (3, [("card", "card")])):
        said: list[str | None] = ["card"] * len(pairs)
        record_evaluation(
            workspace, make_rows(pairs), [make_candidate("student", said)], Options(labels=LABELS), number=number
        )
    page = viewer_client.get(URL).content.decode()
    assert "no figure" in page
    assert "Who beats whom" in page


def test_strangers_find_nothing(stranger_client: Client, workspace: Workspace) -> None:
    assert stranger_client.get(URL).status_code == 404
    assert stranger_client.post(URL).status_code in (404, 405)


def test_own_metrics_of_one_name_with_other_expressions_are_two_on_the_boards(
    viewer_client: Client, workspace: Workspace, held_out: list[Row], candidates: list[Candidate]
) -> None:
    for number, limit in ((3, 5), (4, 9)):
        own = read_own(f"- {{name: short, label: Short enough, expression: len(answer) <= {limit}}}")
        record_evaluation(workspace, held_out, candidates, Options(labels=LABELS, own=own), number=number)
    page = viewer_client.get(URL, {"metric": "short"}).content.decode()
    assert "Short enough · len(answer) &lt;= 5" in page and "Short enough · len(answer) &lt;= 9" in page
    assert page.count("no figure") == 1, "the other one's figure is not on this board"
