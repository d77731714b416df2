"""Schedules: runs that start by themselves, every day or week at an hour, or when a dataset gets a new version.

The clock calls :func:`start_due` a few times a minute. A schedule that is due is taken by one conditional UPDATE and its run
is started in the same transaction, so that of two clocks exactly one starts it, and a clock that dies in between leaves it
due. After a time in which no clock ran a schedule starts once, not once for every hour it missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Max, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from pipelines.models import Pipeline, Run, Schedule
from pipelines.running import news, runs
from pipelines.specs import spec as specs
from studio import audit
from studio.jobs import LIVE
from studio.lib.errors import StudioError
from vault.models import Dataset, DatasetVersion

NOTE_CHARS = 400


def next_due(*, at: time, zone: str, weekday: int | None, after: datetime) -> datetime:
    """The first moment after ``after`` at which the clocks of ``zone`` show ``at`` (on that weekday, when one is named). Pure.

    Once a day whatever the clocks do: an hour that a change of the clocks skips comes as much later as they were put forward,
    and of an hour that comes twice the first counts.
    """
    there = ZoneInfo(zone)
    day = after.astimezone(there).date() - timedelta(days=1)
    for days in range(10):
        found = _moment(day + timedelta(days=days), at, there)
        if found > after and (weekday is None or (day + timedelta(days=days)).weekday() == weekday):
            return found
    raise ValueError(f"no {at} within ten days of {after}")


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    # fold=0: the first of two, and for a skipped hour the offset that was in force before it.
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


# --- a person's moves ------------------------------------------------------------------------------------------------


@transaction.atomic
def add(schedule: Schedule, *, user: User) -> Schedule:
    """Write a new schedule down; it looks out for what comes after now."""
    schedule.created_by = user
    _look_ahead(schedule)
    schedule.save(force_insert=True)
    _record(schedule, user, "scheduled")
    return schedule


@transaction.atomic
def set_active(schedule: Schedule, *, active: bool, user: User) -> None:
    """Pause a schedule, or let it go on from now: what it missed meanwhile is not made up for."""
    schedule.active = active
    _look_ahead(schedule)
    schedule.save(update_fields=["active", "next_due_at", "seen_version"])
    _record(schedule, user, "resumed the schedule of" if active else "paused the schedule of")


@transaction.atomic
def remove(schedule: Schedule, *, user: User) -> None:
    """Delete a schedule; the runs it started stay."""
    _record(schedule, user, "removed the schedule of")
    schedule.delete()


def run_now(schedule: Schedule, *, user: User) -> Run:
    """Start a run in the schedule's place, whatever it waits for. Raises ``SpecError``."""
    run = _begin(schedule, user=user)
    Schedule.objects.filter(pk=schedule.pk).update(
        looked_at=timezone.now(), note=f"Run {run.number} was started by hand."
    )
    return run


def _begin(schedule: Schedule, *, user: User | None) -> Run:
    version = runs.freeze(schedule.pipeline, user=user, given=schedule.given)
    return runs.start_run(version, user=user, schedule=schedule, given=schedule.given)


def _look_ahead(schedule: Schedule) -> None:
    """What it waits for from now on."""
    if schedule.every == Schedule.Every.VERSION:
        schedule.seen_version = newest_version(schedule.dataset)
        schedule.next_due_at = None
    else:
        schedule.next_due_at = _next(schedule, timezone.now())


def newest_version(dataset: Dataset | None) -> int:
    """The number of a dataset's newest version; 0 when it has none."""
    found = dataset.versions.aggregate(newest=Max("number"))["newest"] if dataset else None
    return found or 0


def _next(schedule: Schedule, after: datetime) -> datetime:
    assert schedule.at is not None
    weekday = schedule.weekday if schedule.every == Schedule.Every.WEEK else None
    return next_due(at=schedule.at, zone=schedule.zone, weekday=weekday, after=after)


def _record(schedule: Schedule, user: User, verb: str) -> None:
    pipeline = schedule.pipeline
    audit.record(
        pipeline.workspace, actor=user, verb=verb, subject=str(pipeline), details={"when": str(schedule)[:200]}
    )


# --- the clock's move ------------------------------------------------------------------------------------------------


def start_due(*, now: datetime | None = None) -> list[Run]:
    """Start the run of every schedule that is due. Safe to call at the same moment by several clocks."""
    now = now or timezone.now()
    return [run for schedule in list_due(now) if (run := _start(schedule, now=now)) is not None]


def list_due(now: datetime) -> Iterator[Schedule]:
    """The schedules whose hour has come or whose dataset has a version they have not seen. One query."""
    versions = DatasetVersion.objects.filter(dataset=OuterRef("dataset")).order_by("-number")
    newest = Coalesce(Subquery(versions.values("number")[:1]), 0)
    due = Q(next_due_at__lte=now) | Q(every=Schedule.Every.VERSION, seen_version__lt=F("newest"))
    found = Schedule.objects.filter(active=True).annotate(newest=newest).filter(due)
    yield from found.select_related("pipeline__workspace", "dataset", "created_by")


def _start(schedule: Any, *, now: datetime) -> Run | None:
    """Take a due schedule and start its run; None when another clock has taken it, it has to wait, or it can't start."""
    with transaction.atomic():
        going = schedule.runs.filter(state__in=LIVE).order_by("-number").first() if schedule.waits else None
        if going is not None and schedule.every == Schedule.Every.VERSION:
            # The change is not lost: it is still unseen when that run has ended.
            return None
        if not _take(schedule, now=now):
            return None
        if going is not None:
            _note(schedule, f"Nothing was started: run {going.number} was still going.")
            return None
        try:
            with transaction.atomic():
                run = _begin(schedule, user=None)
        except StudioError as error:
            why = _why(error)
            _note(schedule, f"No run could be started. {why}")
            news.schedule_could_not_start(schedule, why=why)
            return None
        told = f" for version {schedule.newest}" if schedule.every == Schedule.Every.VERSION else ""
        _note(schedule, f"Run {run.number} was started{told}.")
        return run


def _take(schedule: Any, *, now: datetime) -> bool:
    """Move on what it waits for, if it still waits for what was read: of two clocks one succeeds."""
    mine = Schedule.objects.filter(pk=schedule.pk, active=True)
    if schedule.every == Schedule.Every.VERSION:
        mine = mine.filter(seen_version=schedule.seen_version)
        return bool(mine.update(seen_version=schedule.newest, looked_at=now))
    mine = mine.filter(next_due_at=schedule.next_due_at)
    return bool(mine.update(next_due_at=_next(schedule, now), looked_at=now))


def _note(schedule: Schedule, text: str) -> None:
    Schedule.objects.filter(pk=schedule.pk).update(note=text[:NOTE_CHARS])


def _why(error: StudioError) -> str:
    if isinstance(error, specs.SpecError):
        count = len(error.problems)
        more = f" and {count - 1} more" if count > 1 else ""
        return f"The pipeline has {count} problem{'s' * (count != 1)} to mend: {error.problems[0]}{more}"
    return f"{error} {error.action}".strip()


def warn_of_fixed_data(pipeline: Pipeline, dataset: Dataset) -> str:
    """Why a run at every new version of ``dataset`` would not read that version; blank when it would."""
    reading = [
        node
        for node in pipeline.draft.get("nodes", [])
        if node.get("step") == "dataset" and (node.get("params") or {}).get("dataset") == dataset.slug
    ]
    if not reading:
        return f"This pipeline does not read “{dataset.name}”: its runs will not see the new version."
    if all((node.get("params") or {}).get("version") for node in reading):
        names = ", ".join(node["id"] for node in reading)
        return f"{names} always reads the same version: leave its version empty to read the latest."
    return ""
