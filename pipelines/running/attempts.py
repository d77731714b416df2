"""The record of every try of every step: who, when, how it ended, and what it used of the machine.

A record is begun in the transaction of the claim and ended in the transaction that ends the attempt, so it stands and falls
with the job's fence. The figures are written while it is under way by whoever owns the attempt: the number is part of every
write, and a record that has ended is not written any more. A worker that was only thought dead can change nothing.
"""

from __future__ import annotations

import os
from typing import Any

from django.db.models import Exists, OuterRef

from pipelines.models import Run, StepAttempt, StepRun
from studio.jobs import State, clock
from studio.lib import usage

# --- writing ---------------------------------------------------------------------------------------------------------


def begin(step: StepRun) -> None:
    """The attempt that was just claimed."""
    began = step.started_at or clock()
    StepAttempt.objects.create(step_run=step, number=step.attempt, owner=step.owner, started_at=began)


def end(step: StepRun, outcome: str, *, error: str = "", action: str = "", trace: str = "") -> None:
    """The attempt ends. A success that took an earlier step's outputs is kept as "reused"."""
    if outcome == State.SUCCEEDED and step.reused_from_id:
        outcome = StepAttempt.Outcome.REUSED
    StepAttempt.objects.filter(step_run=step, number=step.attempt, ended_at=None).update(
        outcome=outcome, ended_at=clock(), error=error, action=action, trace=trace
    )


def close_lost() -> int:
    """End the records whose step is no longer in that attempt's hands. Returns how many."""
    owned = StepRun.objects.filter(pk=OuterRef("step_run_id"), state=State.RUNNING, attempt=OuterRef("number"))
    return StepAttempt.objects.filter(~Exists(owned), ended_at=None).update(
        outcome=StepAttempt.Outcome.LOST, ended_at=clock(), error="Its worker stopped answering."
    )


class Meter:
    """What an attempt has used of the machine so far, measured in its worker's process."""

    def __init__(self) -> None:
        self.before = usage.look(os.getpid())
        self.peak = 0
        self.gpu: int | None = None

    def note_gpu(self, held: Any) -> None:
        """A child said how much torch held on the GPUs at most."""
        if isinstance(held, int) and held >= 0:
            self.gpu = max(self.gpu or 0, held)

    def read(self) -> dict[str, Any]:
        """Fields of :class:`StepAttempt` as they stand now; empty where the machine does not tell."""
        now = usage.look(os.getpid())
        found: dict[str, Any] = {} if self.gpu is None else {"gpu_memory_bytes": self.gpu}
        if now is None or self.before is None:
            return found
        self.peak = max(self.peak, now.peak)
        return found | {
            "memory_bytes": now.memory,
            "peak_memory_bytes": self.peak,
            "cpu_seconds": round(max(now.cpu - self.before.cpu, 0.0), 2),
            "bytes_read": _since(self.before.read, now.read),
            "bytes_written": _since(self.before.written, now.written),
        }


def _since(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else max(now - before, 0)


def sample(step: StepRun, meter: Meter) -> None:
    """Write what the running attempt has used so far."""
    values = meter.read()
    if values:
        StepAttempt.objects.filter(step_run=step, number=step.attempt, ended_at=None).update(
            sampled_at=clock(), **values
        )


# --- reading ---------------------------------------------------------------------------------------------------------


def list_attempts(run: Run) -> list[StepAttempt]:
    """Every attempt of every step of ``run`` in the order they began, each with its ``step_run``; one query.

    ``owner`` is ``machine:pid``; ``ended_at`` is None and ``outcome`` blank while one is under way. A step that was never
    claimed has none.
    """
    return list(StepAttempt.objects.filter(step_run__run=run).select_related("step_run").order_by("started_at", "id"))


def list_of_step(step: StepRun) -> list[StepAttempt]:
    """The attempts of one step, the newest first."""
    return list(step.attempts.order_by("-number"))
