"""Errors written for the user reach the user, on every page that opens an artifact."""

from __future__ import annotations

import shutil

import pytest
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse

from evaluation.models import Scorecard
from studio.middleware import ProblemPage
from studio.models import Workspace
from tests.evaluation.conftest import candidates as candidates
from tests.evaluation.conftest import held_out as held_out
from tests.evaluation.conftest import publish_folder
from tests.evaluation.conftest import scorecard as scorecard
from tests.vault.conftest import version as version
from vault import store
from vault.models import Artifact, DatasetVersion


def lose(artifact: Artifact) -> None:
    """What a careless clean-up of the data folder does."""
    shutil.rmtree(store.path(artifact))


def check(client: Client, address: str, artifact: Artifact) -> None:
    """The page names the artifact and the way out; htmx gets only the message."""
    page = client.get(address)
    assert page.status_code == 503, address
    assert str(artifact) in page.text and "from a backup" in page.text and "<html" in page.text
    part = client.get(address, headers={"HX-Request": "true"})
    assert part.status_code == 503
    assert str(artifact) in part.text and "from a backup" in part.text and "<html" not in part.text


def test_an_evaluation_whose_files_are_gone_says_what_to_do(viewer_client: Client, scorecard: Scorecard) -> None:
    lose(scorecard.report)
    here = ["lab", scorecard.pk]
    check(viewer_client, reverse("evaluation", args=here), scorecard.report)
    check(viewer_client, reverse("evaluation_rows", args=here), scorecard.report)
    check(viewer_client, reverse("evaluation_download", args=[*here, "json"]), scorecard.report)


def test_a_model_whose_files_are_gone_says_what_to_do(viewer_client: Client, workspace: Workspace) -> None:
    model = publish_folder(workspace, "gguf", {"a.gguf": b"weights", "b.gguf": b"more"})
    (store.path(model) / "b.gguf").unlink()
    check(viewer_client, reverse("model_file", args=["lab", model.pk, "b.gguf"]), model)
    lose(model)
    check(viewer_client, reverse("model", args=["lab", model.pk]), model)
    check(viewer_client, reverse("model_file", args=["lab", model.pk, "a.gguf"]), model)


def test_a_dataset_whose_files_are_gone_says_what_to_do(viewer_client: Client, version: DatasetVersion) -> None:
    lose(version.artifact)
    page = viewer_client.get("/w/lab/vault/datasets/tickets/v1/download/csv/")
    assert page.status_code == 503
    assert str(version.artifact) in page.text and "from a backup" in page.text


def test_a_stranger_learns_nothing_about_what_is_gone(stranger_client: Client, scorecard: Scorecard) -> None:
    lose(scorecard.report)
    assert stranger_client.get(reverse("evaluation", args=["lab", scorecard.pk])).status_code == 404


def test_a_fault_of_ours_stays_one(rf: RequestFactory) -> None:
    def never(_: HttpRequest) -> None:
        pytest.fail("not called")

    assert ProblemPage(never).process_exception(rf.get("/"), ZeroDivisionError()) is None  # type: ignore[arg-type]
