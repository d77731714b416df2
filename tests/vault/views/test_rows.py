from __future__ import annotations

import shutil

import pytest
from django.test import Client

from vault import store
from vault.models import DatasetVersion

URL = "/w/lab/vault/datasets/tickets/"
V1 = URL + "v1/"
HX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def with_version(version: DatasetVersion) -> None:
    """Every test here looks at the tickets."""


def test_rows_are_shown_with_their_answers_and_facets(viewer_client: Client) -> None:
    page = viewer_client.get(URL)
    assert page.status_code == 200
    assert "Where is my card?" in page.text and "card_arrival" in page.text
    assert "label=top_up" in page.text and "tag=Rome" in page.text
    assert viewer_client.get(V1).status_code == 200


def test_html_in_rows_is_text(viewer_client: Client) -> None:
    for url in (URL, V1 + "rows/1/"):
        text = viewer_client.get(url).text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text and "<script>alert" not in text


def test_pages_are_linked_by_position(viewer_client: Client) -> None:
    first = viewer_client.get(URL).text
    assert f"{V1}?after=49" in first and "Question number 45" in first and "Question number 46" not in first
    second = viewer_client.get(V1, {"after": 49}).text
    assert "Question number 46" in second and "Question number 55" in second and f"{V1}?before=50" in second


@pytest.mark.parametrize(
    "query,shown,hidden",
    [
        ({"q": "number 55"}, "Question number 55", "Where is my card?"),
        ({"label": "card_arrival"}, "Where is my card?", "Question number 1<"),
        ({"tag": "Oslo"}, "alert(1)", "Where is my card?"),
        ({"has": "differs"}, "alert(1)", "Where is my card?"),
        ({"has": "no_completion"}, "مرحبا", "Where is my card?"),
        ({"min": "24"}, "HYPERLINK", "Where is my card?"),
    ],
)
def test_filters_in_the_address_narrow_the_rows(
    viewer_client: Client, query: dict[str, str], shown: str, hidden: str
) -> None:
    text = viewer_client.get(V1, query).text
    assert shown in text and hidden not in text and "Clear all" in text


def test_a_filter_that_matches_nothing_offers_all_rows(viewer_client: Client) -> None:
    text = viewer_client.get(V1, {"q": "zzz"}).text
    assert "No row matches" in text and "Show all rows" in text


def test_a_page_beyond_the_end_offers_the_first_rows(viewer_client: Client) -> None:
    assert "Go to the first rows" in viewer_client.get(V1, {"after": 5000}).text


@pytest.mark.parametrize("query", [{"min": "abc"}, {"min": "-3"}, {"has": "zzz"}, {"after": "1e9"}, {"q": "x" * 500}])
def test_a_filter_that_makes_no_sense_is_shown_and_does_not_filter(
    viewer_client: Client, query: dict[str, str]
) -> None:
    page = viewer_client.get(V1, query)
    assert page.status_code == 200 and "Where is my card?" in page.text and "field-error" in page.text


@pytest.mark.parametrize(
    "query", [{"q": "\"' OR 1=1 --%\\"}, {"q": "a\0b"}, {"label": "';DROP TABLE x;--"}, {"after": "9" * 30}]
)
def test_hostile_filters_are_only_text(viewer_client: Client, query: dict[str, str]) -> None:
    assert viewer_client.get(V1, query).status_code == 200


def test_htmx_gets_the_browser_alone_and_a_clean_address(viewer_client: Client) -> None:
    page = viewer_client.get(V1, {"q": "card", "has": "", "min": ""}, headers=HX)
    assert page.text.strip().startswith('<div id="browser">') and "<html" not in page.text
    assert page["HX-Push-Url"] == f"{V1}?q=card"


def test_a_row_opens_as_a_chat_with_its_provenance(viewer_client: Client) -> None:
    page = viewer_client.get(V1 + "rows/1/", {"q": "alert"})
    assert page.status_code == 200 and "studio-drawer" in page.text and 'id="browser"' in page.text
    assert "tickets.csv, line 3" in page.text and "From reference to answer" in page.text
    assert f'href="{V1}?q=alert"' in page.text


def test_htmx_gets_the_drawer_alone_with_its_neighbours(viewer_client: Client) -> None:
    text = viewer_client.get(V1 + "rows/2/", headers=HX).text
    assert "<html" not in text and text.strip().startswith("<studio-drawer>")
    assert V1 + "rows/1/" in text and V1 + "rows/3/" in text
    filtered = viewer_client.get(V1 + "rows/0/", {"tag": "Rome"}, headers=HX).text
    assert f"{V1}rows/2/?tag=Rome" in filtered


@pytest.mark.parametrize("path", ["rows/999/", "rows/99999999999999999999/"])
def test_a_row_that_is_not_there_is_404(viewer_client: Client, path: str) -> None:
    assert viewer_client.get(V1 + path).status_code == 404


def test_a_version_or_dataset_that_is_not_there_is_404(viewer_client: Client) -> None:
    assert viewer_client.get(URL + "v9/").status_code == 404
    assert viewer_client.get("/w/lab/vault/datasets/none/").status_code == 404


def test_lost_files_are_explained_instead_of_a_crash(viewer_client: Client, version: DatasetVersion) -> None:
    shutil.rmtree(store.folder_of(version.artifact.sha256))
    for url in (URL, V1 + "rows/0/", V1 + "rows/0/file/"):
        page = viewer_client.get(url)
        assert page.status_code == 503 and "not in the data folder" in page.text and "backup" in page.text


def test_a_stranger_gets_404(stranger_client: Client) -> None:
    for url in (URL, V1, V1 + "rows/0/"):
        assert stranger_client.get(url).status_code == 404


def test_another_workspace_does_not_lend_its_address(stranger_client: Client) -> None:
    assert stranger_client.get("/w/elsewhere/vault/datasets/tickets/").status_code == 404
