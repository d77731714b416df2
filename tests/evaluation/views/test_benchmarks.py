"""The page of a step's benchmarks."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.forgetting.document import DOCUMENT, summary_of
from pipelines.models import Pipeline, PipelineVersion, Run, StepOutput, StepRun
from pipelines.watching.runpages import output_views, step_view
from studio.jobs import State
from studio.models import Workspace
from tests.evaluation.conftest import make_step, publish_folder
from tests.evaluation.forgetting.test_document import document
from vault import store
from vault.models import Artifact


@pytest.fixture
def step(workspace: Workspace) -> StepRun:
    """A step that put benchmarks to a student."""
    pipeline = Pipeline.objects.create(workspace=workspace, slug="cards", name="Cards")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    run = Run.objects.create(workspace=workspace, version=version, number=1, state=State.SUCCEEDED)
    made = make_step(run, "public_benchmarks", position=0)
    content = json.dumps(document()).encode()
    artifact = publish_folder(workspace, "benchmarks", {DOCUMENT: content}, **summary_of(document()))
    StepOutput.objects.create(step_run=made, port="benchmarks", artifact=artifact)
    return made


def address(step: StepRun, name: str = "run_benchmarks") -> str:
    return reverse(name, args=["lab", step.run.number, step.node])


def test_every_task_has_both_scores_the_difference_and_what_was_found(viewer_client: Client, step: StepRun) -> None:
    html = viewer_client.get(address(step)).content.decode()
    assert "What was forgotten" in html and "The student forgot part of PIQA" in html
    assert "−50 points" in html and "no change shown" in html and "Asked by lm-eval 0.4.13" in html


def test_the_steps_output_leads_there(step: StepRun) -> None:
    [view] = output_views(step_view(step))
    assert view.url == address(step)


def test_it_can_be_taken_away_as_json(viewer_client: Client, step: StepRun) -> None:
    answer = viewer_client.get(address(step, "run_benchmarks_file"))
    assert answer["Content-Disposition"].startswith("attachment")
    assert json.loads(answer.content)["tasks"][0]["task"] == "piqa"


@pytest.mark.parametrize("name", ["run_benchmarks", "run_benchmarks_file"])
def test_a_stranger_finds_nothing(stranger_client: Client, step: StepRun, name: str) -> None:
    assert stranger_client.get(address(step, name)).status_code == 404


def test_a_step_without_benchmarks_has_no_such_page(viewer_client: Client, step: StepRun) -> None:
    StepOutput.objects.all().delete()
    assert viewer_client.get(address(step)).status_code == 404


def test_files_that_are_gone_are_said_so(viewer_client: Client, step: StepRun) -> None:
    (store.path(Artifact.objects.get(kind="benchmarks")) / DOCUMENT).unlink()
    answer = viewer_client.get(address(step))
    assert answer.status_code == 503
    assert "Restore the data folder" in answer.content.decode()
