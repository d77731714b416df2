from __future__ import annotations

from django.test import Client

from studio.models import Workspace
from vault.models import Dataset, DatasetVersion

URL = "/w/lab/vault/datasets/tickets/"


def test_versions_say_who_what_and_how_many(viewer_client: Client, version: DatasetVersion) -> None:
    page = viewer_client.get(URL + "versions/")
    assert page.status_code == 200
    assert "Imported from tickets.csv" in page.text and "editor-of-lab" in page.text
    assert version.artifact.sha256 in page.text


def test_a_dataset_without_a_version_has_an_empty_state(editor_client: Client, workspace: Workspace) -> None:
    Dataset.objects.create(workspace=workspace, slug="empty", name="Empty")
    page = editor_client.get("/w/lab/vault/datasets/empty/versions/")
    assert page.status_code == 200 and "No version yet" in page.text
    assert editor_client.get("/w/lab/vault/datasets/empty/").status_code == 404


def test_a_stranger_gets_404(stranger_client: Client, version: DatasetVersion) -> None:
    for path in ("v1/profile/", "versions/"):
        assert stranger_client.get(URL + path).status_code == 404
