"""The schedules of a pipeline: listed, added, paused, removed, and started by hand."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, cast
from zoneinfo import available_timezones

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from pipelines.building import overrides
from pipelines.building.forms import ScheduleForm
from pipelines.models import Pipeline, Schedule
from pipelines.running import schedules
from pipelines.specs import spec as specs
from pipelines.views import starting
from pipelines.views.lookup import get_pipeline, judge
from studio.access import WorkspaceRequest, role_required

MOST = 20
"""Schedules of one pipeline."""


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("viewer")
def index(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """When the pipeline runs by itself and how that went; a POST adds a schedule."""
    pipeline = get_pipeline(request, slug)
    if request.method != "POST":
        return _page(request, pipeline, ScheduleForm(workspace=request.workspace))
    if not request.membership.at_least("editor"):
        raise PermissionDenied("Only an editor may add a schedule.")
    form = ScheduleForm(request.POST, workspace=request.workspace)
    spec, _ = judge(pipeline.draft)
    places = starting.find_places(request, spec, {}) if spec else []
    typed = starting.read_typed(request, spec, places) if spec else {}
    wrong = find_wrong(spec, typed) if spec else []
    if wrong:
        form.add_error(None, "A value that it starts with has to be mended.")
    if form.is_valid() and pipeline.schedules.count() >= MOST:
        form.add_error(None, f"A pipeline has at most {MOST} schedules. Remove one you no longer need.")
    if not form.is_valid():
        return _page(request, pipeline, form, typed=typed, wrong=wrong, status=422)
    made = form.schedule()
    made.pipeline = pipeline
    made.given = overrides.differences(spec, typed) if spec else {}
    schedules.add(made, user=cast(User, request.user))
    messages.success(request, f"This pipeline will run {made}.")
    warning = schedules.warn_of_fixed_data(pipeline, made.dataset) if made.dataset else ""
    if warning:
        messages.warning(request, warning)
    return redirect("schedules", request.workspace.slug, pipeline.slug)


def find_wrong(spec: specs.Spec, typed: overrides.Given) -> list[specs.Problem]:
    """What is wrong with the values typed: problems that the pipeline has without them are not theirs."""
    before = {str(problem) for problem in specs.validate(spec)}
    return [p for p in specs.validate(overrides.lay_over(spec, typed)) if p.node in typed and str(p) not in before]


def _page(
    request: WorkspaceRequest,
    pipeline: Pipeline,
    form: ScheduleForm,
    *,
    typed: overrides.Given = MappingProxyType({}),
    wrong: Sequence[specs.Problem] = (),
    status: int = 200,
) -> HttpResponse:
    rows = list(pipeline.schedules.select_related("dataset", "created_by"))
    spec, problems = judge(pipeline.draft)
    places = starting.find_places(request, spec, {}) if spec else []
    context: dict[str, Any] = {
        "pipeline": pipeline,
        "rows": [
            (row, row.runs.order_by("-number").first(), starting.name_values(pipeline.draft, row.given)) for row in rows
        ],
        "sections": starting.make_sections(
            spec, places, values=typed, problems=list(wrong), workspace=request.workspace
        )
        if spec
        else [],
        "places": [f"{node}.{name}" for node, name in places],
        "form": form,
        "problems": problems,
        "zones": sorted(available_timezones()),
    }
    return render(request, "pipelines/schedules.html", context, status=status)


def _get(request: WorkspaceRequest, slug: str, pk: Any) -> Schedule:
    """The pipeline's schedule with this id, or 404."""
    found = Schedule.objects.select_related("pipeline__workspace", "dataset")
    return get_object_or_404(found, pk=pk, pipeline__slug=slug, pipeline__workspace=request.workspace)


@require_POST
@role_required("editor")
def pause(request: WorkspaceRequest, slug: str, pk: Any) -> HttpResponse:
    """Pause a schedule, or let a paused one go on."""
    schedule = _get(request, slug, pk)
    schedules.set_active(schedule, active=not schedule.active, user=cast(User, request.user))
    messages.success(request, "The schedule goes on." if schedule.active else "The schedule is paused.")
    return redirect("schedules", request.workspace.slug, slug)


@require_POST
@role_required("editor")
def remove(request: WorkspaceRequest, slug: str, pk: Any) -> HttpResponse:
    """Delete a schedule."""
    schedules.remove(_get(request, slug, pk), user=cast(User, request.user))
    messages.success(request, "The schedule is removed. The runs it started stay.")
    return redirect("schedules", request.workspace.slug, slug)


@require_POST
@role_required("editor")
def run_now(request: WorkspaceRequest, slug: str, pk: Any) -> HttpResponse:
    """Start a run now in the schedule's place."""
    schedule = _get(request, slug, pk)
    try:
        return redirect(schedules.run_now(schedule, user=cast(User, request.user)))
    except specs.SpecError as error:
        count = len(error.problems)
        messages.error(request, f"The run was not started: {count} problem{'s' * (count != 1)} to mend first.")
        return redirect(schedule.pipeline)
