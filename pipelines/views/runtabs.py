"""The other pages of a run: all its curves, what it took in and made, and its spec as it was run."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.models import Run
from pipelines.running import attempts
from pipelines.specs import spec as specs
from pipelines.views.runs import get_run, head
from pipelines.watching import commandline, rundata, timeline
from pipelines.watching.runpages import StepView, shown, step_views
from studio.access import WorkspaceRequest, role_required
from studio.lib.params import describe
from studio.registries import STEPS


def page(
    request: WorkspaceRequest, run: Run, views: list[StepView], *, tab: str, context: dict[str, Any]
) -> HttpResponse:
    """Render a tab; for the poll of its head only that."""
    everything = {**head(run, views, tab=tab), **context}
    if request.htmx and "run-head" in (request.htmx.target or ""):
        return render(request, "pipelines/run_tab.html#head", everything)
    return render(request, f"pipelines/run_{tab}.html", everything)


@require_safe
@role_required("viewer")
def metrics(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Every curve that was recorded, each in its own chart; and what each step took of time, money and the machine."""
    run = get_run(request, number)
    views = step_views(run)
    context = {
        "curves": rundata.list_curves(run, views),
        "resources": timeline.resources(views, attempts.list_attempts(run)),
    }
    return page(request, run, views, tab="metrics", context=context)


@require_safe
@role_required("viewer")
def data(request: WorkspaceRequest, number: int) -> HttpResponse:
    """What every step took in and made."""
    run = get_run(request, number)
    views = step_views(run)
    return page(request, run, views, tab="data", context={"steps": rundata.list_data(run, views)})


@require_safe
@role_required("viewer")
def spec(request: WorkspaceRequest, number: int) -> HttpResponse:
    """The spec as it was run, as YAML; and every parameter as copied into the steps, defaults filled in."""
    run = get_run(request, number)
    views = step_views(run)
    context = {
        "yaml": as_yaml(run),
        "command": commandline.command_of(run),
        "steps": [(view, used_params(view)) for view in views],
    }
    return page(request, run, views, tab="spec", context=context)


def as_yaml(run: Run) -> str:
    """The frozen spec of a run as YAML that the command line takes."""
    return specs.dump_yaml({"name": run.version.pipeline.name, **run.version.spec})


def used_params(view: StepView) -> list[dict[str, Any]]:
    """``{"label", "value", "unit", "given"}`` of each parameter; ``given``: it differs from the default."""
    step = view.step
    values = {**step.params, **step.answers}
    fields = {f.name: f for f in describe(STEPS[step.step].Params)} if step.step in STEPS else {}
    return [
        {
            "label": fields[name].label if name in fields else name,
            "value": shown(value),
            "unit": fields[name].unit if name in fields else "",
            "given": name not in fields or value != fields[name].default,
        }
        for name, value in values.items()
    ]


@require_safe
@role_required("viewer")
def download_spec(request: WorkspaceRequest, number: int) -> HttpResponse:
    """The spec of this run as a YAML file."""
    run = get_run(request, number)
    response = HttpResponse(as_yaml(run), content_type="application/yaml; charset=utf-8")
    name = commandline.spec_name(run)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
