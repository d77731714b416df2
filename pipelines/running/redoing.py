"""Doing finished steps of a run again: what they made is put aside, never changed, and the run goes on from there.

This is the one place where a run's outputs are replaced; whoever must know of it (a signature, say) listens to
:data:`outputs_replaced`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction
from django.db.models import Max
from django.dispatch import Signal
from django.urls import reverse

from pipelines.models import EarlierOutput, Force, MetricPoint, Run, StepAttempt, StepRun
from pipelines.running import codes, pausing, runs
from pipelines.running.context import scratch_name
from studio import audit
from studio.jobs import FINISHED, State, clock
from studio.lib.errors import StudioError
from studio.registries import STEPS
from vault import store
from vault.models import ArtifactKind

KEPT_POINTS = 1_000

outputs_replaced = Signal()
"""Sent with ``run`` and ``steps`` (those whose outputs were put aside) in the transaction in which it happens."""


def find_downstream(steps: Iterable[StepRun], node: str) -> set[str]:
    """``node`` and every node that depends on what it makes. Pure."""
    readers: dict[str, set[str]] = defaultdict(set)
    for step in steps:
        for source in step.wiring.values():
            readers[source["node"]].add(step.node)
    found, waiting = set(), [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(readers[name])
    return found


def redo(
    step: StepRun, *, user: User | AnonymousUser | None, force: Force = Force.AGAIN, later_too: bool = False
) -> list[StepRun]:
    """Do a finished step and everything downstream of it again in its run. Returns the steps that were set back, in order.

    The step itself is really done, whatever earlier results there are; ``force`` says whether a teacher is asked anew. Later
    steps may be reused where the outcome is the same, unless ``later_too``. Ends a pause. Raises ``StudioError`` when the
    step has not ended, or when a later one is at work.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().select_related("workspace").get(pk=step.run_id)
        steps = list(run.steps.select_for_update())
        names = find_downstream(steps, step.node)
        chosen = [s for s in steps if s.node in names]
        for each in chosen:
            each.run = run
        first = next(s for s in chosen if s.node == step.node)
        _refuse(first, chosen)
        replaced = [s for s in chosen if _put_aside(s)]
        for each in chosen:
            if each.node == step.node:
                _force(each, force)
                continue
            StepRun.objects.filter(pk=each.pk).update(reason=f"Set back when somebody began again from {step.node}.")
            if later_too:
                _force(each, Force.AGAIN)
        codes.adopt(run.steps.filter(pk__in=[s.pk for s in chosen]))
        pausing.lift(run)
        if replaced:
            outputs_replaced.send(sender=StepRun, run=run, steps=replaced)
        audit.record(
            run.workspace,
            actor=user if isinstance(user, User) else "command line",
            verb="began again",
            subject=f"run {run.number} from {step.node}",
            details={"force": str(force), "later_too": later_too, "steps": [s.node for s in chosen]},
        )
        runs.advance(run.pk)
    return chosen


def _refuse(first: StepRun, chosen: Sequence[StepRun]) -> None:
    if first.state not in FINISHED:
        raise StudioError(
            f"'{first.node}' has not ended: it is {first.get_state_display().lower()}.",
            action="Wait for its end, or cancel the run first.",
        )
    busy = [s.node for s in chosen if s.state in (State.RUNNING, State.WAITING)]
    if busy:
        raise StudioError(
            f"{', '.join(busy)} {'is' if len(busy) == 1 else 'are'} at work on what '{first.node}' made.",
            action="Wait for the end, or cancel the run, then begin again from here.",
        )


def _put_aside(step: StepRun) -> bool:
    """Set a step back, keeping what its last attempt made with the record of that attempt. Whether it had outputs."""
    if step.state not in FINISHED:
        return False
    had_outputs = _archive(step)
    step.set_back(summary={}, facts={}, fingerprint="", reused_from=None, reason="", force="", answers_after=None)
    return had_outputs


def _archive(step: StepRun) -> bool:
    outputs = list(step.outputs.all())
    points = MetricPoint.objects.filter(step_run=step)
    if outputs:
        attempt, _ = StepAttempt.objects.get_or_create(
            step_run=step,
            number=step.attempt,
            defaults={
                "started_at": step.started_at or step.created_at,
                "ended_at": step.finished_at,
                "outcome": StepAttempt.Outcome.SUCCEEDED,
            },
        )
        StepAttempt.objects.filter(pk=attempt.pk).update(
            replaced_at=clock(), summary=step.summary, curves=thin_curves(points.values_list("name", "at", "value"))
        )
        EarlierOutput.objects.bulk_create(
            EarlierOutput(attempt=attempt, port=o.port, artifact_id=o.artifact_id) for o in outputs
        )
        if step.step in STEPS:
            STEPS[step.step]().put_aside(step)
        step.outputs.all().delete()
    points.delete()
    return bool(outputs)


def thin_curves(points: Iterable[tuple[str, int, float]]) -> dict[str, list[list[float]]]:
    """Name → ``[[at, value], …]``, each curve evenly thinned to about 1,000 points. Pure."""
    curves: dict[str, list[list[float]]] = defaultdict(list)
    for name, at, value in points:
        curves[name].append([at, value])
    return {name: curve[:: -(-len(curve) // KEPT_POINTS)] for name, curve in curves.items()}


def _force(step: StepRun, force: Force) -> None:
    StepRun.objects.filter(pk=step.pk).update(
        reason="", force=force, answers_after=_last_call(step) if force == Force.ANEW else None
    )
    # What a failed attempt left there would be gone on with.
    transaction.on_commit(lambda: store.remove_scratch(scratch_name(step.pk)))


def _last_call(step: StepRun) -> int:
    last: int | None = step.teacher_calls.aggregate(last=Max("pk"))["last"]
    return last or 0


def force_steps(run: Run, force: Mapping[str, str]) -> None:
    """Have these nodes of a run that is just being started done although they could be reused. Node → how.

    Raises ``StudioError`` for a node that the run does not have.
    """
    known = list(run.steps.values_list("node", flat=True))
    for node, how in force.items():
        if node not in known:
            raise StudioError(f"There is no step '{node}' to force.", action=f"The steps are {', '.join(known)}.")
        after = 0 if how == Force.ANEW else None
        run.steps.filter(node=node, attempt=0).update(force=Force(how), answers_after=after)


def earlier_results(step: StepRun) -> list[dict[str, Any]]:
    """What a step made before it was done again, the newest first: ``{"attempt", "headline", "outputs"}``.

    An output is ``{"port", "sha", "size", "url"}``; ``url`` is blank for kinds without a page of their own.
    """
    records = StepAttempt.objects.filter(step_run=step, replaced_at__isnull=False).prefetch_related("outputs__artifact")
    return [
        {
            "attempt": record,
            "headline": str(record.summary.get("headline", "")),
            "outputs": [_as_output(step, output) for output in record.outputs.all()],
        }
        for record in records.order_by("-number")
    ]


def _as_output(step: StepRun, output: EarlierOutput) -> dict[str, Any]:
    artifact, slug, url = output.artifact, step.run.workspace.slug, ""
    if artifact.kind == ArtifactKind.GGUF:
        url = reverse("model", args=[slug, artifact.pk])
    elif artifact.kind == ArtifactKind.REPORT:
        card = step.scorecards.filter(report=artifact).order_by("-created_at").first()
        url = reverse("evaluation", args=[slug, card.pk]) if card else ""
    return {"port": output.port, "sha": artifact.sha256, "size": artifact.size, "url": url}
