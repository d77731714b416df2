"""Runs and the executor: order, reuse, failure, waiting, cancelling, killing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from pipelines.building import drafts
from pipelines.models import Run, StepOutput, StepRun
from pipelines.running import executor, runs
from pipelines.specs import spec as specs
from studio import reaping
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import AuditEvent, Workspace
from tests.pipelines.toys import chain
from vault import store
from vault.rows import read_rows

Start = Callable[[dict[str, Any]], Run]


def step_of(run: Run, node: str) -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def test_steps_run_in_order_and_their_outputs_are_published(start: Start, toy_steps: list[str]) -> None:
    run = start(chain(text="no"))
    assert [s.ready for s in run.steps.all()] == [True, False]
    runs.run_to_end(run)
    assert run.state == State.SUCCEEDED
    assert run.finished_at is not None
    assert toy_steps == ["source", "answer"]
    output = StepOutput.objects.get(step_run=step_of(run, "say"), port="rows")
    rows = list(read_rows(store.path(output.artifact)))
    assert [r.completion_text for r in rows] == ["no", "no", "no"]


def test_an_equal_step_is_reused_and_a_changed_one_is_not(start: Start, toy_steps: list[str]) -> None:
    first = runs.run_to_end(start(chain(text="a")))
    again = runs.run_to_end(start(chain(text="a")))
    changed = runs.run_to_end(start(chain(text="b")))
    assert toy_steps == ["source", "answer", "answer"]
    assert step_of(again, "say").reused_from == step_of(first, "say")
    assert step_of(changed, "make").reused_from == step_of(first, "make")
    assert step_of(changed, "say").reused_from is None


def test_a_param_that_does_not_count_does_not_prevent_reuse(start: Start, toy_steps: list[str]) -> None:
    runs.run_to_end(start(chain()))
    spec = chain()
    spec["nodes"][0]["params"] = {"threads": 8}
    runs.run_to_end(start(spec))
    assert toy_steps.count("source") == 1


def test_a_reuse_whose_artifact_is_gone_runs_again(start: Start, toy_steps: list[str]) -> None:
    import shutil

    run = runs.run_to_end(start(chain()))
    artifact = StepOutput.objects.get(step_run=step_of(run, "make")).artifact
    shutil.rmtree(store.folder_of(artifact.sha256))
    again = runs.run_to_end(start(chain()))
    assert again.state == State.SUCCEEDED
    assert toy_steps == ["source", "answer", "source"]


def test_a_users_error_fails_the_step_with_the_next_action_and_a_retry_starts_there(
    start: Start, toy_steps: list[str]
) -> None:
    run = runs.run_to_end(start(chain(fault="user")))
    say = step_of(run, "say")
    assert (run.state, say.state, say.error, say.action) == (
        State.FAILED,
        State.FAILED,
        "The teacher said 401.",
        "Check the key.",
    )
    assert say.trace == ""
    assert runs.retry_run(run, user=None) == 1
    runs.run_to_end(run)
    assert toy_steps == ["source", "answer", "answer"]


def test_a_passing_fault_is_retried_by_itself_later(start: Start) -> None:
    run = start(chain(fault="once"))
    executor.execute(step_of(run, "make").pk)
    executor.execute(step_of(run, "say").pk)
    say = step_of(run, "say")
    assert say.state == State.PENDING
    assert say.not_before is not None and say.not_before > timezone.now()
    assert say.error == "The teacher is busy."
    assert executor.execute(say.pk) is None
    StepRun.objects.filter(pk=say.pk).update(not_before=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_retries_end(start: Start) -> None:
    run = start(chain(fault="always"))
    executor.execute(step_of(run, "make").pk)
    for _ in range(3):
        StepRun.objects.filter(run=run).update(not_before=None)
        executor.execute(step_of(run, "say").pk)
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert step_of(run, "say").attempt == 3


def test_a_bug_keeps_its_trace_for_the_operator_and_out_of_the_message(start: Start) -> None:
    run = runs.run_to_end(start(chain(fault="bug")))
    say = step_of(run, "say")
    assert run.state == State.FAILED
    assert "ZeroDivisionError" in say.trace
    assert "division by zero" not in say.error and say.action


def test_a_waiting_step_frees_the_worker_and_goes_on_with_the_answer(start: Start, owner: User) -> None:
    run = runs.run_to_end(start(chain(fault="cap")))
    say = step_of(run, "say")
    assert (run.state, say.state) == (State.WAITING, State.WAITING)
    assert "cost cap" in say.error
    with pytest.raises(StudioError):
        runs.answer_step(say, user=owner, answers={"cap": "much"})
    assert runs.answer_step(say, user=owner, answers={"cap": 9.0})
    assert not runs.answer_step(step_of(run, "say"), user=owner, answers={"cap": 9.0})
    assert runs.run_to_end(run).state == State.SUCCEEDED
    assert AuditEvent.objects.filter(verb="answered").count() == 1


def test_a_cancelled_run_ends_and_can_be_taken_up_again(start: Start) -> None:
    run = start(chain())
    executor.execute(step_of(run, "make").pk)
    runs.cancel_run(run, user=None)
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert step_of(run, "make").state == State.SUCCEEDED
    runs.retry_run(run, user=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_a_running_step_stops_at_its_next_heartbeat_when_cancelled(start: Start) -> None:
    run = start(chain(fault="slow"))
    executor.execute(step_of(run, "make").pk)

    def cancel(step: StepRun) -> None:
        if step.progress_done > 2:
            StepRun.objects.get(pk=step.pk).request_cancel()

    executor.execute(step_of(run, "say").pk, on_progress=cancel)
    run.refresh_from_db()
    assert step_of(run, "say").state == State.CANCELLED
    assert run.state == State.CANCELLED


def test_a_step_whose_worker_died_after_placing_its_output_is_done_again_to_the_same_artifact(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(chain())

    def die(*_: object, **__: object) -> None:
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr(store, "record", die)
        with pytest.raises(SystemExit):
            executor.execute(step_of(run, "make").pk)
    make = step_of(run, "make")
    assert make.state == State.RUNNING
    placed = list(store.settings.DATA_ROOT.glob("artifacts/??/*"))
    assert len(placed) == 1 and StepOutput.objects.count() == 0
    StepRun.objects.filter(pk=make.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    reaping.reap(StepRun)
    assert runs.run_to_end(run).state == State.SUCCEEDED
    assert StepOutput.objects.get(step_run=make).artifact.sha256 == placed[0].name


def test_a_reaped_step_that_is_given_up_fails_its_run(start: Start) -> None:
    run = start(chain())
    make = StepRun.claim(step_of(run, "make").pk)
    assert make is not None
    StepRun.objects.filter(pk=make.pk).update(lease_until=timezone.now() - timedelta(seconds=1), max_attempts=1)
    reaping.reap(StepRun)
    StepRun.settle()
    run.refresh_from_db()
    assert run.state == State.FAILED


def test_the_same_form_sent_twice_starts_one_run(toy_steps: list[str], workspace: Workspace, owner: User) -> None:
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=owner)
    version = runs.freeze(pipeline, user=owner)
    first = runs.start_run(version, user=owner, request_key="k")
    second = runs.start_run(version, user=owner, request_key="k")
    other = runs.start_run(version, user=owner, request_key="other")
    assert first == second != other
    assert (first.number, other.number) == (1, 2)


def test_freezing_an_unchanged_draft_makes_no_new_version(toy_steps: list[str], workspace: Workspace) -> None:
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=None)
    first = runs.freeze(pipeline, user=None)
    assert runs.freeze(pipeline, user=None) == first
    drafts.save(pipeline, spec=chain(text="other"), revision=pipeline.revision)
    assert runs.freeze(pipeline, user=None).number == 2


def test_a_draft_with_problems_starts_nothing(toy_steps: list[str], workspace: Workspace) -> None:
    broken = chain(colour="red")
    broken["edges"] = []
    pipeline = drafts.create(workspace, name="Toy", spec=broken, user=None)
    with pytest.raises(specs.SpecError) as caught:
        runs.freeze(pipeline, user=None)
    assert len(caught.value.problems) == 2
    assert Run.objects.count() == 0


def test_a_second_tab_cannot_overwrite_the_first(toy_steps: list[str], workspace: Workspace) -> None:
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=None)
    seen = pipeline.revision
    drafts.save(pipeline, spec=chain(text="first"), revision=seen)
    with pytest.raises(drafts.Conflict):
        drafts.save(pipeline, spec=chain(text="second"), revision=seen)
    assert pipeline.draft["nodes"][1]["params"] == {"text": "first"}


def test_a_scratch_folder_in_use_is_not_entered(start: Start, data_root: Path) -> None:
    from pipelines.running.context import exclusive, scratch_name

    run = start(chain())
    make = step_of(run, "make")
    with exclusive(store.scratch_dir(scratch_name(make.pk))):
        executor.execute(make.pk)
    make.refresh_from_db()
    assert make.state == State.PENDING
    assert "shutting down" in make.error


def test_rate_and_time_left_survive_a_note_that_changes_all_the_time(start: Start) -> None:
    from pipelines.running.context import StepContext

    run = start(chain())
    job = StepRun.claim(step_of(run, "make").pk)
    assert job is not None
    context = StepContext(job, on_progress=lambda step: None)
    context.progress(0, 100, note="Loading")
    context.progress(10, 100, note="1.0 rows/s")
    context.flush()
    StepRun.objects.filter(pk=job.pk).update(progress_since=timezone.now() - timedelta(seconds=10))
    job.progress_since = timezone.now() - timedelta(seconds=10)
    context.progress(20, 100, note="2.0 rows/s")
    context.flush()
    fresh = StepRun.objects.get(pk=job.pk)
    assert fresh.progress_note == "2.0 rows/s"
    assert fresh.rate == pytest.approx(1, rel=0.2)
    assert fresh.seconds_left == pytest.approx(80, rel=0.2)
    context.progress(1, 12, unit="files")
    context.flush()
    assert StepRun.objects.get(pk=job.pk).rate is None


def test_a_result_that_is_not_whole_is_not_reused(start: Start, toy_steps: list[str]) -> None:
    first = runs.run_to_end(start(chain()))
    StepRun.objects.filter(run=first, node="say").update(summary={"incomplete": True})
    runs.run_to_end(start(chain()))
    assert toy_steps == ["source", "answer", "answer"]


def test_a_full_disk_ends_the_step_with_what_to_do(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.pipelines import toys

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(toys, "write_rows", full)
    run = runs.run_to_end(start(chain()))
    make = step_of(run, "make")
    assert make.state == State.FAILED
    assert "disk is full" in make.error and "Free some space" in make.action


def test_a_database_that_is_busy_only_delays_a_step(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    from tests.pipelines import toys

    def locked(*_: object, **__: object) -> int:
        raise OperationalError("database is locked")

    run = start(chain())
    with monkeypatch.context() as patch:
        patch.setattr(toys, "write_rows", locked)
        executor.execute(step_of(run, "make").pk)
    make = step_of(run, "make")
    assert make.state == State.PENDING and make.not_before is not None
    StepRun.objects.update(not_before=None)
    assert runs.run_to_end(run).state == State.SUCCEEDED
