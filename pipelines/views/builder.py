"""One pipeline: its steps in order, the form of the chosen step, and the problems the server finds."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from pydantic import ValidationError

from pipelines import subjects
from pipelines.building import catalogue, drafts, editing, outline, planning
from pipelines.building.stepforms import FormField, form_fields
from pipelines.models import Pipeline, Run, StepRun
from pipelines.specs import spec as specs
from pipelines.views import canvas
from pipelines.views.lookup import get_pipeline, judge
from studio.access import WorkspaceRequest, role_required
from studio.lib import params as params_lib
from studio.registries import STEPS


def page(
    request: WorkspaceRequest,
    pipeline: Pipeline,
    *,
    selected: str | None,
    saved: bool = False,
    conflict: drafts.Conflict | None = None,
    typed: Mapping[str, Any] | None = None,
    problems_extra: tuple[specs.Problem, ...] = (),
    status: int = 200,
) -> HttpResponse:
    """Render the pipeline's page, or for htmx its panel and what changed with it.

    ``selected``: the node whose settings are open; None for the first, an unknown one for none. The list of steps comes along
    when the one that is shown (``?seen=`` is its revision) is of another draft.
    """
    spec, problems = judge(pipeline.draft)
    problems = [*problems_extra, *problems]
    order = outline.node_order(spec) if spec else []
    name = order[0] if order and selected is None else selected
    chosen = None
    if spec and name in order:
        own = outline.sort_problems(problems).get(name, ())
        chosen = outline.view_node(spec, name, own, number=order.index(name) + 1)
    fields: list[FormField] = []
    if chosen and spec and chosen.step in STEPS:
        values = typed if typed is not None else spec.node(chosen.id).params
        fields = form_fields(STEPS[chosen.step], values=values, problems=chosen.problems, workspace=request.workspace)
    changed = saved or conflict is not None
    context = {
        "pipeline": pipeline,
        "part": show_part(request, spec, order, problems, name or ""),
        "nodes": order,
        "chosen": chosen,
        "step": STEPS.get(chosen.step) if chosen else None,
        "fields": fields,
        "asked": spec.node(chosen.id).ask if spec and chosen else (),
        "asks": any(node.ask for node in spec.nodes) if spec else False,
        "has_advanced": any(f.field.advanced for f in fields),
        "wiring": wiring_fields(pipeline.draft, chosen.id) if chosen else [],
        "plan": plan_of(request, pipeline, spec, chosen.id) if spec and chosen else None,
        "last": last_step(pipeline, chosen.id) if chosen else None,
        "steps": catalogue.list_steps(),
        "comments": subjects.open_threads(pipeline),
        "canvas": canvas.first_state(request, pipeline, spec, problems) if changed or not request.htmx else None,
        "stale": changed or request.GET.get("seen") != str(pipeline.revision),
        "problems": problems,
        "saved": saved,
        "conflict": conflict,
        "request_key": uuid.uuid4().hex,
        "versions": pipeline.versions.all()[:10],
        "runs": Run.objects.filter(version__pipeline=pipeline).select_related("version")[:10],
        "command": f"python manage.py run_pipeline {pipeline.slug}.yaml --workspace {request.workspace.slug}",
    }
    template = "pipelines/pipeline.html#answer" if request.htmx else "pipelines/pipeline.html"
    return render(request, template, context, status=status)


def show_part(
    request: WorkspaceRequest, spec: specs.Spec | None, order: Sequence[str], problems: list[specs.Problem], node: str
) -> outline.Part:
    """The rows of the list to be shown: those from ``?from=`` on, else those around the chosen step."""
    if spec is None:
        return outline.Part([], 0, 0)
    asked = request.GET.get("from", "")
    start = int(asked) if asked.isdecimal() and len(asked) < 6 else outline.part_start(order, node)
    return outline.view_part(spec, order, problems, start=start)


def plan_of(request: WorkspaceRequest, pipeline: Pipeline, spec: specs.Spec, node: str) -> planning.NodePlan | None:
    """What a run would do with one node; only what it depends on is looked at."""
    plans = planning.plan(spec.above(node), workspace_id=request.workspace.pk, pipeline_id=pipeline.pk)
    return plans.get(node)


MOST_OPTIONS = 200
"""Outputs up to which an input port is a list to choose from."""


@dataclass(frozen=True)
class WiringField:
    """One input port as a select: what feeds it now, and what could."""

    port: str
    help: str
    optional: bool
    value: str
    options: tuple[str, ...]

    @property
    def typed(self) -> bool:
        """Whether there are too many outputs to choose from: the name is typed, with the nearest as suggestions."""
        return len(self.options) > MOST_OPTIONS

    @property
    def suggestions(self) -> tuple[str, ...]:
        """The last outputs of those that could feed it, nearest last."""
        return self.options[-MOST_OPTIONS:]


def wiring_fields(draft: Mapping[str, Any], node: str) -> list[WiringField]:
    """The input ports of a node as form fields."""
    step = STEPS.get(next(n["step"] for n in draft["nodes"] if n["id"] == node))
    if step is None:
        return []
    now = {e["to"]: e["from"] for e in draft["edges"]}
    fitting = editing.fitting_sources(draft, node)
    fields = []
    for port, wanted in step.inputs.items():
        value = now.get(f"{node}.{port}", "")
        options = fitting.get(port, [])
        shown = options if not value or value in options else [value, *options]
        fields.append(WiringField(port, wanted.help or wanted.kind, wanted.optional, value, tuple(shown)))
    return fields


def last_step(pipeline: Pipeline, node: str) -> StepRun | None:
    """The newest step run of this node that ended, with its run."""
    return (
        StepRun.objects.filter(run__version__pipeline=pipeline, node=node, finished_at__isnull=False)
        .select_related("run__workspace")
        .order_by("-run__number")
        .first()
    )


def show_again(request: WorkspaceRequest, pipeline: Pipeline, *, selected: str) -> HttpResponse:
    """After a change: the page's parts for htmx, else the page anew at its own address."""
    if request.htmx:
        return page(request, pipeline, selected=selected, saved=True)
    return redirect(
        f"{reverse('pipeline', args=[request.workspace.slug, pipeline.slug])}?{urlencode({'step': selected})}"
    )


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """The pipeline's page; ``?step=`` chooses the step whose form is open."""
    return page(request, get_pipeline(request, slug), selected=request.GET.get("step"))


@require_POST
@role_required("editor")
def save_step(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Save one step's parameters into the draft. Values that don't fit are kept as typed and shown with the problem."""
    pipeline = get_pipeline(request, slug)
    spec, _ = judge(pipeline.draft)
    if spec is None or all(n.id != node for n in spec.nodes) or spec.node(node).step not in STEPS:
        raise Http404("No such step in this pipeline.")
    step = STEPS[spec.node(node).step]
    typed = params_lib.parse_form(step.Params, request.POST)
    asked = request.POST.getlist("ask")
    # A form without the pins says nothing about them.
    ask = [name for name in step.Params.model_fields if name in asked] if "with_ask" in request.POST else None
    revision = request.POST.get("revision", "")
    try:
        drafts.save(
            pipeline,
            spec=drafts.with_params(pipeline.draft, node, tidy(step, typed), ask=ask),
            revision=int(revision) if revision.isdigit() else -1,
            user=request.user,
        )
    except drafts.Conflict as conflict:
        return page(request, pipeline, selected=node, typed=typed, conflict=conflict, status=409)
    return show_again(request, pipeline, selected=node)


def tidy(step: Any, typed: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they are stored: typed values when they don't fit, else validated values without the defaults."""
    try:
        params = step.Params.model_validate(dict(typed))
    except ValidationError:
        return dict(typed)
    stored: dict[str, Any] = params.model_dump(mode="json", exclude_defaults=True)
    return stored


@require_safe
@role_required("viewer")
def panel(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """The panel of one step, for the canvas; the whole page when asked for by hand."""
    pipeline = get_pipeline(request, slug)
    return page(request, pipeline, selected="" if node == "-" else node)


@require_safe
@role_required("viewer")
def rows(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Rows of the list of steps for htmx: with ``?from=`` those below or (``&way=up``) above the ones shown, else the whole list anew."""
    pipeline = get_pipeline(request, slug)
    spec, problems = judge(pipeline.draft)
    order = outline.node_order(spec) if spec else []
    name = request.GET.get("step", "")
    context = {
        "pipeline": pipeline,
        "part": show_part(request, spec, order, problems, name),
        "way": "up" if request.GET.get("way") == "up" else "down" if "from" in request.GET else "",
        "chosen": {"id": name} if name in order else None,
        "comments": subjects.open_threads(pipeline),
        "steps": catalogue.list_steps(),
    }
    part = "rows" if "from" in request.GET else "outline"
    return render(request, f"pipelines/pipeline.html#{part}", context)


@require_safe
@role_required("viewer")
def download_spec(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """The draft as YAML, to keep in Git or to run from the command line."""
    pipeline = get_pipeline(request, slug)
    spec, _ = judge(pipeline.draft)
    about = {"description": pipeline.description} if pipeline.description else {}
    document = {"name": pipeline.name, **about, **(spec.as_dict() if spec else pipeline.draft)}
    text = specs.dump_yaml(document, order={name: step.Params.model_fields for name, step in STEPS.items()})
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{pipeline.slug}.yaml"'
    return response
