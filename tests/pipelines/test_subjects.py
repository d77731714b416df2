"""Comments on nodes: found by their pipeline, counted on the canvas, kept when a node is renamed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipelines import subjects
from pipelines.building import drafts
from pipelines.models import Pipeline
from studio import comments
from studio.models import Workspace
from tests.pipelines.toys import chain


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace, editor: User) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(), user=editor)


def say(pipeline: Pipeline, node: str, by: User) -> None:
    key = subjects.node_key(pipeline, node)
    subject = subjects.find_node(pipeline.workspace, key)
    assert subject is not None
    comments.say(pipeline.workspace, kind="node", key=key, subject=subject, text="Hm.", by=by)


def test_a_node_is_found_in_its_own_workspace_as_long_as_it_is_there(
    pipeline: Pipeline, other_workspace: Workspace
) -> None:
    found = subjects.find_node(pipeline.workspace, subjects.node_key(pipeline, "say"))
    assert found == comments.Subject("Toy, step say", "/w/lab/pipelines/toy/?step=say")
    assert subjects.find_node(other_workspace, subjects.node_key(pipeline, "say")) is None
    for key in (subjects.node_key(pipeline, "gone"), f"{pipeline.pk}:", str(pipeline.pk), "x:say", ""):
        assert subjects.find_node(pipeline.workspace, key) is None


def test_the_panel_has_the_comments_and_the_canvas_counts_them(
    pipeline: Pipeline, editor_client: Client, viewer_client: Client, editor: User
) -> None:
    say(pipeline, "say", editor)
    say(pipeline, "say", editor)
    page = viewer_client.get(reverse("pipeline", args=["lab", "toy"]) + "?step=say")
    assert reverse("comments", args=["lab", "node", subjects.node_key(pipeline, "say")]) in page.text
    assert "2 open threads" in page.text
    state = viewer_client.get(reverse("pipeline_state", args=["lab", "toy"])).json()
    assert state["comments"] == {"say": 2}


def test_a_renamed_node_keeps_its_comments(pipeline: Pipeline, editor_client: Client, editor: User) -> None:
    say(pipeline, "say", editor)
    path = reverse("pipeline_step_rename", args=["lab", "toy", "say"])
    assert editor_client.post(path, {"revision": pipeline.revision + 9, "name": "tell"}).status_code == 409
    assert subjects.open_threads(pipeline) == {"say": 1}
    assert editor_client.post(path, {"revision": pipeline.revision, "name": "tell"}).status_code == 302
    assert subjects.open_threads(pipeline) == {"tell": 1}
