"""Machines whose clocks differ by a minute, and moves that meet at the same moment, on a database with many writers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from pipelines.models import Run, StepAttempt, StepRun
from pipelines.running import pausing, runs
from studio import reaping
from studio.jobs import State
from studio.lib.errors import Cancelled
from tests.pipelines.conftest import start as start
from tests.pipelines.conftest import toy_steps as toy_steps
from tests.pipelines.toys import chain

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
Start = Callable[[dict[str, Any]], Run]
ROUNDS = 25


def at_once(*works: Callable[[], object]) -> list[object]:
    """Run them in threads that start together, each with a connection of its own; what each returned or raised."""
    gate = threading.Barrier(len(works))
    found: list[object] = [None] * len(works)

    def run(at: int) -> None:
        gate.wait(timeout=30)
        try:
            found[at] = works[at]()
        except BaseException as error:
            found[at] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(at,)) for at in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return found


@pytest.mark.parametrize("skew", [-60, 60])
def test_a_machine_whose_clock_is_a_minute_off_takes_no_living_job_and_frees_a_dead_one(
    start: Start, settings: Settings, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    settings.LEASE_SECONDS = 20
    run = start(chain())
    job = StepRun.claim(run.steps.get(node="make").pk)
    assert job is not None
    real = timezone.now
    with monkeypatch.context() as other_machine:
        other_machine.setattr(timezone, "now", lambda: real() + timedelta(seconds=skew))
        assert reaping.reap(StepRun)["taken_back"] == 0
        job.heartbeat()
    lease = StepRun.objects.get(pk=job.pk).lease_until
    assert lease is not None and abs((lease - real()).total_seconds() - 20) < 10
    assert reaping.reap(StepRun)["taken_back"] == 0
    StepRun.objects.filter(pk=job.pk).update(lease_until=real() - timedelta(seconds=1))
    with monkeypatch.context() as other_machine:
        other_machine.setattr(timezone, "now", lambda: real() + timedelta(seconds=skew))
        assert reaping.reap(StepRun)["taken_back"] == 1
    assert StepAttempt.objects.get().outcome == "lost"


def test_a_cancel_before_the_end_is_seen_and_after_it_changes_nothing(start: Start) -> None:
    first, second = start(chain()), start(chain(text="b"))
    early, late = (StepRun.claim(run.steps.get(node="make").pk) for run in (first, second))
    assert early is not None and late is not None
    runs.cancel_run(first, user=None)
    with pytest.raises(Cancelled):
        early.heartbeat()
    early.finish(State.CANCELLED)
    runs.advance(first.pk)
    late.finish(State.SUCCEEDED)
    runs.cancel_run(second, user=None)
    first.refresh_from_db()
    second.refresh_from_db()
    assert [s.state for s in first.steps.all()] == ["cancelled", "cancelled"]
    assert [s.state for s in second.steps.all()] == ["succeeded", "cancelled"]
    assert (first.state, second.state) == (State.CANCELLED, State.CANCELLED)


def test_a_cancel_that_races_with_an_end_leaves_nothing_that_would_go_on(start: Start) -> None:
    for n in range(ROUNDS):
        run = start(chain(text=f"t{n}"))
        job = StepRun.claim(run.steps.get(node="make").pk)
        assert job is not None

        def end(job: StepRun = job, run: Run = run) -> None:
            job.finish(State.SUCCEEDED)
            runs.advance(run.pk)

        assert at_once(end, lambda run=run: runs.cancel_run(Run.objects.get(pk=run.pk), user=None)) == [None, None]
        make, say = run.steps.order_by("position")
        assert (make.state, say.state) == (State.SUCCEEDED, State.CANCELLED)
        run.refresh_from_db()
        assert run.state == State.CANCELLED


def test_a_cancel_that_races_with_a_claim_is_never_lost(start: Start) -> None:
    for n in range(ROUNDS):
        run = start(chain(text=f"t{n}"))
        pk = run.steps.get(node="make").pk
        claimed, _ = at_once(lambda pk=pk: StepRun.claim(pk), lambda pk=pk: StepRun.objects.get(pk=pk).request_cancel())
        row = StepRun.objects.get(pk=pk)
        if claimed is None:
            assert row.state == State.CANCELLED
        else:
            assert row.state == State.RUNNING and row.cancel_requested_at is not None


def test_a_cancel_that_races_with_a_release_is_never_lost(start: Start) -> None:
    for n in range(ROUNDS):
        run = start(chain(text=f"t{n}"))
        job = StepRun.claim(run.steps.get(node="make").pk)
        assert job is not None
        at_once(
            lambda job=job: job.release(error="busy"),
            lambda job=job: StepRun.objects.get(pk=job.pk).request_cancel(),
        )
        assert StepRun.objects.get(pk=job.pk).state == State.CANCELLED


def test_a_pause_that_races_with_an_end_holds_what_comes_next(start: Start) -> None:
    for n in range(ROUNDS):
        run = start(chain(text=f"t{n}"))
        job = StepRun.claim(run.steps.get(node="make").pk)
        assert job is not None

        def end(job: StepRun = job, run: Run = run) -> None:
            job.finish(State.SUCCEEDED)
            runs.advance(run.pk)

        def pause(run: Run = run, after: str = "make" if n % 2 else "") -> None:
            pausing.pause(Run.objects.get(pk=run.pk), user=None, after=after)

        assert at_once(end, pause) == [None, None]
        run.refresh_from_db()
        assert (run.status, run.steps.get(node="say").ready) == ("paused", False)
        pausing.go_on(run, user=None)
        assert run.steps.get(node="say").ready


def test_a_pause_that_races_with_a_claim_holds_the_step_or_lets_it_run(start: Start) -> None:
    for n in range(ROUNDS):
        run = start(chain(text=f"t{n}"))
        pk = run.steps.get(node="make").pk
        claimed, _ = at_once(
            lambda pk=pk: StepRun.claim(pk), lambda run=run: pausing.pause(Run.objects.get(pk=run.pk), user=None)
        )
        make = StepRun.objects.get(pk=pk)
        runs.advance(run.pk)
        run.refresh_from_db()
        if claimed is None:
            assert (make.state, make.ready, run.status) == (State.PENDING, False, "paused")
        else:
            assert (make.state, run.status) == (State.RUNNING, "running")
