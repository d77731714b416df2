from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client

from studio.models import Workspace
from vault.ingest import import_file
from vault.models import DatasetVersion, Upload

URL = "/w/lab/vault/"


def test_an_empty_vault_says_what_to_do_first(editor_client: Client) -> None:
    page = editor_client.get(URL)
    assert page.status_code == 200
    assert "No dataset yet" in page.text and "/w/lab/vault/upload/" in page.text


def test_a_viewer_is_not_offered_to_upload(viewer_client: Client) -> None:
    assert "/w/lab/vault/upload/" not in viewer_client.get(URL).text


@pytest.fixture
def two(version: DatasetVersion, workspace: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text\na\nb\n")
    import_file(path, workspace=workspace, name="Small <b>set</b>")


@pytest.mark.parametrize(
    "sort,first",
    [("name", "Small"), ("-name", "Tickets"), ("rows", "Small"), ("-rows", "Tickets"), ("nonsense", "Small")],
)
def test_datasets_are_listed_and_sorted_by_the_address(viewer_client: Client, two: None, sort: str, first: str) -> None:
    text = viewer_client.get(URL, {"sort": sort}).text
    assert "Small &lt;b&gt;set&lt;/b&gt;" in text and "Small <b>" not in text
    order = sorted(["Small &lt;", ">Tickets<"], key=text.index)
    assert order[0].strip("><").startswith(first[:5])


def test_search_narrows_and_says_when_nothing_is_left(viewer_client: Client, two: None) -> None:
    assert ">Tickets<" not in viewer_client.get(URL, {"q": "small"}).text
    assert "No dataset has “zzz” in its name" in viewer_client.get(URL, {"q": "zzz"}).text


def test_htmx_gets_the_table_alone(viewer_client: Client, two: None) -> None:
    page = viewer_client.get(URL, headers={"HX-Request": "true"})
    assert page.text.strip().startswith('<div id="datasets">') and "<html" not in page.text


def test_unfinished_uploads_are_shown(viewer_client: Client, workspace: Workspace) -> None:
    Upload.objects.create(workspace=workspace, dataset_name="New", file_name="waits.csv", ready=False)
    text = viewer_client.get(URL).text
    assert "waits.csv" in text and "To be mapped" in text


def test_a_stranger_gets_404_and_a_visitor_the_sign_in_page(stranger_client: Client, workspace: Workspace) -> None:
    assert stranger_client.get(URL).status_code == 404
    assert Client().get(URL).status_code == 302
