"""The canvas's requests and the forms that change a graph without it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from pipelines.building import drafts
from pipelines.models import Pipeline
from studio.models import Workspace
from tests.pipelines.building.test_editing import DRAFT, edges

pytestmark = pytest.mark.django_db
HOME = "/w/lab/pipelines/bank/"


@pytest.fixture
def pipeline(workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Bank", spec=DRAFT, user=None)


def send(client: Client, body: Any) -> Any:
    return client.post(
        f"{HOME}draft/", data=body if isinstance(body, str) else json.dumps(body), content_type="application/json"
    )


def test_a_draft_is_saved_and_judged_in_one_answer(editor_client: Client, pipeline: Pipeline) -> None:
    spec = {**DRAFT, "edges": []}
    layout = {"nodes": {"data": [16, 32]}, "notes": []}
    answer = send(editor_client, {"revision": 1, "spec": spec, "layout": layout})
    assert answer.status_code == 200
    said = answer.json()
    assert said["revision"] == 2 and said["savedBy"] == "editor-of-lab"
    assert {p["node"] for p in said["problems"]} == {"unique", "split", "student"}
    assert said["details"]["split"] == [["Test share", "0.2"]]
    pipeline.refresh_from_db()
    assert pipeline.draft["edges"] == [] and pipeline.layout == layout


def test_an_older_draft_overwrites_nothing_and_is_told_who_saved(editor_client: Client, pipeline: Pipeline) -> None:
    send(editor_client, {"revision": 1, "spec": DRAFT, "layout": {}})
    answer = send(editor_client, {"revision": 1, "spec": {"nodes": [], "edges": []}})
    assert answer.status_code == 409
    said = answer.json()
    assert said["revision"] == 2 and said["savedBy"] == "editor-of-lab" and len(said["spec"]["nodes"]) == 4
    pipeline.refresh_from_db()
    assert len(pipeline.draft["nodes"]) == 4


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("[" * 100_000, 400),
        ([], 400),
        ({"revision": "1", "spec": {}}, 400),
        ({"revision": 1, "spec": {"nodes": [], "edges": []}, "layout": 3}, 400),
        ({"revision": 1, "spec": {"nodes": "x", "edges": []}}, 422),
        ({"revision": 1, "spec": {"nodes": [{"id": "A B", "step": "split"}], "edges": [{"from": "x"}]}}, 422),
        ({"revision": 1, "spec": {"nodes": [], "edges": []}}, 200),
    ],
)
def test_what_is_no_draft_is_refused_with_words(
    editor_client: Client, pipeline: Pipeline, body: Any, status: int
) -> None:
    answer = send(editor_client, body)
    assert answer.status_code == status
    assert answer.json()


def test_the_state_brings_the_draft_only_when_it_is_another(viewer_client: Client, pipeline: Pipeline) -> None:
    assert "spec" not in viewer_client.get(f"{HOME}state.json?revision=1").json()
    said = viewer_client.get(f"{HOME}state.json?revision=7&plan=1").json()
    assert len(said["spec"]["nodes"]) == 4
    assert said["plan"]["nodes"]["data"]["verdict"] == "unknown"
    assert said["live"] == {}


def test_a_reader_saves_and_changes_nothing(viewer_client: Client, pipeline: Pipeline) -> None:
    assert send(viewer_client, {"revision": 1, "spec": DRAFT}).status_code == 403
    for place in ("add/", "steps/split/remove/", "steps/split/copy/", "steps/split/rename/", "steps/split/wires/"):
        assert viewer_client.post(HOME + place, {"revision": 1}).status_code == 403
    pipeline.refresh_from_db()
    assert pipeline.revision == 1


def test_the_graph_is_changed_by_plain_forms(editor_client: Client, pipeline: Pipeline) -> None:
    def post(place: str, **values: str) -> Any:
        pipeline.refresh_from_db()
        answer = editor_client.post(HOME + place, {"revision": pipeline.revision, **values})
        pipeline.refresh_from_db()
        return answer

    assert post("add/", step="filter_length", after="unique").url == f"{HOME}?step=filter_length"
    post("steps/split/wires/", from_rows="filter_length.rows")
    assert "filter_length.rows>split.rows" in edges(pipeline.draft)
    assert post("steps/filter_length/rename/", name="lengths").url == f"{HOME}?step=lengths"
    post("steps/lengths/copy/")
    post("steps/lengths/remove/")
    assert "unique.rows>split.rows" in edges(pipeline.draft)
    assert [n["id"] for n in pipeline.draft["nodes"]] == ["data", "unique", "lengths_2", "split", "student"]
    assert post("steps/nobody/remove/").status_code == 404
    assert "Choose another name" in editor_client.get(post("steps/split/rename/", name="data").url).content.decode()


def test_a_form_that_was_opened_before_another_save_changes_nothing(editor_client: Client, pipeline: Pipeline) -> None:
    answer = editor_client.post(f"{HOME}steps/split/remove/", {"revision": 0})
    assert answer.status_code == 409 and "changed in another tab" in answer.content.decode()
    pipeline.refresh_from_db()
    assert len(pipeline.draft["nodes"]) == 4


def test_an_empty_pipeline_can_be_looked_at_and_filled(editor_client: Client, workspace: Workspace) -> None:
    empty = drafts.create(workspace, name="Empty", spec={"schema": 1, "nodes": [], "edges": []}, user=None)
    page = editor_client.get(empty.get_absolute_url()).content.decode()
    assert "The pipeline has no step yet." in page
    editor_client.post(f"{empty.get_absolute_url()}add/", {"revision": 1, "step": "dataset"})
    empty.refresh_from_db()
    assert [n["id"] for n in empty.draft["nodes"]] == ["dataset"]


def test_a_note_is_written_shown_compared_and_taken_away(
    editor_client: Client, viewer_client: Client, stranger_client: Client, pipeline: Pipeline
) -> None:
    address = f"{HOME}steps/split/note/"
    assert viewer_client.post(address, {"revision": 1, "note": "x"}).status_code == 403
    assert stranger_client.post(address, {"revision": 1, "note": "x"}).status_code == 404
    assert editor_client.get(address).status_code == 405
    editor_client.post(address, {"revision": 1, "note": "A fifth,\r\n<as always>"})
    pipeline.refresh_from_db()
    split = next(n for n in pipeline.draft["nodes"] if n["id"] == "split")
    assert split["note"] == "A fifth,\n<as always>"
    assert "&lt;as always&gt;" in viewer_client.get(f"{HOME}?step=split").content.decode()
    assert "note: |-" in editor_client.get(f"{HOME}spec.yaml").content.decode()
    assert editor_client.post(address, {"revision": 2, "note": "x" * 4_001}).status_code == 302
    assert editor_client.post(f"{HOME}steps/nobody/note/", {"revision": 2, "note": "x"}).status_code == 404
    editor_client.post(address, {"revision": 2, "note": " "})
    pipeline.refresh_from_db()
    assert all("note" not in n for n in pipeline.draft["nodes"])


def test_what_the_canvas_does_not_know_is_told_and_not_dropped(editor_client: Client, pipeline: Pipeline) -> None:
    said = send(editor_client, {"revision": 1, "spec": {**DRAFT, "nodez": []}})
    assert said.status_code == 422 and "Did you mean 'nodes'?" in str(said.json())
    nodes = [{**DRAFT["nodes"][0], "colour": "red"}]
    assert send(editor_client, {"revision": 1, "spec": {"nodes": nodes, "edges": []}}).status_code == 422
    wild = '{"revision": 1, "spec": {"nodes": [{"id": "a", "step": "split", "params": {"test": %s}}], "edges": []}}'
    for value in ("NaN", "1e999", '"\\u0000"', '"\\ud800"', "9" * 60):
        answer = send(editor_client, wild % value)
        assert answer.status_code == 422, value
    assert send(editor_client, wild % ("9" * 9_000)).status_code == 400


LONG = {
    "schema": 1,
    "nodes": [
        {"id": "data", "step": "dataset", "params": {"dataset": "x"}},
        *({"id": f"n{n}", "step": "filter_length", "params": {}} for n in range(249)),
    ],
    "edges": [{"from": "data.rows" if n == 0 else f"n{n - 1}.rows", "to": f"n{n}.rows"} for n in range(249)],
}


@pytest.fixture
def long(workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Long", spec=LONG, user=None)


def test_a_long_list_of_steps_is_shown_a_part_at_a_time(viewer_client: Client, long: Pipeline) -> None:
    home = long.get_absolute_url()
    first = viewer_client.get(home).content.decode()
    assert first.count('class="node"') == 100 and f'href="{home}?from=100"' in first and "150 steps more" in first
    around = viewer_client.get(f"{home}?step=n220").content.decode()
    assert 'id="to-n220"' in around and around.count('class="node"') == 50 and "200 steps before" in around
    for start in ("9999999", "-3", "x", "٣"):
        assert viewer_client.get(f"{home}?from={start}").status_code == 200
    more = viewer_client.get(f"{home}rows/?from=100&step=n120", headers={"HX-Request": "true"}).content.decode()
    assert more.count('class="node"') == 100 and "50 steps more" in more and "before" not in more
    assert more.count("aria-current") == 1
    up = viewer_client.get(f"{home}rows/?from=0&way=up", headers={"HX-Request": "true"}).content.decode()
    assert up.count('class="node"') == 100 and "more" not in up and "before" not in up
    whole = viewer_client.get(f"{home}rows/?step=n5", headers={"HX-Request": "true"}).content.decode()
    assert 'id="outline"' in whole and whole.count('class="node"') == 100


def test_the_rows_of_a_pipeline_are_nothing_for_strangers(
    stranger_client: Client, editor_client: Client, long: Pipeline
) -> None:
    address = f"{long.get_absolute_url()}rows/"
    assert stranger_client.get(address).status_code == 404
    assert editor_client.post(address).status_code == 405


def test_choosing_a_step_brings_the_list_only_when_it_changed(viewer_client: Client, long: Pipeline) -> None:
    address = f"{long.get_absolute_url()}steps/n7/panel/"
    as_seen = viewer_client.get(f"{address}?seen=1", headers={"HX-Request": "true"}).content.decode()
    assert 'data-step="n7"' in as_seen and 'id="outline"' not in as_seen and 'id="pipeline-head"' in as_seen
    assert 'id="outline"' in viewer_client.get(f"{address}?seen=0", headers={"HX-Request": "true"}).content.decode()


def test_an_input_of_a_large_pipeline_is_typed_with_the_nearest_outputs_suggested(
    editor_client: Client, long: Pipeline
) -> None:
    page = editor_client.get(f"{long.get_absolute_url()}?step=n248").content.decode()
    assert '<input class="input input-sm mono" id="from-rows" name="from_rows" value="n247.rows"' in page
    assert len(re.findall(r'<option value="n\d+\.', page)) == 200
    editor_client.post(f"{long.get_absolute_url()}steps/n248/wires/", {"revision": 1, "from_rows": "n3.rows"})
    long.refresh_from_db()
    assert {"from": "n3.rows", "to": "n248.rows"} in long.draft["edges"]
