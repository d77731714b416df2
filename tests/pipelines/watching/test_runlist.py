"""The list of runs: filters, sorting, pages; what a run cost, how it was judged; and that many runs cost no more queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines.building import drafts
from pipelines.models import Pipeline, PipelineVersion, Run, StepRun
from pipelines.watching import runlist
from studio.jobs import State
from studio.models import Workspace
from tests.pipelines.toys import chain

NOW = timezone.now()


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(), user=None)


def make(
    pipeline: Pipeline, number: int, *, cost: float | None = None, took: int = 10, reused: Any = None, **more: Any
) -> Run:
    """A finished run with one step."""
    version, _ = PipelineVersion.objects.get_or_create(pipeline=pipeline, number=1, spec=pipeline.draft, digest="d")
    values = {"state": State.SUCCEEDED, "finished_at": NOW + timedelta(seconds=took), **more}
    run = Run.objects.create(workspace=pipeline.workspace, version=version, number=number, **values)
    Run.objects.filter(pk=run.pk).update(created_at=NOW)
    summary = {} if cost is None else {"cost_usd": cost}
    StepRun.objects.create(
        run=run, node="make", position=0, step="source", version=1, queue="cpu", state=State.SUCCEEDED,
        summary=summary, finished_at=NOW, reused_from=reused,
    )  # fmt: skip
    return run


def numbers(workspace: Workspace, **wanted: str) -> list[int]:
    return [row.run.number for row in runlist.list_runs(workspace, wanted).rows]


def test_runs_are_sorted_by_number_cost_and_time_with_the_unknown_last(
    pipeline: Pipeline, workspace: Workspace
) -> None:
    make(pipeline, 1, cost=2.0, took=30)
    first = make(pipeline, 2, cost=10.5, took=10)
    make(pipeline, 3, took=20)
    make(pipeline, 4, cost=99.0, took=40, reused=first.steps.get())
    assert numbers(workspace) == [4, 3, 2, 1]
    assert numbers(workspace, sort="run") == [1, 2, 3, 4]
    assert numbers(workspace, sort="-cost")[:2] == [2, 1]
    assert numbers(workspace, sort="cost")[:2] == [1, 2]
    assert numbers(workspace, sort="time") == [2, 3, 1, 4]
    assert numbers(workspace, sort="nonsense") == [4, 3, 2, 1]
    rows = {row.run.number: row.cost for row in runlist.list_runs(workspace, {}).rows}
    assert rows == {1: 2.0, 2: 10.5, 3: None, 4: None}


def test_runs_are_filtered_by_state_pipeline_and_person(pipeline: Pipeline, workspace: Workspace, owner: User) -> None:
    other = drafts.create(workspace, name="Other", spec=chain(), user=None)
    make(pipeline, 1, created_by=owner)
    make(pipeline, 2, state=State.FAILED)
    make(other, 3)
    assert numbers(workspace, state="failed") == [2]
    assert numbers(workspace, state="nonsense") == [3, 2, 1]
    assert numbers(workspace, pipeline="other") == [3]
    assert numbers(workspace, person=owner.username) == [1]
    assert numbers(workspace, person="-") == [3, 2]
    assert runlist.people(workspace) == [owner.username, "-"]


def test_runs_of_another_workspace_are_not_there(pipeline: Pipeline, other_workspace: Workspace) -> None:
    make(pipeline, 1)
    assert numbers(other_workspace) == [] and runlist.people(other_workspace) == []


def test_five_hundred_runs_come_in_pages_with_few_queries(
    pipeline: Pipeline,
    workspace: Workspace,
    viewer_client: Client,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    make(pipeline, 1)
    version = PipelineVersion.objects.get()
    Run.objects.bulk_create(
        Run(workspace=workspace, version=version, number=n, state=State.SUCCEEDED, finished_at=NOW)
        for n in range(2, 501)
    )
    with django_assert_max_num_queries(11):
        page = viewer_client.get(reverse("runs", args=["lab"]), {"sort": "-cost"}).text
    assert page.count('name="run"') == runlist.PAGE
    last = runlist.list_runs(workspace, {"page": "10"})
    assert (last.first, last.last, last.after) == (451, 500, None)
    assert runlist.list_runs(workspace, {"page": "999"}).number == 10
    assert runlist.list_runs(workspace, {"page": "-1"}).number == 1


def test_the_list_leads_to_a_comparison_without_script(
    pipeline: Pipeline, workspace: Workspace, viewer_client: Client
) -> None:
    make(pipeline, 1, cost=0.25)
    page = viewer_client.get(reverse("runs", args=["lab"])).text
    assert f'action="{reverse("runs_compare", args=["lab"])}"' in page
    assert "$0.25" in page and 'aria-label="Compare run 1"' in page
