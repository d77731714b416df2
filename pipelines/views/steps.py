"""One step of a run: what it was given, what it said, what it made; and the answer to its question."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import FileResponse, Http404, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from pipelines.building.stepforms import FormField, form_fields
from pipelines.models import StepRun
from pipelines.running import attempts, redoing, runs
from pipelines.running.context import log_path
from pipelines.views import logs
from pipelines.views.runs import get_step
from pipelines.watching.runpages import metric_chart, output_views, shown, step_view, summary_items
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.lib.params import describe, parse_form
from studio.models import Role, Workspace
from studio.registries import STEPS

LOG_LINES = 100
"""Of the end of its log, shown with the step."""


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, number: int, node: str) -> HttpResponse:
    """The step's page. htmx gets it as a drawer over the run, or, for the poll of either, the live part alone."""
    step = get_step(request, number, node)
    view = step_view(step)
    in_drawer = bool(request.htmx) and "drawer" in (request.htmx.target or "")
    used = {**step.params, **step.answers}
    params = [(f, shown(used.get(f.name))) for f in describe(STEPS[step.step].Params)] if step.step in STEPS else []
    context = {
        "step": step,
        "view": view,
        "params": params,
        "outputs": output_views(view),
        "summary": summary_items(step.summary),
        "chart_live": "" if step.is_finished else "yes",
        "questions": questions(step, request.workspace) if step.state == State.WAITING else [],
        "attempts": attempts.list_of_step(step),
        "earlier": redoing.earlier_results(step),
        "may_redo": step.is_finished,
        "may_pause": not step.is_finished and not step.run.is_finished,
        "in_drawer": in_drawer or request.GET.get("drawer") == "1",
        "decide_url": decide_url(step),
        "show_trace": bool(step.trace) and request.membership.at_least(Role.EDITOR),
    }
    if request.htmx and not in_drawer:
        return render(request, "pipelines/step.html#live", context)
    context |= logs.live_tail(step, size=LOG_LINES)
    return render(request, "pipelines/step.html#drawer" if in_drawer else "pipelines/step.html", context)


def decide_url(step: StepRun) -> str:
    """Where a person decides while the step waits; blank: here."""
    return STEPS[step.step]().decide_url(step) if step.step in STEPS and step.state == State.WAITING else ""


def questions(step: StepRun, workspace: Workspace) -> list[FormField]:
    """The params a person may answer with: those of the step that don't change what comes out (caps, limits)."""
    if step.step not in STEPS:
        return []
    cls = STEPS[step.step]
    fields = form_fields(cls, values={**step.params, **step.answers}, problems=(), workspace=workspace)
    return [f for f in fields if f.field.name in cls.asks]


@require_POST
@role_required("editor")
def answer(request: WorkspaceRequest, number: int, node: str) -> HttpResponse:
    """Go on with a waiting step, with other parameters (a higher cost cap, say), or end it."""
    step = get_step(request, number, node)
    user = cast(User, request.user)
    if request.POST.get("decision") == "stop":
        step.request_cancel()
        runs.advance(step.run_id)
        messages.success(request, f"'{step.node}' was stopped. Answers already paid for are kept for the next run.")
        return redirect(step.run)
    params = STEPS[step.step].Params
    given = {k: v for k, v in parse_form(params, request.POST).items() if k in STEPS[step.step].asks}
    try:
        changed = runs.answer_step(step, user=user, answers=given)
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
        return redirect("run_step", request.workspace.slug, number, node)
    if changed:
        messages.success(request, f"'{step.node}' goes on.")
    else:
        messages.info(request, f"'{step.node}' was not waiting any more.")
    return redirect(step.run)


@require_safe
@role_required("viewer")
def download_log(request: WorkspaceRequest, number: int, node: str) -> FileResponse:
    """The whole log of a step as text."""
    step = get_step(request, number, node)
    path = log_path(step.reused_from_id or step.pk)
    if not path.exists():
        raise Http404("This step has no log yet.")
    return FileResponse(path.open("rb"), content_type="text/plain; charset=utf-8", filename=f"run-{number}-{node}.log")


@require_safe
@role_required("viewer")
def metrics(request: WorkspaceRequest, number: int, node: str) -> JsonResponse:
    """The step's curves; ``?names=`` chooses them (all losses without it)."""
    step = get_step(request, number, node)
    names = [n for n in request.GET.get("names", "").split(",") if n]
    return JsonResponse(metric_chart(step, names=names))
