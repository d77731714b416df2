"""The rows page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.candidates.predictions import Candidate
from evaluation.models import Scorecard
from evaluation.report.document import Options
from studio.models import Workspace
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, record_evaluation
from vault import store
from vault.rows import Row


@pytest.fixture
def url(scorecard: Scorecard) -> str:
    """The address of the rows."""
    return reverse("evaluation_rows", args=["lab", scorecard.pk])


def test_every_row_and_every_answer_is_there(viewer_client: Client, url: str) -> None:
    page = viewer_client.get(url).content.decode()
    for number in range(6):
        assert f"question {number}" in page
    assert "Too long for the model." in page


def test_views_search_and_labels_filter_in_the_address(viewer_client: Client, url: str) -> None:
    for query, shown, hidden in (
        ({"view": "wrong"}, "question 2", "question 0"),
        ({"q": "question 4"}, "question 4", "question 2"),
        ({"label": "transfer", "answer": "card"}, "question 2", "question 4"),
    ):
        page = viewer_client.get(url, query).content.decode()
        assert f">{shown}</a>" in page
        assert f">{hidden}</a>" not in page


def test_a_filter_that_leaves_nothing_says_so(viewer_client: Client, url: str) -> None:
    assert b"No row matches" in viewer_client.get(url, {"q": "zebra"}).content


def test_an_unknown_view_shows_all_rows(viewer_client: Client, url: str) -> None:
    assert b"question 5" in viewer_client.get(url, {"view": "nonsense"}).content


def test_a_row_has_an_address_of_its_own(viewer_client: Client, url: str) -> None:
    page = viewer_client.get(url, {"row": "4", "view": "differs"}).content.decode()
    assert "Name the label." in page
    assert "?view=differs&amp;row=2" in page
    assert "data-drawer-page" in page


def test_htmx_gets_the_drawer_alone_or_the_table_alone(viewer_client: Client, url: str) -> None:
    drawer = viewer_client.get(
        url, {"row": "4"}, headers={"HX-Request": "true", "HX-Target": "div#drawer"}
    ).content.decode()
    assert "<html" not in drawer
    assert "Name the label." in drawer
    results = viewer_client.get(
        url, {"q": "question 4"}, headers={"HX-Request": "true", "HX-Target": "div#results"}
    ).content.decode()
    assert results.strip().startswith('<div id="results"')


@pytest.mark.parametrize("query", [{"row": "99"}, {"row": "x"}, {"after": "1' OR 1"}, {"after": "9" * 30}])
def test_positions_that_are_none_are_not_found(viewer_client: Client, url: str, query: dict[str, str]) -> None:
    assert viewer_client.get(url, query).status_code == 404


def test_strangers_find_nothing(stranger_client: Client, url: str) -> None:
    assert stranger_client.get(url).status_code == 404


@pytest.fixture
def later(workspace: Workspace, held_out: list[Row], candidates: list[Candidate], scorecard: Scorecard) -> Scorecard:
    """A second evaluation over the same rows, whose student is right on r2 and wrong on r0."""
    student = make_candidate("student", ["cash", "cash", "transfer", "card", "transfer", "cash"])
    return record_evaluation(workspace, held_out, [*candidates[:2], student], Options(labels=LABELS), number=2)


def test_rows_are_held_against_the_last_student_over_the_same_rows(
    viewer_client: Client, scorecard: Scorecard, later: Scorecard
) -> None:
    url = reverse("evaluation_rows", args=["lab", later.pk])
    assert later.row_set == scorecard.row_set != ""
    fixed = viewer_client.get(url, {"view": "fixed"}).content.decode()
    assert ">question 2</a>" in fixed
    assert ">question 0</a>" not in fixed
    assert "Earlier student" in fixed
    assert ">question 0</a>" in viewer_client.get(url, {"view": "broken"}).content.decode()
    assert "Earlier student" not in viewer_client.get(url, {"vs": "none"}).content.decode()
    opened = viewer_client.get(url, {"row": "2", "vs": str(scorecard.pk)}).content.decode()
    assert "Earlier student" in opened
    question = opened.index('class="opened-question"')
    assert question < opened.index('class="compare"') < opened.index("The whole prompt"), "what was asked comes first"


@pytest.mark.parametrize("versus", ["nonsense", "00000000-0000-0000-0000-000000000000", "itself"])
def test_an_evaluation_to_hold_against_that_is_none_is_not_found(
    viewer_client: Client, scorecard: Scorecard, url: str, versus: str
) -> None:
    answer = viewer_client.get(url, {"vs": str(scorecard.pk) if versus == "itself" else versus})
    assert answer.status_code == 404


def test_rows_sort_and_filter_by_confidence_and_failures_in_the_address(viewer_client: Client, url: str) -> None:
    page = viewer_client.get(url, {"sort": "confidence"}).content.decode()
    assert page.index(">question 2</a>") < page.index(">question 0</a>")
    page = viewer_client.get(url, {"failed": "base"}).content.decode()
    assert ">question 3</a>" in page
    assert ">question 0</a>" not in page
    page = viewer_client.get(url, {"below": "0.5"}).content.decode()
    assert "50%" in page
    assert ">question 0</a>" not in page
    for nonsense in ({"sort": "x"}, {"below": "x"}, {"below": "nan"}, {"failed": "nobody"}):
        assert b"question 5" in viewer_client.get(url, nonsense).content


def test_damaged_files_are_told_of(viewer_client: Client, scorecard: Scorecard, url: str) -> None:
    (store.path(scorecard.report) / "items.parquet").unlink()
    answer = viewer_client.get(url)
    assert answer.status_code == 503
    assert b"items.parquet" in answer.content


def test_only_who_may_is_offered_to_flag_and_to_send_on(
    viewer_client: Client, reviewer_client: Client, editor_client: Client, url: str
) -> None:
    seen = [c.get(url, {"row": "2"}).content for c in (viewer_client, reviewer_client, editor_client)]
    assert [b"data-row-flag" in page for page in seen] == [False, True, True]
    assert [b"Add to the hard rows" in page for page in seen] == [False, False, True]


def test_free_text_shows_its_differences_word_by_word_and_labels_do_not(
    viewer_client: Client, workspace: Workspace, url: str
) -> None:
    rows = make_rows([("Open the app.", None), ("Wait five days.", None)])
    card = record_evaluation(
        workspace, rows, [make_candidate("student", ["Open the door.", "No."])], Options(), number=5
    )
    text = viewer_client.get(reverse("evaluation_rows", args=["lab", card.pk]), {"row": "0"}).content.decode()
    assert "<del>app</del>" in text
    assert "Word by word against the teacher" in text
    assert "Word by word" not in viewer_client.get(url, {"row": "2"}).content.decode()
