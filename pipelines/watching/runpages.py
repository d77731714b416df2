"""What the run pages show of a step, gathered from its row, its outputs and its log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch
from django.urls import reverse

from pipelines.models import MetricPoint, Run, StepOutput, StepRun
from pipelines.running import scheduling
from pipelines.watching import picture
from studio.jobs import State
from studio.registries import STEPS

MAX_POINTS = 1_000


@dataclass(frozen=True)
class StepView:
    """A step as the run page draws it. ``status`` is the word of its pill.

    ``rows_in`` and ``rows_kept`` are known once it has succeeded; ``cost`` is what this run paid for it (0 when reused).
    """

    step: StepRun
    label: str
    group: str
    status: str
    headline: str
    outputs: tuple[StepOutput, ...]
    charts: bool
    rows_in: int | None = None
    rows_kept: int | None = None
    cost: float | None = None

    @property
    def counts(self) -> str:
        """``1,180 in → 1,112 kept``, ``1,180 rows``, or empty."""
        if self.rows_kept is None:
            return ""
        if self.rows_in is None or self.rows_in == self.rows_kept:
            return f"{self.rows_kept:,} {'row' if self.rows_kept == 1 else 'rows'}"
        return f"{self.rows_in:,} in → {self.rows_kept:,} kept"

    @property
    def seconds(self) -> float | None:
        """How long its last attempt took, or takes; None for a reused step and for one that has not begun."""
        return None if self.status == "cached" else self.step.seconds

    wait: str = ""
    """Why a pending step does not run yet: its inputs, its place in line, when it likely starts."""


def status_of(step: StepRun) -> str:
    """The pill's word: the state, ``cached`` for a reused step, ``blocked`` for one whose inputs will not come by themselves."""
    if step.reused_from_id and step.state == State.SUCCEEDED:
        return "cached"
    if step.state == State.PENDING and not step.ready and step.run.state in (State.FAILED, State.CANCELLED):
        return "blocked"
    return step.state


def step_views(run: Run) -> list[StepView]:
    """All steps of a run, in order."""
    outputs = Prefetch("outputs", StepOutput.objects.select_related("artifact").order_by("id"))
    steps = list(
        run.steps.select_related("reused_from__run").defer("trace").prefetch_related(outputs).order_by("position")
    )
    ids = [s.reused_from_id or s.pk for s in steps]
    # One look into the index a step: a run's points can be a hundred thousand.
    has_points = Exists(MetricPoint.objects.filter(step_run_id=OuterRef("pk")))
    with_curves = set(StepRun.objects.filter(has_points, pk__in=ids).order_by().values_list("pk", flat=True))
    for step in steps:
        step.run = run
    line_of = scheduling.look()
    return [_view(step, charts=(step.reused_from_id or step.pk) in with_curves, line_of=line_of) for step in steps]


def step_view(step: StepRun) -> StepView:
    """One step by itself."""
    charts = MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk).exists()
    return _view(step, charts=charts, line_of=scheduling.look())


def _view(step: StepRun, *, charts: bool, line_of: scheduling.Look) -> StepView:
    known = STEPS.get(step.step)
    summary, status = step.summary, status_of(step)
    return StepView(
        step=step,
        label=known.label if known else step.step,
        group=known.group if known else "Other",
        status=status,
        headline=str(summary.get("headline", "")),
        outputs=tuple(step.outputs.all()),
        charts=charts,
        rows_in=_whole(summary.get("rows_in")),
        rows_kept=_whole(summary.get("rows_kept", summary.get("rows"))),
        cost=0.0 if status == "cached" else _amount(summary.get("cost_usd")),
        wait=scheduling.pending_text(step, line_of) if step.state == State.PENDING else "",
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _amount(value: Any) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def total_cost(views: Iterable[StepView]) -> float | None:
    """What a run's steps cost together in dollars, or None when nothing that is priced has ended."""
    costs = [v.cost for v in views if v.cost is not None and v.status != "cached"]
    return sum(costs) if costs else None


@dataclass(frozen=True)
class GraphBox:
    """A box of the run's picture and the step it stands for."""

    box: picture.Box
    view: StepView


def graph(run: Run, views: list[StepView]) -> dict[str, Any]:
    """The run's picture: ``boxes``, ``lines`` with the state of the step they lead to, ``width`` and ``height``."""
    by_id = {v.step.node: v for v in views}
    feeds = {name: [end["node"] for end in v.step.wiring.values() if end["node"] in by_id] for name, v in by_id.items()}
    drawn = picture.draw(feeds, places=run.version.pipeline.layout.get("nodes") or {})
    return {
        "boxes": [GraphBox(box, by_id[box.id]) for box in drawn.boxes],
        "lines": [(line, by_id[line.target].status) for line in drawn.lines],
        "width": drawn.width,
        "height": drawn.height,
    }


@dataclass(frozen=True)
class OutputView:
    """An output of step ``node`` as a link: ``url`` is empty for kinds that have no page of their own. ``told_apart``: another one of
    its kind is listed with it, so that a link needs the step's name."""

    node: str
    port: str
    kind: str
    text: str
    url: str
    size: int
    told_apart: bool = False


def result_views(views: Sequence[StepView]) -> list[OutputView]:
    """The reports and model files of a run, each named by its step where there are several of its kind."""
    found = [o for v in views for o in output_views(v) if v.status != "blocked" and o.kind in ("report", "gguf")]
    kinds = [o.kind for o in found]
    return [replace(o, told_apart=kinds.count(o.kind) > 1) for o in found]


def output_views(view: StepView) -> list[OutputView]:
    """What a step made, each with the page that shows it."""
    return [
        OutputView(
            node=view.step.node,
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
        case "dataset" | "answers":
            return reverse("run_output", args=[run.workspace.slug, run.number, step.node, output.port])
        case "benchmarks":
            return reverse("run_benchmarks", args=[run.workspace.slug, run.number, step.node])
        case "gguf":
            return reverse("model", args=[run.workspace.slug, output.artifact.pk])
        case "report":
            # The scorecard belongs to the evaluation app, which stands above this one: only its id is needed here.
            made_by = step.reused_from or step
            cards = made_by.scorecards
            card = cards.filter(report=output.artifact_id).order_by("-created_at").first()
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
