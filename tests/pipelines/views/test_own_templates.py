"""Templates of a team's own: saved with or without data, used, renamed, deleted; other roles and strangers change nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from pipelines.building import drafts
from pipelines.models import Pipeline, PipelineTemplate
from studio.models import AuditEvent, Workspace
from tests.pipelines.building.test_editing import DRAFT
from vault.models import Dataset

pytestmark = pytest.mark.django_db
GALLERY = "/w/lab/pipelines/new/"
SAVE = "/w/lab/pipelines/bank/save-as-template/"


@pytest.fixture
def pipeline(workspace: Workspace) -> Pipeline:
    nodes = [dict(node) for node in DRAFT["nodes"]]
    nodes[0] = {**nodes[0], "params": {"dataset": "ours", "version": 3}, "note": "Keep <me>"}
    nodes.append({"id": "teacher", "step": "generate", "params": {"credential": "key", "model": "m"}})
    return drafts.create(workspace, name="Bank", spec={**DRAFT, "nodes": nodes}, user=None)


@pytest.fixture
def saved(pipeline: Pipeline, editor_client: Client) -> PipelineTemplate:
    answer = editor_client.post(SAVE, {"name": "Our <way>", "promise": "Labels in a day"})
    assert answer.url == GALLERY
    return PipelineTemplate.objects.get()


def params(spec: Any, node: str) -> Any:
    return next(n["params"] for n in spec["nodes"] if n["id"] == node)


def test_a_pipeline_is_saved_without_its_data_and_listed(saved: PipelineTemplate, editor_client: Client) -> None:
    assert params(saved.spec, "data") == {} and params(saved.spec, "teacher") == {"model": "m"}
    assert saved.spec["nodes"][0]["note"] == "Keep <me>"
    page = editor_client.get(GALLERY).text
    assert "Our &lt;way&gt;" in page and "Labels in a day" in page and "<way>" not in page
    assert AuditEvent.objects.filter(verb="saved", subject="template Our <way>").exists()


def test_it_is_saved_with_its_data_when_asked(pipeline: Pipeline, editor_client: Client) -> None:
    editor_client.post(SAVE, {"name": "With", "with_data": "on"})
    assert params(PipelineTemplate.objects.get().spec, "data") == {"dataset": "ours", "version": 3}


def test_a_used_template_gives_a_pipeline_that_shares_nothing(
    saved: PipelineTemplate, workspace: Workspace, editor_client: Client
) -> None:
    Dataset.objects.create(workspace=workspace, slug="mine", name="Mine")
    address = f"{GALLERY}yours/{saved.pk}/"
    assert 'value="mine" selected' in editor_client.get(f"{address}?dataset=mine").text
    answer = editor_client.post(address, {"name": "Next", "dataset-data": "mine"})
    made = Pipeline.objects.get(slug="next")
    assert answer.url == made.get_absolute_url() and made.description == "Labels in a day"
    assert params(made.draft, "data") == {"dataset": "mine"}
    saved.refresh_from_db()
    assert params(saved.spec, "data") == {}
    wrong = editor_client.post(address, {"name": "", "dataset-data": "theirs"})
    assert wrong.status_code == 422 and Pipeline.objects.count() == 2


def test_a_template_is_renamed_and_a_taken_name_is_told(
    saved: PipelineTemplate, pipeline: Pipeline, editor_client: Client
) -> None:
    editor_client.post(SAVE, {"name": "Other"})
    address = f"{GALLERY}yours/{saved.pk}/change/"
    taken = editor_client.post(address, {"name": "Other", "promise": ""})
    assert taken.status_code == 422 and "already" in taken.text
    assert editor_client.post(SAVE, {"name": "Other"}).status_code == 422
    editor_client.post(address, {"name": "Better", "promise": "x"})
    saved.refresh_from_db()
    assert (saved.name, saved.promise) == ("Better", "x")


def test_a_deleted_template_is_gone_and_its_pipelines_stay(saved: PipelineTemplate, editor_client: Client) -> None:
    editor_client.post(f"{GALLERY}yours/{saved.pk}/", {"name": "Next"})
    assert "data-confirm" in editor_client.get(GALLERY).text
    editor_client.post(f"{GALLERY}yours/{saved.pk}/delete/")
    assert not PipelineTemplate.objects.exists() and Pipeline.objects.filter(slug="next").exists()
    assert editor_client.get(f"{GALLERY}yours/{saved.pk}/").status_code == 404


def test_a_draft_that_cannot_be_read_becomes_no_template(workspace: Workspace, editor_client: Client) -> None:
    drafts.create(workspace, name="Bank", spec={"schema": 9, "nodes": []}, user=None)
    answer = editor_client.post(SAVE, {"name": "x"})
    assert answer.status_code == 422 and "newer Studio" in answer.text


def test_readers_and_strangers_change_and_see_nothing(
    saved: PipelineTemplate, viewer_client: Client, stranger_client: Client
) -> None:
    own = f"{GALLERY}yours/{saved.pk}/"
    for address in (SAVE, own, f"{own}change/", f"{own}delete/"):
        assert viewer_client.post(address, {"name": "x"}).status_code == 403
        assert stranger_client.post(address, {"name": "x"}).status_code == 404
    elsewhere = f"/w/elsewhere/pipelines/new/yours/{saved.pk}/"
    assert stranger_client.get(elsewhere).status_code == 404
    assert stranger_client.post(f"{elsewhere}delete/").status_code == 404
    assert PipelineTemplate.objects.get().name == "Our <way>"
