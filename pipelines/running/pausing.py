"""Pausing a run: what is running goes on to its end, nothing new begins until somebody says so.

A pause is set for the end of a step ("pause after generate") or for now. It acts where steps are made ready
(``pipelines.running.runs.advance``), under the run's lock: a step that was made ready and not yet begun is taken back, and the claim of a
worker, which asks for a ready step, comes before that or finds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from pipelines.models import Run, StepAttempt, StepRun
from studio import audit
from studio.jobs import FINISHED, State, clock
from studio.lib.errors import StudioError

GOES_ON = (StepAttempt.Outcome.RELEASED, StepAttempt.Outcome.LOST, StepAttempt.Outcome.WAITING)
"""How an attempt may have ended without ending its step: such a step is under way, also between two attempts."""


class Stands(Protocol):
    """As much of a step as decides what may begin and how its run stands."""

    @property
    def node(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def ready(self) -> bool: ...

    @property
    def attempt(self) -> int: ...

    @property
    def wiring(self) -> Any: ...


S = TypeVar("S", bound=Stands)


def take_notice(run: Run, steps: Sequence[StepRun]) -> bool:
    """Whether nothing new may begin in ``run``. Called with the run locked; ``steps`` are all of it, and are kept up to date.

    A pause that waited for the end of a step begins here, and what was ready and had not begun is taken back.
    """
    ended = {step.node for step in steps if step.state in FINISHED}
    over = [node for node in run.pause_after if node in ended]
    if over and run.paused_at is None:
        run.paused_at, run.paused_by_node = clock(), over[-1]
    if over:
        run.pause_after = [node for node in run.pause_after if node not in ended]
        run.save(update_fields=["paused_at", "paused_by_node", "pause_after"])
    if run.paused_at is None:
        return False
    ready = [step for step in steps if step.state == State.PENDING and step.ready]
    begun = _find_begun(ready)
    for step in ready:
        if step.pk not in begun:
            _take_back(step)
    return True


def _take_back(step: StepRun) -> None:
    if StepRun.objects.filter(pk=step.pk, state=State.PENDING, ready=True).update(ready=False):
        step.ready = False
    else:
        # A worker has just claimed it: it is one of those that go on to their end.
        step.state = State.RUNNING


def _find_begun(steps: Sequence[StepRun]) -> set[object]:
    tried = {step.pk: step.attempt for step in steps if step.attempt}
    if not tried:
        return set()
    records = StepAttempt.objects.filter(step_run_id__in=tried, outcome__in=GOES_ON)
    return {pk for pk, number in records.values_list("step_run_id", "number") if tried[pk] == number}


def find_held(steps: Sequence[S]) -> list[S]:
    """The steps that would begin now but for the pause."""
    done = {step.node for step in steps if step.state == State.SUCCEEDED}
    return [
        step
        for step in steps
        if step.state == State.PENDING and all(source["node"] in done for source in step.wiring.values())
    ]


def pause(run: Run, *, user: User | AnonymousUser | None, after: str = "") -> None:
    """Pause at the end of the step ``after`` (at once when it has ended), or now when that is blank.

    Raises ``StudioError`` when the run has ended or has no such step.
    """
    from pipelines.running import runs

    with transaction.atomic():
        run.refresh_from_db(from_queryset=Run.objects.select_for_update())
        if run.is_finished:
            raise StudioError(f"Run {run.number} has ended: there is nothing to pause.", action="Run it again instead.")
        if after:
            _arm(run, after)
        elif run.paused_at is None:
            run.paused_at, run.paused_by_node = clock(), ""
        run.save(update_fields=["pause_after", "paused_at", "paused_by_node"])
        subject = f"run {run.number}" + (f" after {after}" if after else "")
        audit.record(run.workspace, actor=_actor(user), verb="paused", subject=subject)
        runs.advance(run.pk)
    run.refresh_from_db()


def _arm(run: Run, node: str) -> None:
    known = list(run.steps.values_list("node", flat=True))
    if node not in known:
        raise StudioError(f"Run {run.number} has no step '{node}'.", action=f"Its steps are {', '.join(known)}.")
    if node not in run.pause_after:
        run.pause_after = [*run.pause_after, node]


def go_on(run: Run, *, user: User | AnonymousUser | None, after: str = "") -> bool:
    """End the pause; with ``after``, only no longer pause at the end of that step. False when there was none."""
    from pipelines.running import runs

    with transaction.atomic():
        run.refresh_from_db(from_queryset=Run.objects.select_for_update())
        if after not in run.pause_after if after else run.paused_at is None:
            return False
        if after:
            run.pause_after = [node for node in run.pause_after if node != after]
            run.save(update_fields=["pause_after"])
        else:
            lift(run)
        subject = f"run {run.number}" + (f" (no pause after {after})" if after else "")
        audit.record(run.workspace, actor=_actor(user), verb="continued", subject=subject)
        runs.advance(run.pk)
    run.refresh_from_db()
    return True


def lift(run: Run, *, armed_too: bool = False) -> None:
    """Take the pause from the row; ``armed_too``: also those that wait for the end of a step."""
    run.paused_at, run.paused_by_node = None, ""
    values = {"paused_at": None, "paused_by_node": ""}
    if armed_too:
        run.pause_after = []
        Run.objects.filter(pk=run.pk).update(**values, pause_after=[])
    else:
        Run.objects.filter(pk=run.pk).update(**values)


def _actor(user: User | AnonymousUser | None) -> User | str:
    return user if isinstance(user, User) else "command line"
