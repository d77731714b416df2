"""The rows page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.models import Scorecard


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
