"""What the run pages show of a step, gathered from its row, its outputs and its log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from pipelines.context import log_path
from pipelines.models import MetricPoint, Run, StepOutput, StepRun
from studio.jobs import State
from studio.registries import STEPS

LOG_TAIL_BYTES = 40_000
MAX_POINTS = 1_000


@dataclass(frozen=True)
class StepView:
    """A step as the run page draws it. ``status`` is the word of its pill."""

    step: StepRun
    label: str
    status: str
    headline: str
    outputs: tuple[StepOutput, ...]
    charts: bool


def status_of(step: StepRun) -> str:
    """The pill's word: the state, ``cached`` for a reused step, ``blocked`` for one whose inputs will not come by themselves."""
    if step.reused_from_id and step.state == State.SUCCEEDED:
        return "cached"
    if step.state == State.PENDING and not step.ready and step.run.state in (State.FAILED, State.CANCELLED):
        return "blocked"
    return step.state


def step_views(run: Run) -> list[StepView]:
    """All steps of a run, in order."""
    steps = list(
        run.steps.select_related("reused_from__run").prefetch_related("outputs__artifact").order_by("position")
    )
    with_curves = set(
        MetricPoint.objects.filter(step_run__in=[s.reused_from_id or s.pk for s in steps])
        .values_list("step_run_id", flat=True)
        .distinct()
    )
    for step in steps:
        step.run = run
    return [_view(step, charts=(step.reused_from_id or step.pk) in with_curves) for step in steps]


def step_view(step: StepRun) -> StepView:
    """One step by itself."""
    return _view(step, charts=MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk).exists())


def _view(step: StepRun, *, charts: bool) -> StepView:
    return StepView(
        step=step,
        label=STEPS[step.step].label if step.step in STEPS else step.step,
        status=status_of(step),
        headline=str(step.summary.get("headline", "")),
        outputs=tuple(step.outputs.all()),
        charts=charts,
    )


def spans(run: Run, views: list[StepView]) -> list[dict[str, Any]]:
    """The bars of the run's timeline: steps that really ran, with their page."""
    return [
        {
            "name": v.label,
            "status": v.status,
            "start": None if v.status == "cached" else v.step.started_at,
            "end": v.step.finished_at,
            "href": reverse("run_step", args=[run.workspace.slug, run.number, v.step.node]),
        }
        for v in views
    ]


@dataclass(frozen=True)
class OutputView:
    """An output as a link: ``url`` is empty for kinds that have no page of their own."""

    port: str
    kind: str
    text: str
    url: str
    size: int


def output_views(view: StepView) -> list[OutputView]:
    """What a step made, each with the page that shows it."""
    return [
        OutputView(
            port=output.port,
            kind=output.artifact.kind,
            text=_describe(output),
            url=_page(view.step, output),
            size=output.artifact.size,
        )
        for output in view.outputs
    ]


def _page(step: StepRun, output: StepOutput) -> str:
    run = step.run
    match output.artifact.kind:
        case "dataset":
            return reverse("run_output", args=[run.workspace.slug, run.number, step.node, output.port])
        case "gguf":
            return reverse("model", args=[run.workspace.slug, output.artifact.pk])
        case "report":
            # The scorecard belongs to the evaluation app, which stands above this one: only its id is needed here.
            made_by = step.reused_from if step.reused_from_id else step
            card = getattr(made_by, "scorecard", None)
            return reverse("evaluation", args=[run.workspace.slug, card.pk]) if card else ""
    return ""


def _describe(output: StepOutput) -> str:
    rows = output.artifact.meta.get("rows")
    return f"{rows:,} rows" if isinstance(rows, int) else output.artifact.get_kind_display()


def summary_items(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """The plain figures of a step's summary, as label and text; nested ones are left to their own pages."""
    return [
        (name.replace("_", " ").capitalize(), shown(value))
        for name, value in summary.items()
        if name != "headline" and isinstance(value, (int, float, str)) and value != ""
    ]


def shown(value: Any) -> str:
    """A parameter or figure as text: lists joined, nothing as a dash, numbers with separators."""
    if value is None or value == "" or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(shown(v) for v in value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


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


ROLES = {"loss": "student", "eval_loss": "teacher"}
"""Colours of curves that have a fixed meaning; others take the chart's own."""


def metric_chart(step: StepRun, *, names: list[str]) -> dict[str, Any]:
    """The named curves of a step (of the step it was reused from, when it was) over one x axis, at most 1,000 points.

    Without names: every curve that is a loss. ``{"x": [...], "series": [{"name", "role", "values"}], "live": bool}``.
    """
    points = MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk)
    points = points.filter(name__in=names) if names else points.filter(name__endswith="loss")
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for name, at, value in points.order_by("name", "at").values_list("name", "at", "value"):
        curves[name][at] = value
    x = _thin(
        sorted({at for curve in curves.values() for at in curve}),
        keep={at for c in curves.values() if len(c) < MAX_POINTS // 4 for at in c},
    )
    series = [
        {
            "name": CURVES.get(name, name),
            "role": ROLES.get(name, ""),
            "values": [curve.get(at) for at in x],
            "smooth": name == "loss",
        }
        for name, curve in sorted(curves.items(), key=lambda item: item[0] != "loss")
    ]
    return {"x": x, "series": series, "live": not step.is_finished}


CURVES = {"loss": "Training loss", "eval_loss": "Validation loss", "learning_rate": "Learning rate"}


def _thin(x: list[int], *, keep: set[int]) -> list[int]:
    """Every n-th value so that about 1,000 are left, always with the last and with those of sparse curves."""
    stride = -(-len(x) // MAX_POINTS)
    if stride <= 1:
        return x
    return [at for i, at in enumerate(x) if i % stride == 0 or i == len(x) - 1 or at in keep]
