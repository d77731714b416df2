"""Pausing a run: before, while and after a step runs, with retries between, cancelled, retried, and met by the reaper."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from pipelines.models import Run, StepRun
from pipelines.running import executor, pausing, runs
from studio import reaping
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import AuditEvent
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def step_of(run: Run, node: str) -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def fresh(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def fork() -> dict[str, Any]:
    """One source and two answers to it."""
    spec = chain()
    spec["nodes"].append({"id": "sing", "step": "answer", "params": {"text": "la"}})
    spec["edges"].append({"from": "make.rows", "to": "sing.rows"})
    return spec


def test_a_pause_set_before_a_step_takes_effect_at_its_end(start: Start, toy_steps: list[str]) -> None:
    run = start(chain())
    pausing.pause(run, user=None, after="make")
    assert (run.pause_after, run.is_paused, run.state) == (["make"], False, State.PENDING)
    runs.run_to_end(run)
    assert toy_steps == ["source"]
    assert (run.state, run.status, run.pause_text, run.pause_after) == ("waiting", "paused", "Paused after make", [])
    assert not step_of(run, "say").ready
    assert pausing.go_on(run, user=None)
    assert not pausing.go_on(run, user=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED
    verbs = list(AuditEvent.objects.order_by("number").values_list("verb", flat=True))
    assert [v for v in verbs if v in ("paused", "continued")] == ["paused", "continued"]


def test_a_pause_set_while_a_step_runs_lets_it_end_and_frees_the_worker(start: Start) -> None:
    run = start(chain())
    make = StepRun.claim(step_of(run, "make").pk)
    assert make is not None
    runs.advance(run.pk)
    pausing.pause(run, user=None)
    assert run.state == State.RUNNING and run.status == "running"
    assert run.pause_text.startswith("Pausing")
    make.finish(State.SUCCEEDED)
    runs.advance(run.pk)
    assert (fresh(run).status, fresh(run).pause_text) == ("paused", "Paused")
    assert executor.execute(step_of(run, "say").pk) is None


def test_a_pause_after_a_step_that_has_ended_holds_what_has_not_begun(start: Start) -> None:
    run = start(chain())
    executor.execute(step_of(run, "make").pk)
    assert step_of(run, "say").ready
    pausing.pause(run, user=None, after="make")
    assert fresh(run).pause_text == "Paused after make"
    assert StepRun.claim(step_of(run, "say").pk) is None


def test_what_has_begun_beside_it_goes_on_to_its_end(start: Start) -> None:
    run = start(fork())
    executor.execute(step_of(run, "make").pk)
    say = StepRun.claim(step_of(run, "say").pk)
    assert say is not None
    pausing.pause(run, user=None, after="make")
    assert StepRun.claim(step_of(run, "sing").pk) is None
    assert fresh(run).state == State.RUNNING
    say.finish(State.SUCCEEDED)
    runs.advance(run.pk)
    assert fresh(run).status == "paused"


def test_a_step_between_two_tries_is_under_way_and_one_set_back_by_a_person_is_not(start: Start) -> None:
    run = start(chain(fault="once"))
    executor.execute(step_of(run, "make").pk)
    executor.execute(step_of(run, "say").pk)
    pausing.pause(run, user=None)
    assert step_of(run, "say").ready
    StepRun.objects.update(not_before=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED
    other = runs.run_to_end(start(chain(fault="user")))
    runs.retry_run(other, user=None)
    pausing.pause(other, user=None)
    assert not step_of(other, "say").ready


def test_the_end_of_the_last_step_ends_the_run_paused_or_not(start: Start) -> None:
    run = start(chain())
    pausing.pause(run, user=None, after="say")
    assert runs.run_to_end(run).state == State.SUCCEEDED
    assert not run.is_paused
    with pytest.raises(StudioError, match="has ended"):
        pausing.pause(run, user=None)


def test_a_step_that_is_not_there_is_named_with_those_that_are(start: Start) -> None:
    run = start(chain())
    with pytest.raises(StudioError) as caught:
        pausing.pause(run, user=None, after="train")
    assert "make, say" in caught.value.action


def test_an_armed_pause_can_be_taken_back(start: Start) -> None:
    run = start(chain())
    pausing.pause(run, user=None, after="make")
    assert not pausing.go_on(run, user=None, after="say")
    assert pausing.go_on(run, user=None, after="make")
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_a_paused_run_can_be_cancelled_and_taken_up_again(start: Start) -> None:
    run = start(chain())
    pausing.pause(run, user=None, after="make")
    runs.run_to_end(run)
    runs.cancel_run(run, user=None)
    assert (fresh(run).state, fresh(run).is_paused) == (State.CANCELLED, False)
    assert runs.retry_run(run, user=None) == 1
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_a_retry_in_a_paused_run_ends_the_pause(start: Start) -> None:
    run = start(fork())
    executor.execute(step_of(run, "make").pk)
    say = StepRun.claim(step_of(run, "say").pk)
    assert say is not None
    pausing.pause(run, user=None)
    say.finish(State.FAILED, error="no", action="do")
    runs.advance(run.pk)
    assert fresh(run).status == "paused"
    runs.retry_run(fresh(run), user=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_a_failure_with_nothing_held_is_a_failure_and_no_pause(start: Start) -> None:
    run = start(chain(fault="user"))
    pausing.pause(run, user=None, after="say")
    assert runs.run_to_end(run).status == "failed"


def test_reaper_and_stale_rounds_respect_a_pause(start: Start) -> None:
    run = start(fork())
    executor.execute(step_of(run, "make").pk)
    say = StepRun.claim(step_of(run, "say").pk)
    assert say is not None
    pausing.pause(run, user=None)
    StepRun.objects.filter(pk=say.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert reaping.reap(StepRun) == {"given_up": 0, "taken_back": 1, "cancelled": 0, "rung": 1}
    StepRun.settle()
    assert (step_of(run, "say").ready, step_of(run, "sing").ready) == (True, False)
    runs.run_to_end(run)
    assert (step_of(run, "say").state, step_of(run, "sing").state) == (State.SUCCEEDED, State.PENDING)
    assert run.status == "paused"
