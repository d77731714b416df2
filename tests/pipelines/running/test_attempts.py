"""The record of every try: begun and ended with the job, closed by the reaper, out of a zombie's reach."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines.models import Run, StepAttempt, StepRun
from pipelines.running import attempts, executor, runs
from pipelines.running.context import StepContext
from studio import jobs, reaping
from studio.lib.errors import LeaseLost
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def step_of(run: Run, node: str) -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def outcomes(run: Run, node: str) -> list[str]:
    return [a.outcome for a in attempts.list_attempts(run) if a.step_run.node == node]


def let_die(step: StepRun) -> None:
    StepRun.objects.filter(pk=step.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    reaping.reap(StepRun)


def test_every_try_is_kept_with_its_owner_its_times_and_its_error(start: Start) -> None:
    run = start(chain(fault="once"))
    executor.execute(step_of(run, "make").pk)
    executor.execute(step_of(run, "say").pk)
    StepRun.objects.update(not_before=None)
    runs.run_to_end(run)
    first, second = (a for a in attempts.list_attempts(run) if a.step_run.node == "say")
    assert (first.number, first.outcome, first.error, first.action) == (1, "released", "The teacher is busy.", "Wait.")
    assert (second.number, second.outcome, second.error) == (2, "succeeded", "")
    assert first.owner == second.owner == jobs.worker_name()
    assert first.ended_at is not None and first.started_at <= first.ended_at <= second.started_at


def test_a_reuse_a_question_and_a_bug_are_told_apart(start: Start) -> None:
    runs.run_to_end(start(chain()))
    again = runs.run_to_end(start(chain(fault="cap")))
    assert outcomes(again, "make") == ["reused"]
    assert outcomes(again, "say") == ["waiting"]
    runs.answer_step(step_of(again, "say"), user=None, answers={"cap": 9.0})
    runs.run_to_end(again)
    assert outcomes(again, "say") == ["waiting", "succeeded"]
    broken = runs.run_to_end(start(chain(fault="bug")))
    (attempt,) = attempts.list_of_step(step_of(broken, "say"))
    assert attempt.outcome == "failed" and "ZeroDivisionError" in attempt.trace


def test_a_retry_keeps_the_error_of_the_attempt_before_it(start: Start) -> None:
    run = runs.run_to_end(start(chain(fault="user")))
    runs.retry_run(run, user=None)
    runs.run_to_end(run)
    errors = [a.error for a in attempts.list_of_step(step_of(run, "say"))]
    assert errors == ["The teacher said 401.", "The teacher said 401."]


def test_a_cancel_ends_the_attempt_as_cancelled(start: Start) -> None:
    run = start(chain(fault="slow"))
    executor.execute(step_of(run, "make").pk)

    def cancel(step: StepRun) -> None:
        StepRun.objects.get(pk=step.pk).request_cancel()

    executor.execute(step_of(run, "say").pk, on_progress=cancel)
    assert outcomes(run, "say") == ["cancelled"]


def test_the_reaper_ends_the_attempt_of_a_lost_worker_and_of_no_other(start: Start) -> None:
    run, other = start(chain()), start(chain(text="other"))
    lost, alive = StepRun.claim(step_of(run, "make").pk), StepRun.claim(step_of(other, "make").pk)
    assert lost is not None and alive is not None
    let_die(lost)
    assert outcomes(run, "make") == ["lost"]
    (attempt,) = attempts.list_attempts(other)
    assert attempt.is_live and attempt.outcome == ""


def test_a_zombie_writes_into_no_record(start: Start) -> None:
    run = start(chain())
    zombie = StepRun.claim(step_of(run, "make").pk)
    assert zombie is not None
    context = StepContext(zombie, on_progress=lambda step: None)
    let_die(zombie)
    assert StepRun.claim(zombie.pk) is not None
    before = list(StepAttempt.objects.order_by("number").values())
    for move in (
        lambda: context.beat(force=True),
        lambda: zombie.finish(jobs.State.SUCCEEDED),
        lambda: zombie.release(error="x"),
        lambda: zombie.wait(question="x"),
    ):
        with pytest.raises(LeaseLost):
            move()
    attempts.sample(zombie, context.meter)
    assert list(StepAttempt.objects.order_by("number").values()) == before
    assert [row["outcome"] for row in before] == ["lost", ""]


def test_what_an_attempt_uses_is_written_while_it_runs_and_kept(start: Start) -> None:
    run = start(chain())
    job = StepRun.claim(step_of(run, "make").pk)
    assert job is not None
    context = StepContext(job, on_progress=lambda step: None)
    context.run_child("tests.pipelines.children", {"do": "burn", "megabytes": 60, "seconds": 0.4})
    (attempt,) = attempts.list_of_step(job)
    assert attempt.is_live and attempt.sampled_at is not None
    assert attempt.peak_memory_bytes is not None and attempt.peak_memory_bytes > 60 << 20
    assert attempt.cpu_seconds is not None and attempt.cpu_seconds >= 0.3
    assert attempt.gpu_memory_bytes == 5 << 30
    job.finish(jobs.State.SUCCEEDED)
    (kept,) = attempts.list_of_step(job)
    assert (kept.peak_memory_bytes, kept.gpu_memory_bytes) == (attempt.peak_memory_bytes, 5 << 30)


def test_all_attempts_of_a_run_are_one_query(start: Start, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = runs.run_to_end(start(chain()))
    with django_assert_num_queries(1):
        assert [a.step_run.node for a in attempts.list_attempts(run)] == ["make", "say"]
