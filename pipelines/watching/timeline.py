"""What happened when in a run: every attempt of every step as a bar, and what it waited for in between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from pipelines.models import Run, StepAttempt, StepRun
from pipelines.watching.runpages import StepView
from studio.jobs import State

SHORTEST_WAIT = 1.0
"""Seconds; shorter waits for a worker are not worth a bar."""


@dataclass(frozen=True)
class Bar:
    """A stretch of a step's time. ``wait``: nobody worked on it. ``end`` None: still going on."""

    status: str
    start: datetime
    end: datetime | None
    says: str
    wait: bool = False


def draw(run: Run, views: list[StepView], attempts: Iterable[StepAttempt]) -> list[dict[str, Any]]:
    """A row for each step in order, as ``c-timeline`` takes them."""
    by_step: dict[Any, list[StepAttempt]] = defaultdict(list)
    for attempt in attempts:
        by_step[attempt.step_run_id].append(attempt)
    ended = {v.step.node: v.step.finished_at for v in views if v.step.state == State.SUCCEEDED}
    return [
        {
            "name": view.label,
            "status": view.status,
            "href": reverse("run_step", args=[run.workspace.slug, run.number, view.step.node]),
            "bars": list(bars(run, view, by_step[view.step.pk], ready=_ready_at(run, view.step, ended))),
        }
        for view in views
    ]


def _ready_at(run: Run, step: StepRun, ended: dict[str, datetime | None]) -> datetime | None:
    """When its inputs were there, or None while they are not."""
    feeders = [ended.get(end["node"]) for end in step.wiring.values()]
    known = [at for at in feeders if at is not None]
    return None if len(known) < len(feeders) else max([run.created_at, *known])


def bars(run: Run, view: StepView, attempts: list[StepAttempt], *, ready: datetime | None) -> Iterator[Bar]:
    """The bars of one step: its attempts, and the time it waited for a worker or a person."""
    step = view.step
    if not attempts and step.started_at and step.attempt:
        # A step of the time before attempts were kept.
        yield Bar(view.status, step.started_at, step.finished_at, view.status.capitalize())
        return
    before: StepAttempt | None = None
    for attempt in attempts:
        yield from _gap(before, ready, attempt.started_at)
        says = attempt.says if len(attempts) == 1 else f"Attempt {attempt.number}: {attempt.says.lower()}"
        worked = "running" if attempt.outcome == StepAttempt.Outcome.WAITING else attempt.status
        yield Bar(worked, attempt.started_at, attempt.ended_at, says)
        before = attempt
    if step.state == State.WAITING and before is not None:
        yield Bar("waiting", before.ended_at or before.started_at, None, "Waits for a person", wait=True)
    elif step.state == State.PENDING and step.ready:
        since = before.ended_at if before else ready
        if since is not None:
            yield Bar("pending", since, None, "Waits for a worker", wait=True)


def _gap(before: StepAttempt | None, ready: datetime | None, start: datetime) -> Iterator[Bar]:
    if before is None:
        if ready is not None and (start - ready).total_seconds() >= SHORTEST_WAIT:
            yield Bar("pending", ready, start, "Waited for a worker", wait=True)
        return
    since = before.ended_at or before.started_at
    if before.outcome == StepAttempt.Outcome.WAITING:
        yield Bar("waiting", since, start, "Waited for a person", wait=True)
    again = before.outcome in (StepAttempt.Outcome.RELEASED, StepAttempt.Outcome.LOST)
    if again and (start - since).total_seconds() >= SHORTEST_WAIT:
        yield Bar("pending", since, start, "Waited to be tried again", wait=True)


@dataclass(frozen=True)
class Resources:
    """What a step used over all its attempts in this run, in bytes and seconds; None where no machine told."""

    view: StepView
    attempts: int
    seconds: float
    peak_memory: int | None
    cpu_seconds: float | None
    gpu_memory: int | None
    read: int | None
    written: int | None


def resources(views: list[StepView], attempts: Iterable[StepAttempt]) -> list[Resources]:
    """A line for every step that was ever begun."""
    by_step: dict[Any, list[StepAttempt]] = defaultdict(list)
    for attempt in attempts:
        by_step[attempt.step_run_id].append(attempt)
    return [
        Resources(
            view=view,
            attempts=len(mine),
            seconds=sum(a.seconds for a in mine),
            peak_memory=_over(max, [a.peak_memory_bytes for a in mine]),
            cpu_seconds=_over(sum, [a.cpu_seconds for a in mine]),
            gpu_memory=_over(max, [a.gpu_memory_bytes for a in mine]),
            read=_over(sum, [a.bytes_read for a in mine]),
            written=_over(sum, [a.bytes_written for a in mine]),
        )
        for view in views
        if (mine := by_step[view.step.pk])
    ]


def _over(what: Any, values: list[Any]) -> Any:
    known = [v for v in values if v is not None]
    return what(known) if known else None
