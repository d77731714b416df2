"""A worker whose version of a step is not the run's leaves it to another and says what to update."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.models import Run, StepRun
from pipelines.running import executor, runs
from studio import reaping
from studio.jobs import State
from studio.lib.errors import StudioError
from tests.pipelines import toys
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def step_of(run: Run, node: str) -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def test_an_older_worker_leaves_the_step_to_another_and_names_both_versions(
    start: Start, toy_steps: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(toys.Source, "version", 3)
        run = start(chain())
    assert executor.execute(step_of(run, "make").pk) is None
    make = step_of(run, "make")
    assert (make.state, make.attempt, make.ready) == (State.PENDING, 0, True)
    assert "has version 1 of source" in make.error and "started with version 3" in make.error
    assert "Update that worker" in make.action
    assert make.not_before is not None and make.not_before > timezone.now()
    assert toy_steps == []
    StepRun.objects.update(not_before=timezone.now() - timedelta(seconds=1))
    assert reaping.reap(StepRun)["rung"] == 1
    monkeypatch.setattr(toys.Source, "version", 3)
    done = executor.execute(make.pk)
    assert done is not None and (done.state, done.error, done.attempt) == (State.SUCCEEDED, "", 1)


def test_a_newer_worker_leaves_it_too_and_a_retry_takes_its_version(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(chain())
    monkeypatch.setattr(toys.Source, "version", 2)
    assert executor.execute(step_of(run, "make").pk) is None
    assert "cancel the run and retry it" in step_of(run, "make").action
    with pytest.raises(StudioError, match="version 2 of source"):
        runs.run_to_end(run)
    runs.cancel_run(run, user=None)
    runs.retry_run(run, user=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED
    assert step_of(run, "make").version == 2


def test_a_step_the_worker_does_not_know_is_left_too(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.registries import STEPS

    run = start(chain())
    monkeypatch.setattr(STEPS, "table", {k: v for k, v in STEPS.table.items() if k != "source"})
    assert executor.execute(step_of(run, "make").pk) is None
    assert "does not know the step source" in step_of(run, "make").error
