"""The state machine: every move, and every race for a move."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from studio import jobs, reaping
from studio.jobs import State
from studio.lib.errors import Cancelled, LeaseLost
from studio.models import Workspace
from vault.models import Upload


def make_job(workspace: Workspace, **values: object) -> Upload:
    return Upload.objects.create(workspace=workspace, dataset_name="d", file_name="f.csv", **values)


def expire(job: Upload) -> None:
    Upload.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_claim_takes_a_pending_job_once(workspace: Workspace) -> None:
    job = make_job(workspace)
    mine = Upload.claim(job.pk)
    assert mine is not None
    assert (mine.state, mine.attempt) == (State.RUNNING, 1)
    assert mine.lease_until is not None and mine.lease_until > timezone.now()
    assert Upload.claim(job.pk) is None


def claim_when_unlocked(job: Upload) -> Upload | None:
    """The tests' SQLite lives in memory, where a table that is being written is locked at once, without waiting."""
    while True:
        try:
            return Upload.claim(job.pk)
        except OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.01)


@pytest.mark.django_db(transaction=True)
def test_of_eight_workers_that_race_for_a_job_one_gets_it() -> None:
    job = make_job(Workspace.objects.create(slug="race", name="Race"))
    won: list[int] = []
    barrier = threading.Barrier(8)

    def race() -> None:
        barrier.wait()
        try:
            claimed = claim_when_unlocked(job)
            if claimed is not None:
                won.append(claimed.attempt)
        finally:
            connection.close()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [1]


def test_a_job_that_is_not_ready_or_not_due_is_left_alone(workspace: Workspace) -> None:
    unready = make_job(workspace, ready=False)
    later = make_job(workspace, not_before=timezone.now() + timedelta(minutes=1))
    assert Upload.claim(unready.pk) is None
    assert Upload.claim(later.pk) is None


def test_a_heartbeat_extends_the_lease_and_writes_progress(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    expire(job)
    job.heartbeat(progress_done=5, progress_total=10)
    fresh = Upload.objects.get(pk=job.pk)
    assert fresh.lease_until is not None and fresh.lease_until > timezone.now()
    assert fresh.fraction == 0.5


def test_a_zombie_can_write_nothing_after_another_took_over(workspace: Workspace) -> None:
    zombie = Upload.claim(make_job(workspace).pk)
    assert zombie is not None
    expire(zombie)
    assert reaping.reap(Upload)["taken_back"] == 1
    heir = Upload.claim(zombie.pk)
    assert heir is not None and heir.attempt == 2
    for move in (
        lambda: zombie.heartbeat(progress_done=99),
        lambda: zombie.finish(State.SUCCEEDED),
        lambda: zombie.release(error="x"),
        lambda: zombie.wait(question="x"),
    ):
        with pytest.raises(LeaseLost):
            move()
    heir.finish(State.SUCCEEDED)
    fresh = Upload.objects.get(pk=heir.pk)
    assert (fresh.state, fresh.progress_done) == (State.SUCCEEDED, 0)


def test_a_cancelled_idle_job_ends_at_once_and_a_running_one_at_its_heartbeat(workspace: Workspace) -> None:
    idle = make_job(workspace)
    idle.request_cancel()
    assert idle.state == State.CANCELLED
    running = Upload.claim(make_job(workspace).pk)
    assert running is not None
    Upload.objects.get(pk=running.pk).request_cancel()
    with pytest.raises(Cancelled):
        running.heartbeat()


def test_cancelling_a_finished_job_changes_nothing(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    job.finish(State.SUCCEEDED)
    job.request_cancel()
    assert job.state == State.SUCCEEDED


def test_a_job_of_a_dead_worker_is_tried_again_and_at_last_given_up(workspace: Workspace) -> None:
    job = make_job(workspace, max_attempts=2)
    for expected in ("taken_back", "given_up"):
        claimed = Upload.claim(job.pk)
        assert claimed is not None
        expire(claimed)
        assert reaping.reap(Upload)[expected] == 1
    job.refresh_from_db()
    assert job.state == State.FAILED
    assert "worker" in job.error and job.action


def test_a_cancelled_job_of_a_dead_worker_ends_as_cancelled(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    job.request_cancel()
    expire(job)
    reaping.reap(Upload)
    job.refresh_from_db()
    assert job.state == State.CANCELLED


def test_the_reaper_rings_for_what_nobody_rang_for(workspace: Workspace) -> None:
    make_job(workspace)
    make_job(workspace, rung_at=timezone.now())
    make_job(workspace, rung_at=timezone.now() - 2 * jobs.RING_AGAIN_AFTER)
    make_job(workspace, ready=False)
    assert reaping.reap(Upload)["rung"] == 2


def test_a_dead_process_of_this_machine_loses_its_lease_at_once(workspace: Workspace) -> None:
    job, alive = Upload.claim(make_job(workspace).pk), Upload.claim(make_job(workspace).pk)
    assert job is not None and alive is not None
    host = job.owner.rsplit(":", 1)[0]
    Upload.objects.filter(pk=job.pk).update(owner=f"{host}:{2**22 + 1}")
    assert reaping.cut_dead_leases(Upload) == 1
    assert reaping.reap(Upload)["taken_back"] == 1


def test_waiting_frees_the_worker_and_an_answer_gives_fresh_attempts(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace, max_attempts=1).pk)
    assert job is not None
    job.wait(question="Raise the cap?")
    assert Upload.objects.get(pk=job.pk).lease_until is None
    assert job.resume()
    assert not job.resume()
    assert Upload.claim(job.pk) is not None


@pytest.mark.parametrize("move", ["release", "wait"])
def test_a_cancel_that_was_asked_for_wins_over_a_retry_and_over_a_question(workspace: Workspace, move: str) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    Upload.objects.get(pk=job.pk).request_cancel()
    if move == "release":
        job.release(error="busy")
    else:
        job.wait(question="Raise the cap?")
    assert Upload.objects.get(pk=job.pk).state == State.CANCELLED


def test_only_a_failed_or_cancelled_job_can_be_retried(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    assert not job.retry()
    job.finish(State.FAILED, error="no", action="do")
    assert job.retry()
    assert (job.state, job.error, job.finished_at) == (State.PENDING, "", None)


def test_the_database_refuses_a_running_job_without_a_lease(workspace: Workspace) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_job(workspace, state=State.RUNNING)


def test_progress_gives_rate_and_time_left(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    job.progress_since = timezone.now() - timedelta(seconds=10)
    job.progress_from, job.progress_done, job.progress_total = 0, 50, 100
    assert job.rate == pytest.approx(5, rel=0.1)
    assert job.seconds_left == pytest.approx(10, rel=0.1)


def test_a_cancel_that_meets_a_claim_or_a_release_is_never_lost(workspace: Workspace) -> None:
    """The stale copies think that the job is where it was: what counts is the row."""
    job = make_job(workspace)
    stale = Upload.objects.get(pk=job.pk)
    mine = Upload.claim(job.pk)
    assert mine is not None
    stale.request_cancel()
    assert (stale.state, stale.cancel_requested_at is not None) == (State.RUNNING, True)
    mine.release(error="busy")
    assert Upload.objects.get(pk=job.pk).state == State.CANCELLED


def test_success_wins_over_a_cancel_that_came_too_late_to_be_seen(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    Upload.objects.get(pk=job.pk).request_cancel()
    job.finish(State.SUCCEEDED)
    assert Upload.objects.get(pk=job.pk).state == State.SUCCEEDED


def test_a_finished_job_can_be_set_back_and_a_live_one_not(workspace: Workspace) -> None:
    job = Upload.claim(make_job(workspace).pk)
    assert job is not None
    assert not job.set_back()
    job.finish(State.SUCCEEDED)
    assert job.set_back()
    assert (job.state, job.ready, job.started_at, job.finished_at, job.max_attempts) == (
        "pending",
        False,
        None,
        None,
        4,
    )
