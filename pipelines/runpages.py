"""What the run pages show of a step, gathered from its row, its outputs and its log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from pipelines.context import log_path
from pipelines.models import MetricPoint, Run, StepOutput, StepRun
from studio.jobs import State
from studio.registries import STEPS

LOG_TAIL_BYTES = 40_000
MAX_POINTS = 1_000


@dataclass(frozen=True)
class StepView:
    """A step as the run page draws it. ``status`` is the word of its pill; offsets are shares of the run's duration, 0..1."""

    step: StepRun
    label: str
    status: str
    headline: str
    outputs: tuple[StepOutput, ...]
    charts: bool
    start_share: float
    width_share: float


def status_of(step: StepRun) -> str:
    """The pill's word: the state, ``cached`` for a reused step, ``blocked`` for one whose inputs will not come by themselves."""
    if step.reused_from_id and step.state == State.SUCCEEDED:
        return "cached"
    if step.state == State.PENDING and not step.ready and step.run.state in (State.FAILED, State.CANCELLED):
        return "blocked"
    return step.state


def step_views(run: Run) -> list[StepView]:
    """All steps of a run, in order, placed on its timeline."""
    steps = list(
        run.steps.select_related("reused_from__run").prefetch_related("outputs__artifact").order_by("position")
    )
    with_curves = set(
        MetricPoint.objects.filter(step_run__in=[s.reused_from_id or s.pk for s in steps]).values_list(
            "step_run_id", flat=True
        )
    )
    started = [s.started_at for s in steps if s.started_at]
    begin = min(started, default=run.created_at)
    end = run.finished_at or timezone.now()
    views = []
    for step in steps:
        step.run = run
        views.append(_view(step, begin=begin, end=end, charts=(step.reused_from_id or step.pk) in with_curves))
    return views


def step_view(step: StepRun) -> StepView:
    """One step by itself."""
    charts = MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk).exists()
    return _view(step, begin=step.created_at, end=timezone.now(), charts=charts)


def _view(step: StepRun, *, begin: datetime, end: datetime, charts: bool) -> StepView:
    span = max((end - begin).total_seconds(), 1e-6)
    start = width = 0.0
    if step.started_at:
        start = min(max((step.started_at - begin).total_seconds() / span, 0.0), 1.0)
        width = min(max(((step.finished_at or end) - step.started_at).total_seconds() / span, 0.0), 1.0 - start)
    return StepView(
        step=step,
        label=STEPS[step.step].label if step.step in STEPS else step.step,
        status=status_of(step),
        headline=str(step.summary.get("headline", "")),
        outputs=tuple(step.outputs.all()),
        charts=charts,
        start_share=start,
        width_share=width,
    )


def log_tail(step_run_id: Any) -> str:
    """The last lines of a step's log, at most 40 kB."""
    try:
        with log_path(step_run_id).open("rb") as source:
            size = source.seek(0, 2)
            source.seek(max(0, size - LOG_TAIL_BYTES))
            text = source.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return text if size <= LOG_TAIL_BYTES else text.partition("\n")[2]


def metric_series(step: StepRun) -> dict[str, dict[str, list[float]]]:
    """A step's curves (of the run it was reused from, when it was), each thinned to at most 1,000 points."""
    series: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"x": [], "y": []})
    points = MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk).order_by("name", "at")
    for name, at, value in points.values_list("name", "at", "value"):
        series[name]["x"].append(at)
        series[name]["y"].append(value)
    return {name: _thin(curve) for name, curve in series.items()}


def _thin(curve: dict[str, list[float]]) -> dict[str, list[float]]:
    stride = -(-len(curve["x"]) // MAX_POINTS)
    if stride <= 1:
        return curve
    last = len(curve["x"]) - 1
    keep = [i for i in range(len(curve["x"])) if i % stride == 0 or i == last]
    return {axis: [values[i] for i in keep] for axis, values in curve.items()}
