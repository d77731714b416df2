"""Runs: start, advance, cancel, retry, continue after a person's decision, and run to the end without a broker."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, transaction
from django.utils import timezone

from pipelines.building import overrides
from pipelines.models import Pipeline, PipelineVersion, Priority, Run, Schedule, StepRun
from pipelines.running import codes, news, pausing
from pipelines.specs import spec as specs
from studio import audit, reaping
from studio.jobs import FINISHED, LIVE, State
from studio.lib.errors import StudioError
from studio.models import Workspace
from studio.registries import STEPS

Actor = User | AnonymousUser | None
S = TypeVar("S", bound=pausing.Stands)


def freeze(
    pipeline: Pipeline, *, user: Actor, message: str = "", given: overrides.Given = MappingProxyType({})
) -> PipelineVersion:
    """The draft as a version: the newest one when nothing changed, else the next number. Raises ``SpecError``.

    ``given``: values its run will have laid over it; what they mend is no problem.
    """
    spec = specs.parse(pipeline.draft)
    problems = specs.validate(overrides.lay_over(spec, given))
    if problems:
        raise specs.SpecError(problems)
    with transaction.atomic():
        Pipeline.objects.select_for_update().get(pk=pipeline.pk)
        newest = pipeline.versions.order_by("-number").first()
        if newest is not None and digest_of(newest) == spec.digest():
            return newest
        return PipelineVersion.objects.create(
            pipeline=pipeline,
            number=newest.number + 1 if newest else 1,
            spec=spec.as_dict(),
            digest=spec.digest(),
            message=message,
            created_by=user if isinstance(user, User) else None,
        )


def digest_of(version: PipelineVersion) -> str:
    """The digest of a frozen spec as this Studio reads it: one of an earlier schema, or one frozen before a parameter was
    renamed, equals the draft it became."""
    return specs.parse(version.spec).digest()


def start_run(
    version: PipelineVersion,
    *,
    user: Actor,
    request_key: str = "",
    priority: int = Priority.NORMAL,
    schedule: Schedule | None = None,
    force: Mapping[str, str] | None = None,
    given: overrides.Given = MappingProxyType({}),
) -> Run:
    """Start a run of a frozen version: params are copied into its steps, and those that are ready are announced.

    ``force``: node → how it is done although it could be reused (``pipelines.models.Force``). ``schedule`` is what started
    it, when nobody did. ``given``: values laid over the version's, for this run alone. Raises ``SpecError``.

    With a ``request_key`` that was used before, the run it started is returned and nothing new begins.
    """
    workspace = version.pipeline.workspace
    try:
        with transaction.atomic():
            run = _create_run(
                version,
                workspace=workspace,
                user=user,
                facts={
                    "request_key": request_key,
                    "priority": priority,
                    "schedule": schedule,
                    "given": overrides.differences(specs.parse(version.spec), given),
                },
            )
            if force:
                from pipelines.running import redoing

                redoing.force_steps(run, force)
            return run
    except IntegrityError:
        existing = Run.objects.filter(workspace=workspace, request_key=request_key).exclude(request_key="").first()
        if existing is None:
            raise
        return existing


def find_live(version: PipelineVersion, *, given: overrides.Given = MappingProxyType({})) -> Run | None:
    """A run of this version with these values that has not ended, the newest, or None."""
    wanted = overrides.differences(specs.parse(version.spec), given)
    live = version.runs.filter(state__in=LIVE).order_by("-number")
    return next((run for run in live if run.given == wanted), None)


def _create_run(version: PipelineVersion, *, workspace: Workspace, user: Actor, facts: Mapping[str, Any]) -> Run:
    spec = overrides.lay_over(specs.parse(version.spec), facts["given"])
    problems = specs.validate(spec)
    if problems:
        raise specs.SpecError(problems)
    Workspace.objects.select_for_update().get(pk=workspace.pk)
    if facts["request_key"]:
        existing = Run.objects.filter(workspace=workspace, request_key=facts["request_key"]).first()
        if existing is not None:
            return existing
    last = Run.objects.filter(workspace=workspace).order_by("-number").values_list("number", flat=True).first()
    run = Run.objects.create(
        workspace=workspace,
        version=version,
        number=(last or 0) + 1,
        **facts,
        created_by=user if isinstance(user, User) else None,
    )
    order = enumerate(spec.order())
    StepRun.objects.bulk_create([_make_step(run, spec, node, position=position) for position, node in order])
    actor = "schedule" if facts["schedule"] and not isinstance(user, User) else _actor(user)
    audit.record(
        workspace,
        actor=actor,
        verb="started",
        subject=f"run {run.number} of {version}",
        details={"given": facts["given"]} if facts["given"] else {},
    )
    advance(run.pk)
    return run


@transaction.atomic
def advance(run_id: Any, *, by: User | None = None) -> None:
    """Make steps whose inputs are there ready, announce them, and bring the run's own state up to date.

    The one place where a run ends, and where that is told; ``by`` just ended it and need not be told.
    """
    run = Run.objects.select_for_update().get(pk=run_id)
    steps = list(run.steps.all())
    paused = pausing.take_notice(run, steps)
    for step in [] if paused else find_beginnable(steps):
        changed = StepRun.objects.filter(pk=step.pk, state=State.PENDING, ready=False).update(ready=True)
        if changed:
            step.ready = True
            step.ring()
    before, run.state = run.state, derive_state(steps, paused=paused)
    if run.state != before:
        run.finished_at = timezone.now() if run.is_finished else None
        mine = Run.objects.filter(pk=run.pk, state=before).update(state=run.state, finished_at=run.finished_at)
        if mine and run.is_finished:
            news.run_ended(run, by=by)
        elif mine:
            news.run_pauses_or_goes_on(run)


def derive_state(steps: Sequence[pausing.Stands], *, paused: bool = False) -> State:
    """A run's state from its steps: it goes on while anything can, and ends as the worst of what is left.

    A paused run waits for a person as long as only the pause keeps something from beginning.
    """
    states = {s.state for s in steps}
    active = {s.state for s in steps if s.state == State.RUNNING or (s.state == State.PENDING and s.ready)}
    if states == {State.SUCCEEDED}:
        return State.SUCCEEDED
    if active:
        started = State.RUNNING in states or State.SUCCEEDED in states or any(s.attempt for s in steps)
        return State.RUNNING if started else State.PENDING
    if State.WAITING in states or (paused and pausing.find_held(steps)):
        return State.WAITING
    if State.FAILED in states:
        return State.FAILED
    if State.CANCELLED in states:
        return State.CANCELLED
    return State.PENDING


class Standing(NamedTuple):
    """As much of a step as tells whether its run has something to take notice of: reading whole rows took twice as long."""

    run_id: Any
    node: str
    state: str
    ready: bool
    attempt: int
    wiring: dict[str, dict[str, str]]


def advance_stale() -> None:
    """Advance every run that has something to take notice of: after the reaper moved steps, or a lost worker.

    Two queries find them: most of the time there is none, also when hundreds of runs wait in line.
    """
    steps_of: dict[Any, list[Standing]] = defaultdict(list)
    for row in StepRun.objects.filter(run__state__in=LIVE).order_by().values_list(*Standing._fields):
        steps_of[row[0]].append(Standing(*row))
    for pk, state, paused_at, pause_after in Run.objects.filter(state__in=LIVE).values_list(
        "pk", "state", "paused_at", "pause_after"
    ):
        steps, paused = steps_of[pk], paused_at is not None
        pauses = bool(pause_after) and any(step.node in pause_after and step.state in FINISHED for step in steps)
        if pauses or derive_state(steps, paused=paused) != state or (not paused and find_beginnable(steps)):
            advance(pk)


def _make_step(run: Run, spec: specs.Spec, node_id: str, *, position: int) -> StepRun:
    node = spec.node(node_id)
    step = STEPS[node.step]
    return StepRun(
        run=run,
        node=node.id,
        position=position,
        step=node.step,
        version=step.version,
        queue=step.queue,
        max_attempts=step.max_attempts,
        params=step.Params.model_validate(dict(node.params)).model_dump(mode="json"),
        wiring=spec.wiring(node.id),
        ready=False,
    )


def set_priority(run: Run, priority: int, *, user: User) -> None:
    """Move what is left of a run up or down the line. Raises ``StudioError`` when it has ended."""
    with transaction.atomic():
        if not Run.objects.filter(pk=run.pk, state__in=LIVE).update(priority=priority):
            raise StudioError(f"Run {run.number} has ended.", action="Its priority does not matter any more.")
        word = Priority(priority).label.lower()
        audit.record(run.workspace, actor=user, verb="gave priority to", subject=f"run {run.number}: {word}")
    run.priority = priority


def find_beginnable(steps: Sequence[S]) -> list[S]:
    """The steps that are not ready yet although all their inputs are there. ``steps`` are all of one run."""
    done = {step.node for step in steps if step.state == State.SUCCEEDED}
    return [
        step
        for step in steps
        if step.state == State.PENDING
        and not step.ready
        and all(source["node"] in done for source in step.wiring.values())
    ]


def cancel_run(run: Run, *, user: Actor) -> None:
    """Cancel everything of a run that has not ended: idle steps at once, running ones at their next heartbeat."""
    pausing.lift(run, armed_too=True)
    for step in run.steps.filter(state__in=LIVE):
        step.request_cancel()
    audit.record(run.workspace, actor=_actor(user), verb="cancelled", subject=f"run {run.number}")
    advance(run.pk, by=user if isinstance(user, User) else None)


def retry_run(run: Run, *, user: Actor) -> int:
    """Try the failed and cancelled steps of a run again, keeping what succeeded. Returns how many were set back.

    Ends a pause, for a person said: go on. Steps are done as this process' code does them, whatever it was when they began.
    """
    count = 0
    with transaction.atomic():
        pausing.lift(run)
        codes.adopt(run.steps.filter(state__in=(State.FAILED, State.CANCELLED)))
        for step in run.steps.filter(state__in=(State.FAILED, State.CANCELLED)):
            if step.retry():
                count += 1
                step.ring()
        if count:
            audit.record(run.workspace, actor=_actor(user), verb="retried", subject=f"run {run.number}")
    advance(run.pk)
    return count


def answer_step(step: StepRun, *, user: Actor, answers: Mapping[str, Any]) -> bool:
    """A person decided on a waiting step: lay ``answers`` over its params and go on. False when it was not waiting.

    Raises ``StudioError`` when an answer does not fit the step's parameters.
    """
    from pydantic import ValidationError

    merged = {**step.answers, **answers}
    try:
        STEPS[step.step].Params.model_validate({**step.params, **merged})
    except ValidationError as error:
        raise StudioError(
            f"That answer doesn't fit: {error.errors()[0]['msg']}.", action="Correct it and send it again."
        ) from None
    with transaction.atomic():
        if not StepRun.objects.filter(pk=step.pk, state=State.WAITING).update(answers=merged):
            return False
        step.refresh_from_db()
        step.resume()
        news.step_was_answered(step)
        step.ring()
        audit.record(
            step.run.workspace,
            actor=_actor(user),
            verb="answered",
            subject=f"{step.node} of run {step.run.number}",
            details=dict(answers),
        )
    advance(step.run_id)
    return True


def _actor(user: Actor) -> User | str:
    return user if isinstance(user, User) else "command line"


def sources_unchanged(run: Run) -> bool:
    """Whether the steps of ``run`` that read the outside world (a dataset's latest version, say) would still read the same."""
    for step in run.steps.filter(wiring={}).exclude(facts={}):
        params = STEPS[step.step].Params.model_validate(step.params)
        try:
            facts = STEPS[step.step]().resolve(params, workspace_id=run.workspace_id)
        except StudioError:
            return False
        if facts != step.facts:
            return False
    return True


def _ignore(_: Any) -> None:
    """The default follower."""


def run_to_end(
    run: Run,
    *,
    on_change: Callable[[Run], None] = _ignore,
    on_progress: Callable[[StepRun], None] = _ignore,
    pause: float = 0.5,
) -> Run:
    """Run a run's steps in this process until it ends or waits for a person, and return it.

    Steps that another worker has taken are left to it. ``on_change`` is called after every step, ``on_progress`` about once
    a second within one.
    """
    from pipelines.running.executor import execute

    while True:
        reaping.cut_dead_leases(StepRun)
        reaping.reap(StepRun)
        advance(run.pk)
        run.refresh_from_db()
        if run.is_finished or run.state == State.WAITING:
            return run
        now = timezone.now()
        ready = (
            run.steps.filter(state=State.PENDING, ready=True).exclude(not_before__gt=now).order_by("position").first()
        )
        if ready is not None and not codes.fits(ready):
            error, action = codes.explain(ready)
            raise StudioError(error, action=action)
        if ready is None or execute(ready.pk, on_progress=on_progress) is None:
            time.sleep(pause)
        on_change(run)
