"""Versions, what differs between them, back to an older one, and specs from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from pipelines.building import drafts
from pipelines.models import Pipeline
from pipelines.running import runs
from pipelines.specs import diff as spec_diff
from pipelines.specs import schema as spec_schema
from pipelines.specs import spec as specs
from studio.models import AuditEvent, Workspace
from tests.pipelines.building.test_editing import DRAFT

pytestmark = pytest.mark.django_db
HOME = "/w/lab/pipelines/bank/versions/"
ROOT = Path(__file__).resolve().parents[3]
CHANGED = {
    "schema": 1,
    "nodes": [
        DRAFT["nodes"][0],
        {"id": "short", "step": "filter_length", "params": {"prompt_max": 500}},
        {"id": "split", "step": "split", "params": {"test": 0.3, "seed": 4}},
        DRAFT["nodes"][3],
    ],
    "edges": [
        {"from": "data.rows", "to": "short.rows"},
        {"from": "short.rows", "to": "split.rows"},
        {"from": "split.train", "to": "student.train"},
    ],
}


@pytest.fixture
def pipeline(workspace: Workspace) -> Pipeline:
    """Version 1 is frozen; the draft is another."""
    made = drafts.create(workspace, name="Bank", spec=DRAFT, user=None)
    runs.freeze(made, user=None, message="First")
    drafts.save(made, spec=CHANGED, revision=1)
    return made


def test_the_differences_name_steps_settings_and_wires() -> None:
    changes = {c.id: c for c in spec_diff.compare(specs.parse(DRAFT), specs.parse(CHANGED))}
    assert {name: c.kind for name, c in changes.items()} == {
        "data": "same", "short": "added", "split": "changed", "student": "same", "unique": "removed",
    }  # fmt: skip
    split = changes["split"]
    assert [(p.label, p.before, p.after) for p in split.params] == [("Test share", "0.2", "0.3"), ("Seed", None, "4")]
    assert split.wires_removed == ("unique.rows → rows",) and split.wires_added == ("short.rows → rows",)
    assert spec_diff.count(list(changes.values())) == {"added": 1, "removed": 1, "changed": 1}


def test_the_draft_is_saved_as_a_version_with_its_reason(editor_client: Client, pipeline: Pipeline) -> None:
    assert "not saved as a version" in editor_client.get(HOME).content.decode()
    editor_client.post(f"{HOME}save/", {"message": "Shorter prompts"})
    version = pipeline.versions.get(number=2)
    assert version.message == "Shorter prompts" and version.created_by.username == "editor-of-lab"
    page = editor_client.get(HOME).content.decode()
    assert "Shorter prompts" in page and "not saved as a version" not in page
    editor_client.post(f"{HOME}save/", {"message": "Again"})
    assert pipeline.versions.count() == 2


def test_a_draft_with_problems_becomes_no_version(editor_client: Client, pipeline: Pipeline) -> None:
    drafts.save(pipeline, spec={**DRAFT, "edges": []}, revision=2)
    page = editor_client.post(f"{HOME}save/", {}, follow=True).content.decode()
    assert "can&#x27;t become a version yet" in page and pipeline.versions.count() == 1


def test_two_versions_are_shown_side_by_side(viewer_client: Client, pipeline: Pipeline) -> None:
    page = viewer_client.get(f"{HOME}diff/").content.decode()
    assert "Filter by length" in page and "unique.rows → rows" in page
    assert "Nothing differs" in viewer_client.get(f"{HOME}diff/?before=1&after=1").content.decode()
    for wrong in ("9", "x", "1" * 40, ""):
        assert viewer_client.get(f"{HOME}diff/?before={wrong}&after=draft").status_code == 404


def test_an_older_version_becomes_the_draft_again(editor_client: Client, pipeline: Pipeline) -> None:
    assert editor_client.post(f"{HOME}1/restore/", {"revision": 1}).url == HOME
    pipeline.refresh_from_db()
    assert pipeline.draft == CHANGED
    editor_client.post(f"{HOME}1/restore/", {"revision": 2})
    pipeline.refresh_from_db()
    assert pipeline.draft == pipeline.versions.get(number=1).spec and pipeline.revision == 3
    assert AuditEvent.objects.filter(verb="restored").exists()


def test_a_reader_changes_no_version(viewer_client: Client, pipeline: Pipeline) -> None:
    for place in ("save/", "1/restore/"):
        assert viewer_client.post(HOME + place, {"revision": 2}).status_code == 403
    assert viewer_client.get("/w/lab/pipelines/new/from-file/").status_code == 403


def test_a_downloaded_spec_comes_back_as_the_same_pipeline(editor_client: Client, pipeline: Pipeline) -> None:
    text = editor_client.get("/w/lab/pipelines/bank/spec.yaml").content
    file = SimpleUploadedFile("bank.yaml", b"\xef\xbb\xbf" + text)
    answer = editor_client.post("/w/lab/pipelines/new/from-file/", {"file": file, "name": "Copy"})
    assert answer.url == "/w/lab/pipelines/copy/"
    pipeline.refresh_from_db()
    assert Pipeline.objects.get(slug="copy").draft == pipeline.draft


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "Choose a file"),
        ({"pasted": "a: ["}, "not valid YAML"),
        ({"pasted": "a: &a [x]\nb: [*a]"}, "aliases"),
        ({"pasted": "schema: 9\nnodes: [{id: a, step: split}]"}, "Update the Studio"),
        ({"pasted": "schema: 1\nnodes: [{id: a, step: split, colour: red}]\nedgs: []"}, "colour"),
        ({"file": SimpleUploadedFile("x", b"\xff\xfe\x00")}, "UTF-8"),
        ({"file": SimpleUploadedFile("x", b"x" * 1_000_001)}, "at most 1,000,000"),
    ],
)
def test_what_is_no_spec_makes_no_pipeline_and_says_why(
    editor_client: Client, workspace: Workspace, given: dict[str, Any], said: str
) -> None:
    answer = editor_client.post("/w/lab/pipelines/new/from-file/", given)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not Pipeline.objects.exists()


def test_every_spec_of_the_project_fits_the_published_schema(viewer_client: Client) -> None:
    schema = json.loads(viewer_client.get("/w/lab/pipelines/spec.schema.json").content)
    assert schema == json.loads(json.dumps(spec_schema.json_schema()))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    files = sorted((ROOT / "specs").glob("*.yaml"))
    assert files
    for file in files:
        assert [error.message for error in validator.iter_errors(yaml.safe_load(file.read_text()))] == []
    assert list(validator.iter_errors({"schema": 1, "nodes": [{"id": "a", "step": "split", "params": {"test": 2}}]}))
    assert list(validator.iter_errors({"schema": 1, "nodes": [{"id": "a", "step": "splitt"}]}))
