"""Gives jobs back at once when their worker is known to be gone, rather than when its lease runs out."""

from __future__ import annotations

import os
import socket
from datetime import timedelta

from django.apps import apps
from django.db.models import F
from django.utils import timezone

from studio.jobs import Job, State


def give_back(*, counts_as_attempt: bool) -> int:
    """End the leases held by processes of this machine that no longer exist. Returns how many.

    ``counts_as_attempt=False`` is for workers that we stopped ourselves: a training that is interrupted by three
    restarts has not failed three times.
    """
    found = 0
    for model in apps.get_models():
        if issubclass(model, Job):
            found += sum(_give_back_one(model, job, counts=counts_as_attempt) for job in _orphans(model))
    return found


def _orphans(model: type[Job]) -> list[Job]:
    here = socket.gethostname()
    running = model._default_manager.filter(state=State.RUNNING, owner__startswith=f"{here}:")
    return [job for job in running if not is_alive(job.owner.rpartition(":")[2])]


def _give_back_one(model: type[Job], job: Job, *, counts: bool) -> int:
    """Only the lease is ended; ``studio.jobs.reap`` makes the move, so that there is one place that decides it."""
    rows = model._default_manager.filter(pk=job.pk, state=State.RUNNING, attempt=job.attempt)
    free_attempt = {} if counts else {"max_attempts": F("max_attempts") + 1}
    return rows.update(lease_until=timezone.now() - timedelta(seconds=1), **free_attempt)


def is_alive(pid: str) -> bool:
    """Whether a process with this number exists."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
