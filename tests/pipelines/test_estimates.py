"""What the gallery says of a template's time and cost comes from what steps took in this workspace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from pipelines.building import planning
from pipelines.models import Pipeline, PipelineVersion, Run, StepRun
from pipelines.samples import estimates, templates, tickets
from pipelines.samples.estimates import Estimate
from pipelines.specs import spec as specs
from studio.jobs import State
from studio.models import Workspace
from vault.models import Dataset

pytestmark = pytest.mark.django_db
GALLERY = "/w/lab/pipelines/new/"


def did(workspace: Workspace, step: str, *, seconds: float, rows: int, **params: Any) -> None:
    """A run in which one step took so long for so many rows."""
    pipeline = Pipeline.objects.create(workspace=workspace, slug=f"p-{step}", name=step)
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    number = Run.objects.filter(workspace=workspace).count() + 1
    run = Run.objects.create(workspace=workspace, version=version, number=number, state=State.SUCCEEDED)
    end = timezone.now()
    StepRun.objects.create(
        run=run, node=step, position=0, step=step, version=1, queue="cpu", state=State.SUCCEEDED, attempt=1, params=params,
        started_at=end - timedelta(seconds=seconds), finished_at=end, summary={"rows_in": rows},
    )  # fmt: skip


def of(name: str, workspace: Workspace) -> Estimate:
    return estimates.estimate(templates.get(name), workspace, {})


def plan_of(name: str, workspace: Workspace) -> dict[str, planning.NodePlan]:
    sources = estimates.count_rows(name)
    spec = specs.parse(templates.instantiate_sample(name, dict.fromkeys(sources, "sample")))
    return planning.plan(spec, workspace_id=workspace.pk, sources=sources)


def test_before_anything_has_run_what_was_measured_elsewhere_is_told(
    workspace: Workspace, editor_client: Client
) -> None:
    for template in templates.list_templates():
        found = of(template.name, workspace)
        assert found.elsewhere and found.seconds == 60 * template.sample.minutes
        assert found.words.endswith(" on two cores, no calls to pay")
    page = editor_client.get(GALLERY).text
    assert page.count(" on two cores, no calls to pay") == len(templates.TEMPLATES)
    assert not Dataset.objects.exists()


def test_a_training_that_was_timed_is_counted_by_rows_and_epochs(
    workspace: Workspace, other_workspace: Workspace, editor_client: Client
) -> None:
    did(workspace, "train", seconds=100, rows=100, epochs=1.0)
    # The seconds of curation alone would say nothing, so nothing is summed while evaluation and export are not timed.
    assert of("three_students", workspace).elsewhere
    did(workspace, "generate", seconds=1, rows=100, teacher="recorded")
    did(workspace, "evaluate", seconds=1, rows=100)
    one, three = plan_of("classification", workspace)["student"].seconds, of("three_students", workspace)
    # Two epochs over at most the sample's rows, at somewhat less than a second a row; three students of two epochs each.
    assert one is not None and tickets.ROWS < 1.4 * one < 2 * 1.4 * tickets.ROWS
    assert three.seconds == pytest.approx(3 * one, rel=0.1)
    assert not three.elsewhere and three.words.startswith("about ") and three.words.endswith("no calls to pay")
    assert "two cores" not in three.words and three.words in editor_client.get(GALLERY).text
    assert of("three_students", other_workspace).elsewhere


def test_a_cost_is_said_where_there_is_one() -> None:
    assert Estimate(200.0, 1.234).words == "about 3\u00a0min 30\u00a0s, $1.23"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (2, "10\u00a0s"),
        (96, "1\u00a0min 40\u00a0s"),
        (251, "4\u00a0min"),
        (268, "4\u00a0min 30\u00a0s"),
        (1234, "21\u00a0min"),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert Estimate(seconds, None).words == f"about {words}, no calls to pay"


def test_an_evaluation_is_timed_by_its_held_out_rows_and_what_its_candidates_write(workspace: Workspace) -> None:
    did(workspace, "evaluate", seconds=60, rows=60, candidates=["student"], max_new_tokens=8, latency_rows=0)
    plans = plan_of("classification", workspace)
    # The training rows are wired in too, for worked examples: they are not answered.
    held_out = plans["report"].rows
    assert held_out is not None and held_out < 0.2 * tickets.ROWS
    both = plans["report"].seconds
    longer = plan_of("free_text", workspace)["report"].seconds
    assert both is not None and longer is not None and 60 < both < 180 and longer > both


def test_what_another_model_took_says_nothing(workspace: Workspace) -> None:
    did(workspace, "train", seconds=900, rows=100, epochs=1.0, base_model="hub:big/model@abc1234")
    assert plan_of("classification", workspace)["student"].seconds is None


def test_both_sides_of_a_join_are_read(workspace: Workspace) -> None:
    plans = plan_of("refresh", workspace)
    known, new = plans["known"].rows, plans["new"].rows
    assert known is not None and new is not None and plans["together"].rows == known + new
