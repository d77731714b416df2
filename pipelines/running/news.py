"""What people are told of runs, in words: each is called in the transaction in which it happens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from pipelines.models import Run, Schedule, StepRun
from studio import notices
from studio.jobs import State
from studio.models import Notification
from studio.notices import News
from studio.registries import STEPS

WORDS = {State.SUCCEEDED: "succeeded", State.FAILED: "failed", State.CANCELLED: "was cancelled"}


def run_ended(run: Run, *, by: User | None = None) -> None:
    """Tell that a run ended. ``by``: who ended it just now, and need not be told."""
    notices.settle_waiting(run.workspace, path=run.get_absolute_url())
    news = News(
        event=f"run.{run.state}",
        tone=run.state,
        title=f"{run} {WORDS[State(run.state)]}",
        text=_how_it_went(run),
        path=run.get_absolute_url(),
        owner=owner_of(run),
        facts={"run": facts_of(run)},
    )
    notices.tell(run.workspace, news, by=by)


def run_pauses_or_goes_on(run: Run) -> None:
    """Tell that a run stands still after the step at whose end it was to pause; once it goes on, that is no news any more."""
    if run.state != State.WAITING:
        notices.settle_waiting(run.workspace, path=run.get_absolute_url(), below=False)
    elif run.paused_by_node:
        news = News(
            event="run.waiting",
            tone=Notification.Tone.WAITING,
            title=f"{run} waits for a person",
            text=f"{run.pause_text}, as it was asked to. Look at what is done, then let it go on.",
            path=run.get_absolute_url(),
            owner=owner_of(run),
            facts={"run": facts_of(run)},
        )
        notices.tell(run.workspace, news)


def step_waits(step: StepRun) -> None:
    """Tell that a step began to wait for a person, and what it asks."""
    run = step.run
    news = News(
        event="run.waiting",
        tone=Notification.Tone.WAITING,
        title=f"{run} waits for a person",
        text=_said(step),
        path=step.get_absolute_url(),
        owner=owner_of(run),
        facts={
            "run": {**facts_of(run), "state": State.WAITING.value},
            "step": {"id": step.node, "name": label_of(step)},
        },
    )
    notices.tell(run.workspace, news)


def step_was_answered(step: StepRun) -> None:
    """Somebody decided: what was told of its waiting is read by everybody."""
    notices.settle_waiting(step.run.workspace, path=step.get_absolute_url())


def schedule_could_not_start(schedule: Schedule, *, why: str) -> None:
    """Tell that a schedule was due and started no run."""
    pipeline = schedule.pipeline
    path = reverse("pipeline", args=[pipeline.workspace.slug, pipeline.slug])
    news = News(
        event="schedule.failed",
        tone=Notification.Tone.FAILED,
        title=f"The schedule of {pipeline} could not start a run",
        text=f"{str(schedule)[:1].upper()}{str(schedule)[1:]}: {why}",
        path=path,
        owner=schedule.created_by_id,
        facts={
            "schedule": {"id": str(schedule.pk), "when": str(schedule)},
            "pipeline": {"slug": pipeline.slug, "name": pipeline.name},
        },
    )
    notices.tell(pipeline.workspace, news)


def owner_of(run: Run) -> int | None:
    """The id of who started the run, or made the schedule that did."""
    return run.created_by_id or (run.schedule.created_by_id if run.schedule else None)


def facts_of(run: Run) -> dict[str, Any]:
    """What a webhook is told of a run: plain JSON."""
    version = run.version
    return {
        "number": run.number,
        "state": run.state,
        "pipeline": {"slug": version.pipeline.slug, "name": version.pipeline.name, "version": version.number},
        "started_by": run.created_by.get_username() if run.created_by else None,
        "scheduled": run.schedule_id is not None,
        "started_at": run.created_at.isoformat(),
        "finished_at": run.finished_at.isoformat() if run.finished_at else None,
        "seconds": round(((run.finished_at or timezone.now()) - run.created_at).total_seconds(), 1),
        "url": notices.absolute(run.get_absolute_url()),
    }


def label_of(step: StepRun) -> str:
    """What people call the step."""
    return STEPS[step.step].label if step.step in STEPS else step.step


def _how_it_went(run: Run) -> str:
    steps = list(run.steps.all())
    failed = next((s for s in steps if s.state == State.FAILED), None)
    if run.state == State.FAILED and failed is not None:
        return _said(failed)
    done = sum(s.state == State.SUCCEEDED for s in steps)
    if run.state == State.CANCELLED:
        return f"{done} of {len(steps)} steps were done; what they made is kept."
    return f"All {len(steps)} steps are done." if len(steps) != 1 else "Its one step is done."


def _said(step: StepRun) -> str:
    return f"{label_of(step)} ({step.node}): {step.error} {step.action}".strip()
