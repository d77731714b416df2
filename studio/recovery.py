"""What a start knows that a running Studio must wait to find out: which workers are gone, and that no message is under way."""

from __future__ import annotations

from django.apps import apps

from studio import jobs, reaping


def forget_rings() -> int:
    """Let the next reap ring for every pending job at once: the broker was just started, so it holds no message."""
    kinds = [model for model in apps.get_models() if issubclass(model, jobs.Job)]
    pending = [kind._default_manager.filter(state=jobs.State.PENDING, rung_at__isnull=False) for kind in kinds]
    return sum(rows.update(rung_at=None) for rows in pending)


def give_back(*, counts_as_attempt: bool) -> int:
    """End the leases held by processes of this machine that no longer exist. Returns how many.

    Only the leases are ended; ``studio.reaping.reap`` makes the move, so that there is one place that decides it.
    """
    kinds = [model for model in apps.get_models() if issubclass(model, jobs.Job)]
    return sum(reaping.cut_dead_leases(model, counts_as_attempt=counts_as_attempt) for model in kinds)
