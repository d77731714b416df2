"""What differs between one machine and many: row locks of a real server, and messages through a real broker."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.db import connection, transaction
from django.utils import timezone

from studio import audit, tasks
from studio.jobs import State
from studio.models import AuditEvent, Workspace
from vault.models import Upload

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]


def make_upload(workspace: Workspace) -> Upload:
    return Upload.objects.create(workspace=workspace, dataset_name="letters", file_name="letters.csv")


def in_threads(count: int, work: object) -> None:
    """Run ``work()`` in ``count`` threads that start together, each with a database connection of its own."""
    gate = threading.Barrier(count)

    def run() -> None:
        gate.wait()
        try:
            work()  # type: ignore[operator]
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_the_database_is_postgresql() -> None:
    assert connection.vendor == "postgresql"


def test_of_many_workers_that_claim_one_job_exactly_one_gets_it(workspace: Workspace) -> None:
    upload = make_upload(workspace)
    claimed: list[Upload | None] = []
    in_threads(8, lambda: claimed.append(Upload.claim(upload.pk)))
    assert len([job for job in claimed if job]) == 1
    upload.refresh_from_db()
    assert (upload.state, upload.attempt) == (State.RUNNING, 1)


def test_audit_events_of_many_writers_form_one_chain(workspace: Workspace) -> None:
    in_threads(8, lambda: audit.record(workspace, actor="worker", verb="did", subject="something"))
    numbers = list(AuditEvent.objects.filter(workspace=workspace).order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, 9))
    assert list(audit.verify(workspace)) == []


def test_a_job_is_rung_when_its_transaction_is_committed_and_not_before(
    workspace: Workspace, broker: redis.Redis
) -> None:
    with transaction.atomic():
        upload = make_upload(workspace)
        upload.ring()
        assert broker.llen("io") == 0
    (message,) = broker.lrange("io", 0, -1)
    assert json.loads(message)["headers"]["task"] == "vault.tasks.ingest_upload"
    upload.refresh_from_db()
    assert upload.rung_at is not None


def test_a_rolled_back_job_is_never_rung(workspace: Workspace, broker: redis.Redis) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        make_upload(workspace).ring()
        raise RuntimeError
    assert broker.llen("io") == 0


def test_a_broker_that_lost_everything_is_told_again(workspace: Workspace, broker: redis.Redis) -> None:
    upload = make_upload(workspace)
    upload.ring()
    broker.flushdb()
    Upload.objects.update(rung_at=timezone.now() - timedelta(minutes=5))
    tasks.reap()
    assert broker.llen("io") == 1


def test_a_worker_takes_a_dead_workers_job_back(workspace: Workspace, worker: None, data_root: Path) -> None:
    """The job is reaped and rung by the real worker, which then runs it; its file is missing, so it says so."""
    upload = make_upload(workspace)
    assert Upload.claim(upload.pk) is not None
    Upload.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    tasks.reap.apply_async(queue="io")
    deadline = time.monotonic() + 30
    while True:
        upload.refresh_from_db()
        if upload.attempt > 1 and upload.state in (State.FAILED, State.PENDING):
            break
        assert time.monotonic() < deadline, (upload.state, upload.attempt, upload.error)
        time.sleep(0.1)
    assert upload.error
