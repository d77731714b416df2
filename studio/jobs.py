"""The only state machine: anything that takes longer than a request is a job.

::

    pending → running      claim()       one conditional UPDATE: attempt + 1, lease set
    running → running      heartbeat()   extends the lease, reports "cancel requested"
    running → waiting      wait()        a person must decide; the worker is freed
    running → succeeded    finish()
    running → failed       finish()
    running → pending      release() after a retryable error, or reap() after a lost lease; attempt < max_attempts
    waiting → pending      resume()      the person said: go on
    failed, cancelled → pending   retry()    a person said: try again
    succeeded, failed, cancelled → pending   set_back()   a person said: do it again, what it made is put aside
    pending, waiting → cancelled at once; running → cancelled at the next heartbeat

Every write by a worker filters on ``pk, state=running, attempt=<its own>``. When no row matches, the lease is lost and the
worker must stop: somebody else owns the job. Liveness is the heartbeat, never age. Every time that is compared with another comes
from :func:`clock`, so machines whose clocks differ agree on when a lease ends.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import connection, models, transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from studio.lib.errors import Cancelled, LeaseLost

RING_AGAIN_AFTER = timedelta(seconds=30)
RINGS_AT_ONCE = 200
RING_EXPIRES = 120.0
"""Seconds after which an unanswered ring is dropped, so that rings for a job that waits long don't pile up."""


class State(models.TextChoices):
    """Where a job stands."""

    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    WAITING = "waiting", "Waiting for a person"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"


FINISHED = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
LIVE = (State.PENDING, State.RUNNING, State.WAITING)


@lru_cache(maxsize=1)
def machine_name() -> str:
    """The host's name, with the id of the process namespace where there is one: process ids mean something only within it."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return socket.gethostname()
    return f"{socket.gethostname()}.{namespace}"


def worker_name() -> str:
    """``machine:pid`` of this process, kept with a claim so that people can see who does what."""
    return f"{machine_name()}:{os.getpid()}"


def clock() -> datetime:
    """The time by the one clock that all workers share: the database server's. On SQLite, which is one machine, its own."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        # Unlike now(), which stands still within a transaction.
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
    return found


class Job(models.Model):
    """Abstract job row. ``error`` and ``action`` are written for the user, ``trace`` for the operator."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING, db_index=True)
    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    owner = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    ready = models.BooleanField(default=True)
    """Whether a worker may take it: a step whose inputs are not there yet is pending but not ready."""
    not_before = models.DateTimeField(null=True, blank=True)
    rung_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    progress_unit = models.CharField(max_length=20, blank=True)
    progress_note = models.CharField(max_length=200, blank=True)
    progress_since = models.DateTimeField(null=True, blank=True)
    progress_from = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    action = models.TextField(blank=True)
    trace = models.TextField(blank=True)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING) | Q(lease_until__isnull=False, attempt__gt=0),
                name="%(app_label)s_%(class)s_running_has_lease",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=FINISHED) | Q(finished_at__isnull=False),
                name="%(app_label)s_%(class)s_finished_has_time",
            ),
        ]

    task: ClassVar[str]
    """Dotted name of the Celery task that runs this kind of job, called with the job's id."""

    @property
    def queue_name(self) -> str:
        """The Celery queue this job is announced on."""
        return "cpu"

    @property
    def room(self) -> Any:
        """The id of the workspace it belongs to: others see that a worker is busy, not with what."""
        return getattr(self, "workspace_id", None)

    @classmethod
    def list_running(cls) -> models.QuerySet[Self]:
        """What is being done now, with whatever :attr:`room` and ``str()`` need."""
        return cls._default_manager.filter(state=State.RUNNING)

    @classmethod
    def pick_for_ringing(cls, due: models.QuerySet[Self]) -> list[Self]:
        """Which of the jobs without a ringer are rung for now, the oldest first."""
        return list(due.order_by("created_at")[:RINGS_AT_ONCE])

    # --- reading -----------------------------------------------------------------------------------------------------

    @property
    def is_finished(self) -> bool:
        """Whether it will never change again."""
        return self.state in FINISHED

    @property
    def fraction(self) -> float | None:
        """Share done, 0..1, or None when the total is not known."""
        if self.state == State.SUCCEEDED:
            return 1.0
        return min(self.progress_done / self.progress_total, 1.0) if self.progress_total else None

    @property
    def seconds(self) -> float | None:
        """Seconds since it started (until it ended), or None before it did."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def rate(self) -> float | None:
        """Units a second in this stretch of work, or None when too little is known."""
        if self.progress_since is None or self.state != State.RUNNING:
            return None
        passed = (timezone.now() - self.progress_since).total_seconds()
        done = self.progress_done - self.progress_from
        return done / passed if passed >= 1 and done > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds to the end, or None."""
        rate = self.rate
        if rate is None or not self.progress_total:
            return None
        return max(self.progress_total - self.progress_done, 0) / rate

    # --- a worker's moves --------------------------------------------------------------------------------------------

    @classmethod
    def claim(cls, pk: Any) -> Self | None:
        """Take a ready job; None when somebody else has it, it is not to be done now, or this worker is drained."""
        from studio import workers

        now = clock()
        with transaction.atomic():
            taken = (
                cls._default_manager.filter(workers.may_claim(), pk=pk, state=State.PENDING, ready=True)
                .filter(Q(not_before__isnull=True) | Q(not_before__lte=now))
                .update(
                    state=State.RUNNING,
                    attempt=F("attempt") + 1,
                    owner=worker_name(),
                    lease_until=now + timedelta(seconds=settings.LEASE_SECONDS),
                    started_at=now,
                    finished_at=None,
                    progress_since=None,
                    error="",
                    action="",
                    trace="",
                )
            )
            if not taken:
                return None
            job = cls._default_manager.get(pk=pk)
            job.note_begin()
        return job

    def note_begin(self) -> None:
        """Called in the transaction of a claim, for kinds of jobs that keep a record of every attempt."""

    def note_end(self, outcome: str, *, error: str = "", action: str = "", trace: str = "") -> None:
        """Called in the transaction that ends an attempt. ``outcome``: a finished state, "released" or "waiting"."""

    @classmethod
    def note_lost(cls) -> None:
        """Called in the transaction in which the reaper took jobs from dead workers."""

    def _mine(self) -> models.QuerySet[Self]:
        return type(self)._default_manager.filter(pk=self.pk, state=State.RUNNING, attempt=self.attempt)

    def write(self, **values: Any) -> None:
        """Write fields of the job under its fence; raises :class:`LeaseLost` when this attempt no longer owns it."""
        if not self._mine().update(**values):
            raise LeaseLost(f"{type(self).__name__} {self.pk}: attempt {self.attempt} no longer owns it.")
        for name, value in values.items():
            setattr(self, name, value)

    def heartbeat(self, **progress: Any) -> None:
        """Extend the lease and write progress; raises :class:`LeaseLost` or :class:`Cancelled`."""
        self.write(lease_until=clock() + timedelta(seconds=settings.LEASE_SECONDS), **progress)
        if self._cancel_is_requested():
            raise Cancelled("Cancelled by request.")

    def _cancel_is_requested(self) -> bool:
        return type(self)._default_manager.filter(pk=self.pk, cancel_requested_at__isnull=False).exists()

    def finish(self, state: State, *, error: str = "", action: str = "", trace: str = "") -> None:
        """End this attempt for good: succeeded, failed or cancelled."""
        with transaction.atomic():
            self.write(state=state, finished_at=clock(), lease_until=None, error=error, action=action, trace=trace)
            self.note_end(state, error=error, action=action, trace=trace)

    def release(self, *, error: str, action: str = "", trace: str = "", delay: timedelta = timedelta()) -> None:
        """Give it back to be tried again after ``delay``, keeping what went wrong visible meanwhile.

        A job that somebody asked to cancel meanwhile ends as cancelled instead.
        """
        values = {"state": State.PENDING, "not_before": clock() + delay, "trace": trace, "rung_at": None}
        self._hand_over("released", values, error=error, action=action, trace=trace)

    def wait(self, *, question: str, action: str = "") -> None:
        """Hand over to a person; the worker is freed. A job that somebody asked to cancel meanwhile ends as cancelled instead."""
        self._hand_over("waiting", {"state": State.WAITING}, error=question, action=action)

    @transaction.atomic
    def _hand_over(self, outcome: str, values: Mapping[str, Any], *, error: str, action: str, trace: str = "") -> None:
        changed = {"lease_until": None, "error": error, "action": action, **values}
        if not self._mine().filter(cancel_requested_at__isnull=True).update(**changed):
            # Cancelled meanwhile, or not ours any more: the write below finds out which.
            self.finish(State.CANCELLED)
            return
        for name, value in changed.items():
            setattr(self, name, value)
        self.note_end(outcome, error=error, action=action, trace=trace)

    # --- a person's moves --------------------------------------------------------------------------------------------

    def request_cancel(self) -> None:
        """Cancel now when nobody works on it, else at the worker's next heartbeat. One statement, so that a worker that takes it
        or gives it back at this moment comes before it or after it, never between."""
        now = clock()
        idle = Q(state__in=(State.PENDING, State.WAITING))
        type(self)._default_manager.filter(pk=self.pk, state__in=LIVE).update(
            state=Case(When(idle, then=Value(State.CANCELLED)), default=F("state")),
            finished_at=Case(When(idle, then=Value(now)), default=F("finished_at")),
            cancel_requested_at=Coalesce(F("cancel_requested_at"), now),
        )
        self.refresh_from_db()

    def resume(self) -> bool:
        """A person said go on: waiting → pending with fresh attempts. False when it was not waiting."""
        changed = (
            type(self)
            ._default_manager.filter(pk=self.pk, state=State.WAITING)
            .update(
                state=State.PENDING,
                error="",
                action="",
                rung_at=None,
                not_before=None,
                max_attempts=F("attempt") + self.max_attempts,
            )
        )
        self.refresh_from_db()
        return bool(changed)

    def retry(self) -> bool:
        """A person said try again: failed or cancelled → pending with fresh attempts. False when it was neither."""
        changed = (
            type(self)
            ._default_manager.filter(pk=self.pk, state__in=(State.FAILED, State.CANCELLED))
            .update(
                state=State.PENDING,
                cancel_requested_at=None,
                finished_at=None,
                rung_at=None,
                not_before=None,
                error="",
                action="",
                trace="",
                max_attempts=F("attempt") + 3,
            )
        )
        self.refresh_from_db()
        return bool(changed)

    def set_back(self, **values: Any) -> bool:
        """A person said do it again: any finished state → pending, not ready, with fresh attempts. False when it had not ended.

        ``values`` are fields of the kind of job that its outputs had filled. Whoever calls this has put the outputs aside and
        makes it ready.
        """
        changed = (
            type(self)
            ._default_manager.filter(pk=self.pk, state__in=FINISHED)
            .update(
                state=State.PENDING,
                ready=False,
                cancel_requested_at=None,
                started_at=None,
                finished_at=None,
                rung_at=None,
                not_before=None,
                progress_done=0,
                progress_total=None,
                progress_note="",
                error="",
                action="",
                trace="",
                max_attempts=F("attempt") + 3,
                **values,
            )
        )
        self.refresh_from_db()
        return bool(changed)

    @classmethod
    def settle(cls) -> None:
        """Called after jobs of this kind were reaped, for whatever stands above them to take notice."""

    # --- the doorbell ------------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Announce this job to the workers once the present transaction is committed. A lost ring costs seconds: see reap."""
        if settings.RING:
            transaction.on_commit(self._send_ring)

    def _send_ring(self) -> None:
        from kombu.exceptions import OperationalError

        from studio.celery import app

        try:
            app.send_task(self.task, args=[str(self.pk)], queue=self.queue_name, retry=False, expires=RING_EXPIRES)
        except (OperationalError, OSError):
            # The broker is away; reap() rings again, so nothing is lost.
            return
        type(self)._default_manager.filter(pk=self.pk, state=State.PENDING).update(rung_at=clock())
