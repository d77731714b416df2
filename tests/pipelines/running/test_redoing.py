"""Doing finished steps again: what they made is kept, what depends on it follows, and forcing is no part of the fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pipelines.models import EarlierOutput, Force, MetricPoint, Run, StepOutput, StepRun
from pipelines.running import attempts, executor, redoing, runs
from pipelines.running.context import StepContext, scratch_name
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import AuditEvent
from tests.pipelines.toys import chain
from vault import store

Start = Callable[[dict[str, Any]], Run]


def step_of(run: Run, node: str) -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def test_a_step_and_everything_after_it_is_done_again_and_what_was_made_is_kept(
    start: Start, toy_steps: list[str]
) -> None:
    run = runs.run_to_end(start(chain()))
    was = StepOutput.objects.get(step_run=step_of(run, "say")).artifact_id
    MetricPoint.objects.create(step_run=step_of(run, "say"), name="loss", at=1, value=0.5)
    told: list[list[str]] = []

    def listen(sender: object, *, run: Run, steps: list[StepRun], **_: object) -> None:
        told.append([s.node for s in steps])

    redoing.outputs_replaced.connect(listen)
    try:
        redoing.redo(step_of(run, "make"), user=None)
    finally:
        redoing.outputs_replaced.disconnect(listen)
    assert told == [["make", "say"]]
    assert not StepOutput.objects.filter(step_run__run=run).exists() and not MetricPoint.objects.exists()
    run.refresh_from_db()
    assert (run.state, run.finished_at) == (State.RUNNING, None)
    runs.run_to_end(run)
    assert toy_steps == ["source", "answer", "source", "answer"]
    assert run.state == State.SUCCEEDED
    first, second = reversed(attempts.list_of_step(step_of(run, "say")))
    assert (first.outcome, second.outcome) == ("succeeded", "succeeded")
    assert first.replaced_at is not None and first.summary["rows"] == 3 and first.curves == {"loss": [[1, 0.5]]}
    assert step_of(run, "say").reason == "Set back when somebody began again from make."
    assert EarlierOutput.objects.get(attempt=first).artifact_id == was
    (earlier,) = redoing.earlier_results(step_of(run, "say"))
    assert earlier["attempt"] == first and [o["port"] for o in earlier["outputs"]] == ["rows"]
    assert AuditEvent.objects.get(verb="began again").details["steps"] == ["make", "say"]


def test_only_what_comes_after_it_is_touched(start: Start, toy_steps: list[str]) -> None:
    run = runs.run_to_end(start(chain()))
    made = StepOutput.objects.get(step_run=step_of(run, "make"))
    assert [s.node for s in redoing.redo(step_of(run, "say"), user=None)] == ["say"]
    runs.run_to_end(run)
    assert toy_steps == ["source", "answer", "answer"]
    assert StepOutput.objects.get(step_run=step_of(run, "make")) == made


def test_a_later_step_is_reused_from_another_run_unless_it_is_asked_for_too(start: Start, toy_steps: list[str]) -> None:
    runs.run_to_end(start(chain()))
    run = runs.run_to_end(start(chain()))
    redoing.redo(step_of(run, "make"), user=None)
    runs.run_to_end(run)
    assert toy_steps == ["source", "answer", "source"]
    redoing.redo(step_of(run, "make"), user=None, later_too=True)
    runs.run_to_end(run)
    assert toy_steps == ["source", "answer", "source", "source", "answer"]
    assert step_of(run, "say").reason == (
        "Done again because somebody asked for it; the result of run 1 would have fitted."
    )


def test_a_step_at_work_on_it_and_a_step_that_has_not_ended_are_refused(start: Start) -> None:
    run = start(chain())
    executor.execute(step_of(run, "make").pk)
    with pytest.raises(StudioError, match="'say' has not ended"):
        redoing.redo(step_of(run, "say"), user=None)
    assert StepRun.claim(step_of(run, "say").pk) is not None
    with pytest.raises(StudioError, match="say is at work") as caught:
        redoing.redo(step_of(run, "make"), user=None)
    assert "cancel" in caught.value.action
    assert StepOutput.objects.filter(step_run__run=run).count() == 1


def test_a_failed_step_is_done_from_its_beginning(start: Start, toy_steps: list[str]) -> None:
    run = runs.run_to_end(start(chain(fault="user")))
    folder = store.scratch_dir(scratch_name(step_of(run, "say").pk))
    assert (folder / "tries").read_text() == "1"
    from django.test import TestCase

    with TestCase.captureOnCommitCallbacks(execute=True):
        redoing.redo(step_of(run, "say"), user=None)
    runs.run_to_end(run)
    assert (folder / "tries").read_text() == "1"
    assert [a.outcome for a in attempts.list_of_step(step_of(run, "say"))] == ["failed", "failed"]


def test_a_forced_start_does_a_step_again_and_later_runs_may_reuse_it(start: Start, toy_steps: list[str]) -> None:
    first = runs.run_to_end(start(chain()))
    forced = runs.start_run(first.version, user=None, force={"say": Force.AGAIN})
    runs.run_to_end(forced)
    assert toy_steps == ["source", "answer", "answer"]
    say = step_of(forced, "say")
    assert (say.force, say.reused_from, say.fingerprint) == ("again", None, step_of(first, "say").fingerprint)
    assert "run 1 would have fitted" in say.reason
    later = runs.run_to_end(runs.start_run(first.version, user=None))
    assert step_of(later, "say").reused_from == say
    assert step_of(later, "say").reason == "Run 2 did the same with the same inputs."


def test_forcing_a_step_that_is_not_there_starts_nothing(start: Start) -> None:
    first = start(chain())
    with pytest.raises(StudioError, match="no step 'train'"):
        runs.start_run(first.version, user=None, force={"train": "again"})
    assert Run.objects.count() == 1


def test_asking_anew_says_from_which_call_on_answers_count(start: Start) -> None:
    run = start(chain())
    runs.run_to_end(run)
    redoing.redo(step_of(run, "say"), user=None, force=Force.ANEW)
    job = StepRun.claim(step_of(run, "say").pk)
    assert job is not None
    assert StepContext(job, on_progress=lambda step: None).asks_anew_after == 0
    assert StepContext(step_of(run, "make"), on_progress=lambda step: None).asks_anew_after is None


def test_long_curves_are_thinned() -> None:
    curves = redoing.thin_curves([("loss", at, 1.0) for at in range(2_500)])
    assert [len(curves["loss"]), curves["loss"][1]] == [834, [3, 1.0]]
