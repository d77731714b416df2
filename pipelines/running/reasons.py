"""Why a step was done, or not done again, in words and with the numbers that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.models import Force, StepOutput, StepRun
from pipelines.steps.base import InputArtifact
from studio.jobs import State
from studio.registries import STEPS


def explain(
    step: str,
    node: str,
    values: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    workspace_id: Any,
    pipeline_id: Any = None,
    inputs: Mapping[str, tuple[str, int | None]] | None = None,
    other_than: Any = None,
) -> str:
    """Why the newest earlier success of this node can't be used, in words.

    An earlier run of the same pipeline counts before one of another. ``inputs``: port → hash and rows of what it takes in,
    where that is known.
    """
    earlier = _find_earlier(step, node, workspace_id=workspace_id, pipeline_id=pipeline_id, other_than=other_than)
    if earlier is None:
        return "It has not run before."
    if earlier.version != STEPS[step].version:
        return "The step works differently in this version of the Studio."
    changed = changed_settings(step, earlier.params, values)
    if changed:
        return f"Changed since run {earlier.run.number}: {', '.join(changed[:4])}{' and more' if len(changed) > 4 else ''}."
    if earlier.facts != dict(facts):
        return f"What it reads has changed since run {earlier.run.number}.{_changed_rows(earlier.facts, facts)}"
    if earlier.summary.get("incomplete"):
        return f"Run {earlier.run.number} went on without some rows; they are asked for again."
    told = [text for port, (sha, rows) in (inputs or {}).items() if (text := _changed_input(earlier, port, sha, rows))]
    if told:
        return f"What it takes in has changed since run {earlier.run.number}: {'; '.join(told)}."
    if inputs:
        return f"The files of run {earlier.run.number} are gone, though nothing has changed since."
    return f"What it takes in has changed since run {earlier.run.number}."


def _find_earlier(step: str, node: str, *, workspace_id: Any, pipeline_id: Any, other_than: Any) -> StepRun | None:
    rows = StepRun.objects.filter(run__workspace_id=workspace_id, node=node, step=step, state=State.SUCCEEDED)
    rows = rows.exclude(pk=other_than).select_related("run").order_by("-finished_at")
    own = rows.filter(run__version__pipeline_id=pipeline_id).first() if pipeline_id else None
    return own or rows.first()


def sizes(inputs: Mapping[str, InputArtifact]) -> dict[str, tuple[str, int | None]]:
    """Port → hash and rows, as :func:`explain` wants them."""
    return {port: (artifact.sha, artifact.meta.get("rows")) for port, artifact in inputs.items()}


def changed_settings(step: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Labels of the settings that count and differ."""
    fields, skipped = STEPS[step].Params.model_fields, STEPS[step].unfingerprinted
    return [
        str(fields[key].title or key)
        for key in after
        if key in fields and key not in skipped and before.get(key, fields[key].default) != after[key]
    ]


def _changed_rows(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    was, now = before.get("rows"), after.get("rows")
    return (
        f" It has {now:,} rows; it had {was:,}." if isinstance(was, int) and isinstance(now, int) and was != now else ""
    )


def _changed_input(earlier: StepRun, port: str, sha: str, rows: int | None) -> str:
    """What is new about one input, blank when it is the same."""
    source = earlier.wiring.get(port)
    if source is None:
        return f"{port} was not wired then"
    found = StepOutput.objects.filter(
        step_run__run_id=earlier.run_id, step_run__node=source["node"], port=source["port"]
    ).select_related("artifact")
    output = found.first()
    if output is None or output.artifact.sha256 == sha:
        return ""
    was = output.artifact.meta.get("rows")
    if isinstance(was, int) and rows is not None:
        return f"{port} ({rows:,} rows, then {was:,})" if rows != was else f"{port} ({rows:,} rows, as many as then)"
    return port


def of_force(force: str, *, earlier: StepRun | None) -> str:
    """Why a forced step was done."""
    fitting = f"; the result of run {earlier.run.number} would have fitted" if earlier is not None else ""
    anew = ", and the teacher was asked anew" if force == Force.ANEW else ""
    return f"Done again because somebody asked for it{anew}{fitting}."


def of_reuse(earlier: StepRun) -> str:
    """Why a step was not done."""
    return f"Run {earlier.run.number} did the same with the same inputs."


def with_answers(reason: str, summary: Mapping[str, Any]) -> str:
    """``reason`` with how many answers were at hand, for a step that asked a teacher."""
    new, kept = summary.get("answers_new"), summary.get("answers_reused")
    if not isinstance(new, int) or not isinstance(kept, int) or not new + kept:
        return reason
    return f"{reason.rstrip('.')}; {kept:,} of {new + kept:,} answers came from the cache."
