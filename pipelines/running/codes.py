"""Whether this process' code is the one a step was started with: another version must not compute something else in silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from pipelines.models import StepRun
from studio import workers
from studio.jobs import State, clock, worker_name
from studio.registries import STEPS

LOOK_AGAIN_AFTER = timedelta(seconds=10)
"""How long a step that was passed over is left alone, for a worker of the right version to be rung."""


def may_do(pk: Any) -> bool:
    """Whether this worker does the step as the run expects. If not, the step says which worker needs what, and stays in line."""
    found = StepRun.objects.filter(pk=pk, state=State.PENDING, ready=True).select_related("run").first()
    if found is None or fits(found):
        return True
    error, action = explain(found)
    now = clock()
    StepRun.objects.filter(pk=pk, state=State.PENDING, ready=True).update(
        error=error, action=action, not_before=now + LOOK_AGAIN_AFTER, rung_at=None
    )
    return False


def fits(step: StepRun) -> bool:
    """Whether this process' version of the step is the run's."""
    return step.step in STEPS and STEPS[step.step].version == step.version


def explain(step: StepRun) -> tuple[str, str]:
    """What a person is told of a step that this process must not do, and what to do about it."""
    who = f"Worker {workers.here.label or worker_name()} (code {workers.code_version()})"
    asked = f"run {step.run.number} was started with version {step.version}"
    if step.step not in STEPS:
        return f"{who} does not know the step {step.step}; {asked} of it.", f"{UPDATE} {workers.here.label or 'it'}."
    has = STEPS[step.step].version
    error = f"{who} has version {has} of {step.step}; {asked}."
    if has < step.version:
        return (
            error,
            f"{UPDATE} {workers.here.label or 'it'}. Until then a worker with version {step.version} takes it.",
        )
    return error, (
        f"A worker with version {step.version} still takes it. When there is none any more, cancel the run and retry it: "
        f"the step is then done with version {has}."
    )


UPDATE = "Update that worker to the version of the web server and restart"


def adopt(steps: QuerySet[StepRun]) -> None:
    """Somebody wants these steps done by the code there is now."""
    for step in steps:
        if step.step in STEPS and STEPS[step.step].version != step.version:
            StepRun.objects.filter(pk=step.pk).update(version=STEPS[step.step].version)
