"""Cancel in each step of the whole path: the step ends at once, its processes are gone, and the run can be taken up again."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from pipelines.building import drafts
from pipelines.models import Run, StepRun
from pipelines.running import executor, runs
from pipelines.running.context import StepContext
from studio.jobs import State
from studio.models import Workspace
from tests.journeys.students import whole_path, write_things
from vault import ingest

RECIPES = ("pipelines.recipes", "pipelines.exporters")
LONG = {"student", "report", "model"}
"""Steps that are cancelled while their child process is at work."""


def recipe_processes(data_root: Path) -> list[str]:
    """Command lines of child processes that are alive and work below ``data_root``; other tests have theirs."""
    listed = subprocess.run(["ps", "-wweo", "stat=,args="], capture_output=True, text=True, check=True).stdout
    ours = [line for line in listed.splitlines() if str(data_root) in line and line[0] != "Z"]
    return [line for line in ours if any(f"-m {name}." in line for name in RECIPES)]


def cancel_at_first_sign(step: StepRun) -> None:
    """A follower that cancels the step as soon as it says anything."""
    StepRun.objects.get(pk=step.pk).request_cancel()


class CancelledAtOnce(StepContext):
    """Somebody cancels the step right after a worker has taken it: for steps too short to be met in their midst."""

    def __init__(self, job: StepRun, **options: Any) -> None:
        super().__init__(job, **options)
        cancel_at_first_sign(job)


@pytest.mark.timeout(420)
@pytest.mark.django_db(transaction=True)
def test_every_step_can_be_cancelled_and_taken_up_again(
    tmp_path: Path, tiny_student: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MODEL_DIRS = [tiny_student.parent]
    workspace = Workspace.objects.create(slug="lab", name="Lab")
    ingest.import_file(
        write_things(tmp_path / "things.csv"),
        workspace=workspace,
        name="things",
        reader="columns",
        params={"prompt": "{question}", "reference": "kind"},
    )
    spec = whole_path(tiny_student, teacher={"teacher": "recorded", "answers_from": "reference"}, train={"epochs": 2})
    pipeline = drafts.create(workspace, name="Things", spec=spec, user=None)
    run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    for step in run.steps.order_by("position"):
        with monkeypatch.context() as patch:
            if step.node not in LONG:
                patch.setattr(executor, "StepContext", CancelledAtOnce)
            executor.execute(step.pk, on_progress=cancel_at_first_sign)
        step.refresh_from_db()
        assert step.state == State.CANCELLED, step.node
        assert recipe_processes(tmp_path) == []
        assert step.outputs.count() == 0
        runs.retry_run(run, user=None)
        done = executor.execute(step.pk)
        assert done is not None
        assert done.state == State.SUCCEEDED, (done.node, done.error, done.trace)
    assert Run.objects.get(pk=run.pk).state == State.SUCCEEDED
