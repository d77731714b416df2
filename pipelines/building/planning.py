"""What a run of a draft would do, before it is started: what is reused and why not, rows, cost, time and memory.

Every figure comes from earlier runs of this workspace; where there are none, nothing is claimed. Nothing is written and no
model is opened.
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from pipelines.models import StepRun
from pipelines.running import reasons
from pipelines.running.executor import find_reusable, step_fingerprint
from pipelines.specs import spec as specs
from pipelines.steps.base import InputArtifact
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.registries import STEPS
from vault.models import Artifact

LOOKED_AT = 5
"""Earlier successes of a step from which rates are taken."""
BRIEF = {"Data", "Curation"}
"""Groups of steps whose time hardly counts beside that of the others."""
MODELS = ("base_model", "teacher", "model")
"""Parameters that name who does the work: a rate holds for the same one only."""


@dataclass
class NodePlan:
    """One node. ``verdict``: "reuse", "run" or "unknown" (it can't be told before). ``why``: what made reuse impossible.

    ``rows``: about how many it will read; ``cost_usd``, ``seconds``, ``memory_bytes``: estimated from earlier runs, None
    where there is nothing to go by.
    """

    verdict: str
    why: str = ""
    rows: int | None = None
    cost_usd: float | None = None
    seconds: float | None = None
    memory_bytes: int | None = None
    brief: bool = False
    """Of a kind that takes seconds: while its time is not known, the run's can be told without it."""
    reused_run: int | None = None
    advice: list[str] = field(default_factory=list)
    """What its step has to say before a run, in sentences."""
    summary: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain values without the summary."""
        return {k: v for k, v in asdict(self).items() if k != "summary"}


@dataclass(frozen=True)
class Known:
    """An output that is there already: its artifact, and the rows it holds where it holds rows."""

    artifact: Artifact
    rows: int | None


Histories = dict[str, list[StepRun]]
"""Step → the runs of it that estimates were taken from; shared by plans that are made together."""


def plan(
    spec: specs.Spec,
    *,
    workspace_id: Any,
    pipeline_id: Any = None,
    sources: Mapping[str, int] = MappingProxyType({}),
    histories: Histories | None = None,
) -> dict[str, NodePlan]:
    """Node id → what would happen to it, in the order they run. Nodes that can't be judged are "unknown".

    What has changed is told against earlier runs of the pipeline first. ``sources``: rows of nodes whose data is not there yet.
    """
    try:
        order = spec.order()
    except graphlib.CycleError:
        return {}
    plans: dict[str, NodePlan] = {}
    known: dict[str, Known] = {}
    rows: dict[str, int | None] = {}
    histories = {} if histories is None else histories
    for name in order:
        if name not in spec:
            continue
        if name in sources:
            plans[name] = _plan_source(spec.node(name), sources[name], rows, histories, workspace_id=workspace_id)
            continue
        plans[name] = _plan_node(
            spec, name, plans, known, rows, histories, workspace_id=workspace_id, pipeline_id=pipeline_id
        )
    return plans


def _plan_source(
    node: specs.Node, count: int, rows: dict[str, int | None], histories: Histories, *, workspace_id: Any
) -> NodePlan:
    """A node that reads data which will be there when it runs."""
    made = NodePlan("run", rows=count, brief=True)
    _estimate(made, node.step, node.params, histories, asks=count, workspace_id=workspace_id)
    for port in STEPS[node.step].outputs if node.step in STEPS else ():
        rows[f"{node.id}.{port}"] = count if port != "rejects" else None
    return made


def _plan_node(
    spec: specs.Spec,
    name: str,
    plans: Mapping[str, NodePlan],
    known: dict[str, Known],
    rows: dict[str, int | None],
    histories: Histories,
    *,
    workspace_id: Any,
    pipeline_id: Any,
) -> NodePlan:
    node, wiring = spec.node(name), spec.wiring(name)
    if node.step not in STEPS:
        return NodePlan("unknown", "This Studio does not know the step.")
    step = STEPS[node.step]()
    ends = {port: f"{end['node']}.{end['port']}" for port, end in wiring.items()}
    incoming = {port: rows.get(end) for port, end in ends.items()}
    made = NodePlan("run", rows=step.count_rows(incoming), brief=step.group in BRIEF)
    try:
        params = step.Params.model_validate(dict(node.params))
        facts = step.resolve(params, workspace_id=workspace_id)
    except (ValidationError, StudioError):
        return NodePlan("unknown", "Its settings have to be mended first.")
    values = params.model_dump(mode="json")
    changed_above = [end["node"] for end in wiring.values() if plans.get(end["node"], made).verdict != "reuse"]
    if made.rows is None and isinstance(facts.get("rows"), int):
        made.rows = facts["rows"]
    made.advice = step.advise(params, rows=incoming, workspace_id=workspace_id)
    if not changed_above and all(end in known for end in ends.values()):
        inputs = {port: _as_input(known[end].artifact) for port, end in ends.items()}
        earlier = find_reusable(
            step_fingerprint(step, params=values, facts=facts, inputs=inputs), workspace_id=workspace_id
        )
        if earlier is not None:
            return _reuse(name, made, earlier, known, rows)
        made.why = reasons.explain(
            node.step,
            name,
            values,
            facts,
            workspace_id=workspace_id,
            pipeline_id=pipeline_id,
            inputs=reasons.sizes(inputs),
        )
    elif changed_above:
        made.why = f"{changed_above[0]} comes out new."
    asks = step.count_questions(params, rows=made.rows) if made.rows else 0
    _estimate(made, node.step, values, histories, asks=asks, workspace_id=workspace_id)
    expected = step.expect(params, rows=made.rows) if made.rows is not None else {}
    for port in step.outputs:
        rows[f"{name}.{port}"] = expected.get(port, made.rows) if port != "rejects" else None
    return made


def _reuse(
    name: str, made: NodePlan, earlier: StepRun, known: dict[str, Known], rows: dict[str, int | None]
) -> NodePlan:
    made.verdict, made.reused_run, made.summary = "reuse", earlier.run.number, earlier.summary
    made.cost_usd = made.seconds = 0.0
    for output in earlier.outputs.select_related("artifact"):
        count = output.artifact.meta.get("rows")
        known[f"{name}.{output.port}"] = Known(output.artifact, count)
        rows[f"{name}.{output.port}"] = count
    return made


def _as_input(artifact: Artifact) -> InputArtifact:
    """An input as far as a fingerprint looks at it: its hash."""
    return InputArtifact(sha=artifact.sha256, kind=artifact.kind, path=Path(), meta=artifact.meta)  # type: ignore[arg-type]


def _estimate(
    made: NodePlan,
    step: str,
    values: Mapping[str, Any],
    histories: Histories,
    *,
    asks: int,
    workspace_id: Any,
) -> None:
    """Fill in cost, time and memory from the newest successes of the same step."""
    known = histories.get(step)
    if known is None:
        known = histories[step] = list(_history(step, workspace_id=workspace_id))
    limit = values.get("rows")
    # A step with a limit of rows (0: none) reads no more than that.
    count = min(made.rows, limit) if made.rows and isinstance(limit, int) and limit > 0 else made.rows
    made.seconds = _seconds(step, values, known, count=count)
    peaks = [int(s.summary["peak_memory_bytes"]) for s in known if s.summary.get("peak_memory_bytes")]
    made.memory_bytes = max(peaks, default=None)
    costs = [
        float(s.summary["cost_usd"]) / asked
        for s in known
        if s.summary.get("cost_usd") is not None
        and s.params.get("model") == values.get("model")
        and (asked := s.summary.get("answers_new", 0) + s.summary.get("answers_reused", 0))
    ]
    if costs and asks:
        made.cost_usd = round(_middle(costs) * asks, 6)


def _seconds(step: str, values: Mapping[str, Any], known: list[StepRun], *, count: int | None) -> float | None:
    """How long so many rows take, from the runs that used the same model; None where none did."""
    taken, rates = [], []
    for earlier in known:
        if earlier.seconds and all(earlier.params.get(n) == values.get(n) for n in MODELS if n in earlier.params):
            effort = _effort(step, earlier.params, rows=_rows_in(earlier))
            taken.append(earlier.seconds)
            rates += [earlier.seconds / effort] if effort else []
    if count is None:
        return round(_middle(taken), 1) if taken else None
    effort = _effort(step, values, rows=count)
    return round(_middle(rates) * effort, 1) if rates and effort is not None else None


def _effort(step: str, values: Mapping[str, Any], *, rows: int) -> float | None:
    """The step's own measure of its work; None without rows, and for parameters that fit this version of it no more."""
    known = STEPS[step]()
    try:
        return known.effort(known.Params.model_validate(dict(values)), rows=rows) if rows else None
    except ValidationError:
        return None


def _rows_in(step: StepRun) -> int:
    return int(step.summary.get("rows_in") or step.summary.get("rows") or 0)


def _history(step: str, *, workspace_id: Any) -> Iterator[StepRun]:
    yield from StepRun.objects.filter(
        run__workspace_id=workspace_id, step=step, state=State.SUCCEEDED, reused_from=None, attempt=1
    ).order_by("-finished_at")[:LOOKED_AT]


def _middle(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[len(ordered) // 2]


def totals(plans: Mapping[str, NodePlan]) -> dict[str, Any]:
    """Sums over the nodes that would run: how many are reused, dollars, seconds, the largest memory; and what is unknown.

    ``seconds`` is None while a step that may take long has not been timed (``unknown_seconds``: how many): the rest of the sum
    would say nothing.
    """
    running = [p for p in plans.values() if p.verdict != "reuse"]
    seconds = [p.seconds for p in running if p.seconds is not None]
    unknown = sum(p.seconds is None and not p.brief for p in running)
    costs = [p.cost_usd for p in running if p.cost_usd is not None]
    return {
        "reused": len(plans) - len(running),
        "running": len(running),
        "cost_usd": round(sum(costs), 4) if costs else None,
        "seconds": round(sum(seconds), 1) if seconds and not unknown else None,
        "unknown_seconds": unknown,
        "memory_bytes": max((p.memory_bytes for p in running if p.memory_bytes), default=None),
    }
