"""Starting with other values: asked or added, bad ones at their field, told on the run's page; pins in the step's panel."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from studio.models import Workspace
from tests.pipelines.toys import chain


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    spec = chain(text="hi")
    spec["nodes"][1]["ask"] = ["text"]
    return drafts.create(workspace, name="Toy", spec=spec, user=None)


@pytest.fixture
def address(pipeline: Pipeline) -> str:
    return reverse("run_start_values", args=["lab", pipeline.slug])


def test_what_is_asked_is_a_field_and_what_was_given_stands_on_the_run(
    pipeline: Pipeline, address: str, editor_client: Client
) -> None:
    assert address in editor_client.get(pipeline.get_absolute_url()).text
    form = editor_client.get(address).text
    assert 'name="say.text"' in form and 'name="make.count"' not in form
    answer = editor_client.post(address, {"field": "say.text", "say.text": "maybe", "request_key": "k"})
    run = Run.objects.get()
    assert answer["Location"] == run.get_absolute_url() and run.given == {"say": {"text": "maybe"}}
    page = editor_client.get(run.get_absolute_url()).text
    assert "Given at its start" in page and "say.text=" in page
    again = editor_client.get(f"{address}?run={run.number}").text
    assert 'value="maybe"' in again


def test_another_setting_is_added_and_what_was_typed_stays(address: str, editor_client: Client) -> None:
    sent = {"field": "say.text", "say.text": "maybe", "also": "make.count", "intent": "add"}
    form = editor_client.post(address, sent)
    assert form.status_code == 200 and not Run.objects.exists()
    assert 'name="make.count"' in form.text and 'value="maybe"' in form.text and "--set say.text=maybe" in form.text
    both = {"field": ["say.text", "make.count"], "say.text": "hi", "make.count": "5"}
    editor_client.post(address, both)
    assert Run.objects.get().given == {"make": {"count": 5}}


def test_a_bad_value_is_told_at_its_field(address: str, editor_client: Client) -> None:
    answer = editor_client.post(address, {"field": "make.count", "make.count": "0"})
    assert answer.status_code == 422 and not Run.objects.exists()
    assert 'id="id_make.count_error"' in answer.text and 'value="0"' in answer.text
    unknown = editor_client.post(address, {"field": ["nothing.here", "x"], "also": "make"})
    assert unknown.status_code == 302


def test_a_form_sent_twice_starts_one_run(address: str, editor_client: Client) -> None:
    for _ in range(2):
        editor_client.post(address, {"field": "say.text", "say.text": "maybe", "request_key": "k"})
    assert Run.objects.count() == 1


def test_only_editors_start(address: str, viewer_client: Client, stranger_client: Client) -> None:
    for method in ("get", "post"):
        assert getattr(viewer_client, method)(address).status_code == 403
        assert getattr(stranger_client, method)(address).status_code == 404


def test_a_setting_is_pinned_in_its_panel(pipeline: Pipeline, editor_client: Client, viewer_client: Client) -> None:
    page = f"{pipeline.get_absolute_url()}?step=say"
    assert 'name="ask" value="text" checked' in editor_client.get(page).text
    assert 'name="ask"' not in viewer_client.get(page).text
    save = reverse("pipeline_step", args=["lab", pipeline.slug, "say"])
    values = {"text": "hi", "cap": "1", "revision": "1"}
    editor_client.post(save, {**values, "with_ask": "1", "ask": ["cap", "nonsense"]})
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["ask"] == ["cap"]
    editor_client.post(save, {**values, "revision": "2"})
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["ask"] == ["cap"]
    assert "ask:" in editor_client.get(reverse("pipeline_spec", args=["lab", pipeline.slug])).text
