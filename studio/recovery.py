"""Gives jobs back at once when their worker is known to be gone, rather than when its lease runs out."""

from __future__ import annotations

from django.apps import apps

from studio import jobs


def give_back(*, counts_as_attempt: bool) -> int:
    """End the leases held by processes of this machine that no longer exist. Returns how many.

    Only the leases are ended; ``studio.jobs.reap`` makes the move, so that there is one place that decides it.
    """
    kinds = [model for model in apps.get_models() if issubclass(model, jobs.Job)]
    return sum(jobs.cut_dead_leases(model, counts_as_attempt=counts_as_attempt) for model in kinds)
