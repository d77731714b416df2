"""One attempt of one step: claim, reuse or run, publish, record, ring. The only place that catches ``Exception``."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog
from django.db import OperationalError, transaction
from pydantic import ValidationError

from pipelines.models import StepOutput, StepRun
from pipelines.running import attempts, news, reasons, runs, scheduling
from pipelines.running.context import StepContext, exclusive, scratch_name
from pipelines.steps.base import InputArtifact, Step, StepResult
from studio.jobs import State
from studio.lib.canonical import fingerprint
from studio.lib.disk import is_disk_full
from studio.lib.errors import Cancelled, LeaseLost, StepError, StudioError, WaitForPerson
from studio.registries import STEPS
from vault import store

log = structlog.get_logger(__name__)

RETRY_DELAYS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2))


class DatabaseBusy(StudioError):
    """The database was locked or away for longer than a worker waits."""

    def __init__(self) -> None:
        super().__init__(
            "The database did not answer in time.",
            action="It is tried again by itself. If this happens often, use PostgreSQL (see docs/operations.md).",
        )


def _ignore(_: StepRun) -> None:
    """The default follower."""


def execute(step_run_id: Any, *, on_progress: Callable[[StepRun], None] = _ignore) -> StepRun | None:
    """Do one attempt of a step run. Returns the row afterwards, or None when it was not ours to take.

    Safe to call twice, late, or for a row that is done: only a claim that succeeds does anything.
    """
    job = StepRun.claim(step_run_id)
    return None if job is None else _carry_out(job, on_progress)


def execute_next(queue: str) -> StepRun | None:
    """Do one attempt of the step that is next in ``queue``. Returns the row afterwards, or None when there was none to take."""
    job = scheduling.claim_next(queue)
    return None if job is None else _carry_out(job, _ignore)


def _carry_out(job: StepRun, on_progress: Callable[[StepRun], None]) -> StepRun:
    with structlog.contextvars.bound_contextvars(run=str(job.run.number), node=job.node, attempt=job.attempt):
        try:
            _attempt(job, on_progress)
        except LeaseLost:
            log.warning("lease lost; another worker has this step")
    return StepRun.objects.get(pk=job.pk)


def _attempt(job: StepRun, on_progress: Callable[[StepRun], None]) -> None:
    runs.advance(job.run_id)
    try:
        context = StepContext(job, on_progress=on_progress)
        with exclusive(context.scratch):
            try:
                _run_or_reuse(job, context)
            finally:
                with suppress(OperationalError):
                    attempts.sample(job, context.meter)
    except Cancelled:
        job.finish(State.CANCELLED)
    except WaitForPerson as question:
        _wait(job, question)
    except StepError as error:
        _fail(job, error, retryable=error.retryable)
    except StudioError as error:
        _fail(job, error, retryable=False)
    except LeaseLost:
        raise
    except OperationalError as error:
        log.warning("the database did not answer in time", exc_info=error)
        _fail(job, DatabaseBusy(), retryable=True)
    except Exception as error:
        if is_disk_full(error):
            _fail(job, store.DiskFull(), retryable=False)
        else:
            _fail_by_fault(job, error)
    finally:
        runs.advance(job.run_id)
    if job.state == State.SUCCEEDED:
        store.remove_scratch(scratch_name(job.pk))


@transaction.atomic
def _wait(job: StepRun, question: WaitForPerson) -> None:
    """Free the worker, and tell people that the step waits: under the job's fence, so once."""
    job.wait(question=str(question), action=question.action)
    if job.state == State.WAITING:
        news.step_waits(job)


def _run_or_reuse(job: StepRun, context: StepContext) -> None:
    step: Step = STEPS[job.step]()
    inputs = _inputs(job)
    try:
        params = step.Params.model_validate({**job.params, **job.answers})
    except ValidationError as error:
        raise StepError(
            f"The parameters of '{job.node}' don't fit this worker's version of the step: {error.errors()[0]['msg']}.",
            action="Update the workers to the version of the web server, or start the run again.",
        ) from None
    facts = step.resolve(params, workspace_id=job.run.workspace_id)
    print_ = step_fingerprint(step, params=params.model_dump(mode="json"), facts=facts, inputs=inputs)
    earlier = find_reusable(print_, workspace_id=job.run.workspace_id, other_than=job.pk)
    if earlier is not None and not job.force:
        job.write(facts=facts, fingerprint=print_)
        _record_reuse(job, earlier)
        return
    job.write(facts=facts, fingerprint=print_, reason=job.reason or _reason(job, earlier, params, facts, inputs))
    context.log(f"Attempt {job.attempt} of {step.label} on {job.owner}.")
    result = step.run(context, params, inputs)
    context.flush()
    _record(job, step, result, context)


def _reason(
    job: StepRun, fitting: StepRun | None, params: Any, facts: Mapping[str, Any], inputs: Mapping[str, InputArtifact]
) -> str:
    """Why it is done and not reused, as it stands before the work."""
    if job.force:
        return reasons.of_force(job.force, earlier=fitting)
    return reasons.explain(
        job.step,
        job.node,
        params.model_dump(mode="json"),
        facts,
        workspace_id=job.run.workspace_id,
        pipeline_id=job.run.version.pipeline_id,
        inputs=reasons.sizes(inputs),
        other_than=job.pk,
    )


def step_fingerprint(
    step: Step, *, params: Mapping[str, Any], facts: Mapping[str, Any], inputs: Mapping[str, InputArtifact]
) -> str:
    """What decides a step's output: step, version, the params that count, outside facts, and the hashes of its inputs."""
    return fingerprint(
        {
            "step": type(step).__qualname__,
            "version": step.version,
            "params": {k: v for k, v in params.items() if k not in step.unfingerprinted},
            "facts": dict(facts),
            "inputs": {port: artifact.sha for port, artifact in sorted(inputs.items())},
        }
    )


def _inputs(job: StepRun) -> dict[str, InputArtifact]:
    inputs: dict[str, InputArtifact] = {}
    for port, source in job.wiring.items():
        output = StepOutput.objects.select_related("artifact").get(
            step_run__run_id=job.run_id, step_run__node=source["node"], port=source["port"]
        )
        artifact = output.artifact
        inputs[port] = InputArtifact(
            sha=artifact.sha256,
            kind=artifact.kind,  # type: ignore[arg-type]
            path=store.path(artifact),
            meta=artifact.meta,
        )
    return inputs


def find_reusable(print_: str, *, workspace_id: Any, other_than: Any = None) -> StepRun | None:
    """An earlier success with this fingerprint in this workspace whose artifacts are all still on disk."""
    earlier = StepRun.objects.filter(run__workspace_id=workspace_id, fingerprint=print_, state=State.SUCCEEDED).exclude(
        pk=other_than
    )
    for candidate in earlier.select_related("run").order_by("-finished_at")[:5]:
        if candidate.summary.get("incomplete"):
            # It went on without some rows for a passing reason: another try may get them.
            continue
        outputs = [o.artifact for o in candidate.outputs.select_related("artifact")]
        if outputs and all((store.folder_of(a.sha256) / store.MANIFEST).exists() for a in outputs):
            return candidate
    return None


@transaction.atomic
def _record_reuse(job: StepRun, earlier: StepRun) -> None:
    for output in earlier.outputs.all():
        StepOutput.objects.create(step_run=job, port=output.port, artifact_id=output.artifact_id)
    source = earlier.reused_from or earlier
    job.write(reused_from=source, summary=earlier.summary, reason=reasons.of_reuse(source))
    job.finish(State.SUCCEEDED)


def _record(job: StepRun, step: Step, result: StepResult, context: StepContext) -> None:
    """Place the outputs, then say so in one short transaction."""
    missing = {name for name, port in step.outputs.items() if not port.optional} - set(result.outputs)
    if missing:
        raise RuntimeError(f"{job.step} did not give its outputs: {', '.join(sorted(missing))}")
    placed = {}
    for port, output in result.outputs.items():
        placed[port] = store.place(output.path, kind=step.outputs[port].kind, beat=context.beat)
    with transaction.atomic():
        for port, output in result.outputs.items():
            artifact = store.record(
                placed[port], kind=step.outputs[port].kind, workspace=job.run.workspace, meta=output.meta
            )
            StepOutput.objects.create(step_run=job, port=port, artifact=artifact)
        job.write(summary=dict(result.summary), reason=reasons.with_answers(job.reason, result.summary))
        step.record(job, result)
        job.finish(State.SUCCEEDED)


def _fail(job: StepRun, error: StudioError, *, retryable: bool) -> None:
    if retryable and job.attempt < job.max_attempts:
        delay = RETRY_DELAYS[min(job.attempt, len(RETRY_DELAYS)) - 1]
        job.release(error=str(error), action=error.action, delay=delay)
        return
    job.finish(State.FAILED, error=str(error), action=error.action)


def _fail_by_fault(job: StepRun, error: BaseException) -> None:
    log.error("step failed by a fault of the Studio", exc_info=error)
    job.finish(
        State.FAILED,
        error=f"A fault in the Studio stopped this step: {type(error).__name__}.",
        action="Retry it. If it happens again, send the trace (operators see it on this page) with a report.",
        trace="".join(traceback.format_exception(error)),
    )
