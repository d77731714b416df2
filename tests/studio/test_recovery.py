"""Jobs whose worker is known to be gone are given back at once; nobody else's are touched."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from studio import reaping, recovery
from studio.jobs import State, machine_name
from studio.models import Workspace
from vault.models import Upload


def gone_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def running(workspace: Workspace) -> Upload:
    upload = Upload.objects.create(workspace=workspace, dataset_name="letters", file_name="letters.csv")
    claimed = Upload.claim(upload.pk)
    assert claimed is not None
    return claimed


def owned_by(job: Upload, owner: str) -> None:
    Upload.objects.filter(pk=job.pk).update(owner=owner)


def test_a_job_of_a_process_that_is_gone_is_pending_after_the_next_reap(running: Upload) -> None:
    owned_by(running, f"{machine_name()}:{gone_pid()}")
    assert recovery.give_back(counts_as_attempt=True) == 1
    reaping.reap(Upload)
    running.refresh_from_db()
    assert (running.state, running.attempt, running.max_attempts) == (State.PENDING, 1, 3)


def test_a_job_that_we_stopped_ourselves_keeps_all_its_attempts(running: Upload) -> None:
    for restarts in range(1, 5):
        owned_by(running, f"{machine_name()}:{gone_pid()}")
        recovery.give_back(counts_as_attempt=False)
        reaping.reap(Upload)
        running.refresh_from_db()
        assert (running.state, running.max_attempts) == (State.PENDING, 3 + restarts)
        assert Upload.claim(running.pk) is not None


@pytest.mark.parametrize("owner", ["{here}:{me}", "elsewhere:{gone}", "{here}x:{gone}"])
def test_a_job_that_may_be_alive_is_left_alone(running: Upload, owner: str) -> None:
    owned_by(running, owner.format(here=machine_name(), me=os.getpid(), gone=gone_pid()))
    before = Upload.objects.get(pk=running.pk).lease_until
    found = recovery.give_back(counts_as_attempt=True)
    assert found == 0
    assert Upload.objects.get(pk=running.pk).lease_until == before
    assert before is not None
    assert before > timezone.now() + timedelta(seconds=1)


def test_after_the_broker_was_started_every_pending_job_is_due_for_a_ring(workspace: Workspace) -> None:
    pending = Upload.objects.create(workspace=workspace, dataset_name="a", file_name="a.csv", rung_at=timezone.now())
    done = Upload.objects.create(
        workspace=workspace,
        dataset_name="b",
        file_name="b.csv",
        rung_at=timezone.now(),
        state=State.CANCELLED,
        finished_at=timezone.now(),
    )
    assert reaping.reap(Upload)["rung"] == 0
    assert recovery.forget_rings() == 1
    assert reaping.reap(Upload)["rung"] == 1
    done.refresh_from_db()
    pending.refresh_from_db()
    assert (done.rung_at is None, pending.rung_at) == (False, None)
