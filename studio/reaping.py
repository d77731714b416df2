"""Jobs whose worker is gone, and jobs that nobody was rung for: taken back and announced, by :mod:`studio.jobs`'s rules."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from studio.jobs import RING_AGAIN_AFTER, Job, State, clock, machine_name


def cut_dead_leases(model: type[Job], *, counts_as_attempt: bool = True) -> int:
    """End the leases of jobs claimed by processes of this machine that are gone, so that reap() need not wait for them.

    Returns how many. A process id that was given out again only means waiting for the lease as usual.
    ``counts_as_attempt=False`` is for workers that we stopped ourselves: a training interrupted by three restarts has not
    failed three times.
    """
    here = f"{machine_name()}:"
    past = clock() - timedelta(seconds=1)
    pardon: dict[str, Any] = {} if counts_as_attempt else {"max_attempts": F("max_attempts") + 1}
    cut = 0
    for job in model._default_manager.filter(state=State.RUNNING, owner__startswith=here):
        if not is_alive(job.owner.removeprefix(here)):
            mine = model._default_manager.filter(pk=job.pk, state=State.RUNNING, attempt=job.attempt)
            cut += mine.update(lease_until=past, **pardon)
    return cut


def is_alive(pid: str) -> bool:
    """Whether a process with this id runs on this machine."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def reap(model: type[Job], *, now: datetime | None = None) -> dict[str, int]:
    """Take jobs from dead workers and ring for what is ready and has no ringer. Returns counts of both."""
    now = now or clock()
    counts = {**_take_back(model, now=now), "rung": 0}
    ready = model._default_manager.filter(state=State.PENDING, ready=True).filter(
        Q(not_before__isnull=True) | Q(not_before__lte=now),
        Q(rung_at__isnull=True) | Q(rung_at__lt=now - RING_AGAIN_AFTER),
    )
    for job in model.pick_for_ringing(ready):
        job.ring()
        counts["rung"] += 1
    return counts


@transaction.atomic
def _take_back(model: type[Job], *, now: datetime) -> dict[str, int]:
    """Move every job whose lease ended before ``now``; each is counted under what became of it."""
    lost = model._default_manager.filter(state=State.RUNNING, lease_until__lt=now)
    counts = {
        "cancelled": lost.filter(cancel_requested_at__isnull=False).update(
            state=State.CANCELLED, finished_at=now, lease_until=None
        ),
        "given_up": lost.filter(attempt__gte=F("max_attempts")).update(
            state=State.FAILED,
            finished_at=now,
            lease_until=None,
            error="The worker stopped answering while it did this, as often as it may be tried.",
            action="Look at the worker's log (out of memory is the usual cause), lower the step's memory use, then retry.",
        ),
        "taken_back": lost.update(
            state=State.PENDING,
            lease_until=None,
            rung_at=None,
            not_before=None,
            error="The worker stopped answering; starting again.",
        ),
    }
    if any(counts.values()):
        model.note_lost()
    return counts
