"""Every template on its sample data: it is valid, can be planned, its curation runs, and (heavy) it runs to its end."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from pipelines.building import planning
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.samples import templates, tickets, trying
from pipelines.specs import spec as specs
from studio.jobs import State
from studio.models import Workspace
from studio.registries import STEPS
from vault.models import Dataset, DatasetVersion
from vault.rows import read_rows
from vault.store import path

ALL = list(templates.list_templates())
each = pytest.mark.parametrize("template", ALL, ids=lambda template: template.name)
HEAVY = ("train", "evaluate", "export_gguf")


def test_the_messages_are_the_same_every_time_and_cover_every_label() -> None:
    made = tickets.generate()
    assert made == tickets.generate() and made != tickets.generate(seed=1)
    counts = Counter(t.label for t in made)
    assert len(made) == tickets.ROWS and set(counts) == set(tickets.LABELS) and min(counts.values()) > 50
    assert 0.9 < sum(t.said_label.strip("*.").lower() == t.label.lower() for t in made) / len(made) < 1
    broken = 0
    for ticket in made:
        try:
            json.loads(ticket.said_facts)
        except ValueError:
            broken += 1
    assert 10 < broken < 80


@each
def test_a_template_says_what_it_promises_needs_and_takes(template: templates.Template) -> None:
    assert all((template.description, template.needs, template.duration))
    assert template.picture.startswith("<svg")
    labels = [question.label for question in template.questions]
    assert len(labels) == len(set(labels))
    nodes = {node["id"]: node["step"] for node in templates.load(template.name)["nodes"]}
    assert {"split", "leakage_guard", "train", "evaluate"} <= set(nodes.values())
    for name, params in template.sample.params.items():
        assert set(params) <= set(STEPS[nodes[name]].Params.model_fields)


@each
@pytest.mark.django_db
def test_a_template_on_its_sample_data_is_valid_planned_and_started_once(
    template: templates.Template, workspace: Workspace, editor: User
) -> None:
    run = trying.try_template(workspace, template.name, user=editor, request_key="a")
    spec = specs.parse(run.version.spec)
    assert specs.validate(spec) == []
    plans = planning.plan(spec, workspace_id=workspace.pk)
    assert {p.verdict for p in plans.values()} <= {"run"} and len(plans) == len(spec.nodes)
    sources = [n.id for n in spec.nodes if n.step == "dataset"]
    assert all((plans[name].rows or 0) >= 60 for name in sources)
    assert run.steps.filter(ready=True).count() == len(sources)
    assert trying.try_template(workspace, template.name, user=editor, request_key="a") == run
    # Another tab: the run that is under way is shown. Once it has ended, another one starts.
    assert trying.try_template(workspace, template.name, user=editor, request_key="b") == run
    runs.cancel_run(run, user=editor)
    again = trying.try_template(workspace, template.name, user=editor, request_key="c")
    assert again.number == 2 and again.version == run.version
    assert (Pipeline.objects.count(), DatasetVersion.objects.count()) == (1, len(template.sample.data))
    assert all("synthetic" in d.name and "invented" in d.description.lower() for d in Dataset.objects.all())


@each
@pytest.mark.django_db
def test_the_curation_of_a_template_runs_on_its_sample_data(template: templates.Template, workspace: Workspace) -> None:
    run = _run_without(HEAVY, template, workspace)
    steps = {step.node: step for step in run.steps.all()}
    assert run.state == State.SUCCEEDED, [f"{s.node}: {s.error} {s.action}" for s in steps.values() if s.error]
    guard = steps["guard"].outputs.get(port="train").artifact
    assert len(list(read_rows(path(guard)))) > 100
    reader = next(
        e
        for e in specs.parse(templates.load(template.name)).edges
        if e.target_port == "rows" and e.target.startswith("report")
    )
    held = list(read_rows(path(steps[reader.source].outputs.get(port=reader.source_port).artifact)))
    assert len(held) >= 30 and all(row.completion_text for row in held)


def _run_without(left_out: tuple[str, ...], template: templates.Template, workspace: Workspace) -> Run:
    slugs = {
        data.node: trying.add_dataset(data, workspace=workspace, user=None).dataset.slug
        for data in template.sample.data
    }
    spec = templates.instantiate_sample(template.name, slugs)
    nodes = [node for node in spec["nodes"] if node["step"] not in left_out]
    names = {node["id"] for node in nodes}
    edges = [e for e in spec["edges"] if {e["from"].split(".")[0], e["to"].split(".")[0]} <= names]
    pipeline = Pipeline.objects.create(
        workspace=workspace, slug="t", name="T", draft={"schema": 1, "nodes": nodes, "edges": edges}
    )
    return runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None), pause=0.01)


def _run_whole(name: str, workspace: Workspace, **every_student: Any) -> Run:
    template = templates.get(name)
    slugs = {
        data.node: trying.add_dataset(data, workspace=workspace, user=None).dataset.slug
        for data in template.sample.data
    }
    spec = templates.instantiate_sample(name, slugs)
    for node in spec["nodes"]:
        if node["step"] == "train":
            node["params"] |= every_student
    pipeline = Pipeline.objects.create(workspace=workspace, slug="t", name="T", draft=spec)
    run = runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None), pause=0.05)
    for step in run.steps.all():
        print(
            f"RESULT {name}.{step.node}_seconds={step.seconds or 0:.0f} {step.summary.get('headline', '')}", flush=True
        )
    assert run.state == State.SUCCEEDED, [f"{s.node}: {s.error} {s.action}" for s in run.steps.all() if s.error]
    return run


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@each
@pytest.mark.django_db
def test_a_template_runs_to_its_end_with_a_student_of_two_layers(
    template: templates.Template, workspace: Workspace, tiny_student: Path, settings: Settings
) -> None:
    """Every child process for real, with a student that has learnt nothing: what is proved is the way, not the figures."""
    settings.MODEL_DIRS = [tiny_student.parent]
    run = _run_whole(template.name, workspace, base_model=f"folder:{tiny_student}", epochs=0.1)
    assert run.steps.get(step="export_gguf").outputs.exists() if template.name != "three_students" else True


@pytest.mark.heavy
@pytest.mark.timeout(3600)
@each
@pytest.mark.django_db
def test_a_template_runs_to_its_end_on_its_sample_data(template: templates.Template, workspace: Workspace) -> None:
    _run_whole(template.name, workspace)


@pytest.mark.django_db
def test_one_click_tries_a_template_and_a_second_one_finds_the_run(
    workspace: Workspace, editor_client: Client, viewer_client: Client, stranger_client: Client
) -> None:
    address = "/w/lab/pipelines/new/refresh/try/"
    assert viewer_client.post(address).status_code == 403
    assert stranger_client.post(address).status_code == 404
    assert editor_client.get(address).status_code == 405
    assert editor_client.post("/w/lab/pipelines/new/nothing/try/").status_code == 404
    first = editor_client.post(address, {"request_key": "abc"})
    assert first.url == editor_client.post(address, {"request_key": "abc"}).url == "/w/lab/runs/1/"
    other_tab = editor_client.post(address, {"request_key": "def"}, follow=True)
    assert "already being tried" in other_tab.text
    assert Run.objects.count() == 1
    editor_client.post("/w/lab/pipelines/new/free_text/try/", {"request_key": "abc"})
    assert Run.objects.count() == 2


@pytest.mark.django_db
def test_the_gallery_names_every_link_and_button_by_its_template(workspace: Workspace, editor_client: Client) -> None:
    page = editor_client.get("/w/lab/pipelines/new/?dataset=mine").text
    for template in ALL:
        assert f": {template.label}</span>" in page and template.needs.replace("'", "&#x27;") in page
        assert f"/pipelines/new/{template.name}/?dataset=mine" in page
    assert page.count('<svg class="graph-picture') == len(ALL)
