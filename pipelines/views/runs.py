"""Runs: the list, one run live, starting, cancelling, retrying."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_POST, require_safe

from pipelines.models import Pipeline, Priority, Run, StepRun
from pipelines.running import attempts, runs
from pipelines.specs import spec as specs
from pipelines.views import builder, lookup, starting
from pipelines.watching import commandline, comparing, runlist, timeline
from pipelines.watching.runpages import StepView, graph, result_views, step_views, total_cost
from studio import polling
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import Role


def get_run(request: WorkspaceRequest, number: int) -> Run:
    """The workspace's run with this number, or 404."""
    runs_ = Run.objects.select_related("version__pipeline", "created_by", "workspace", "schedule")
    return get_object_or_404(runs_, workspace=request.workspace, number=number)


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """Every run, newest first; ``?state=``, ``?pipeline=`` and ``?person=`` filter, ``?sort=`` sorts, ``?page=`` pages."""
    wanted = {key: request.GET.get(key, "") for key in ("state", "pipeline", "person", "sort", "page")}
    page = runlist.list_runs(request.workspace, wanted)
    pipelines = Pipeline.objects.filter(workspace=request.workspace, versions__runs__isnull=False).distinct()
    context = {
        "page": page,
        "wanted": wanted,
        "filtered": any(wanted[key] for key in ("state", "pipeline", "person")),
        "states": State.choices,
        "pipelines": pipelines.order_by("name"),
        "people": runlist.people(request.workspace),
    }
    return render(request, "pipelines/runs.html", context)


def head(run: Run, views: list[StepView], *, tab: str) -> dict[str, Any]:
    """What the head of every page of a run shows: its facts, its buttons, its tabs."""
    return {
        "run": run,
        "tab": tab,
        "cost": total_cost(views),
        "can_cancel": not run.is_finished,
        "priorities": Priority.choices,
        "can_retry": any(v.step.state in (State.FAILED, State.CANCELLED) for v in views),
    }


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, number: int) -> HttpResponse:
    """One run. An htmx request gets the live part, which asks again until the run has ended.

    ``?view=list`` shows the steps as a list. ``?hero=1``, sent by the live part itself, keeps the curve where it was.
    """
    run = get_run(request, number)
    if request.htmx:
        return _share_live(request, run)
    # Whoever may change a run sees it as it is now, not as it was a moment before they did.
    live = _show_live(request, run) if request.membership.at_least(Role.EDITOR) else _share_live(request, run)
    context = {"run": run, "live": mark_safe(live.content.decode()), "changes": comparing.changes_since_last(run)}  # noqa: S308 -- a rendered template
    return render(request, "pipelines/run.html", context)


def _share_live(request: WorkspaceRequest, run: Run) -> HttpResponse:
    mine = run.created_by_id == request.user.pk
    key = ("run", run.pk, request.GET.urlencode(), request.membership.role, mine)
    return polling.share(request, key=key, render=lambda: _show_live(request, run))


def _show_live(request: WorkspaceRequest, run: Run) -> HttpResponse:
    views = step_views(run)
    trainings = [v.step for v in views if v.charts]
    training = next((step for step in trainings if not step.is_finished), trainings[-1] if trainings else None)
    shown_as = "list" if request.GET.get("view") == "list" else "graph"
    context = {
        **head(run, views, tab="overview"),
        "views": views,
        "done": sum(v.step.state == State.SUCCEEDED for v in views),
        "shown_as": shown_as,
        "graph": graph(run, views) if shown_as == "graph" else None,
        "training": training,
        "training_name": training.node if training and len(trainings) > 1 else "",
        "training_live": "yes" if training and not training.is_finished else "",
        "hero": training is not None and (not run.is_finished or bool(request.GET.get("hero"))),
        "spans": timeline.draw(run, views, attempts.list_attempts(run)),
        "results": result_views(views),
        "given": starting.describe_given(run),
        "given_command": commandline.command_of(run) if run.given else "",
        "waiting": [v for v in views if v.step.state == State.WAITING],
        "failed": [v for v in views if v.step.state == State.FAILED],
    }
    return render(request, "pipelines/run.html#live", context)


@require_POST
@role_required("editor")
def start(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Freeze the draft and start a run of it.

    The same form sent twice, or a second tab, starts one run; ``another`` starts a second one on purpose.
    """
    pipeline = lookup.get_pipeline(request, slug)
    try:
        return starting.begin(request, pipeline, given={})
    except specs.SpecError as error:
        count = len(error.problems)
        messages.error(request, f"The run was not started: {count} problem{'s' * (count != 1)} to mend first.")
        return builder.page(request, pipeline, selected=error.problems[0].node or None, status=422)


@require_POST
@role_required("editor")
def cancel(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Cancel what has not ended. What succeeded, and every paid answer, is kept."""
    run = get_run(request, number)
    if run.is_finished:
        messages.info(request, f"Run {run.number} had already ended.")
    else:
        runs.cancel_run(run, user=cast(User, request.user))
        messages.success(request, f"Run {run.number} is being cancelled. Finished steps and paid answers are kept.")
    return redirect(run)


@require_POST
@role_required("editor")
def retry(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Try failed and cancelled steps again from where they stood."""
    run = get_run(request, number)
    count = runs.retry_run(run, user=cast(User, request.user))
    if count:
        messages.success(request, f"{count} step{'s' * (count != 1)} set back to be tried again.")
    else:
        messages.info(request, "There is no failed or cancelled step to retry.")
    return redirect(run)


def may_prioritise(request: WorkspaceRequest, run: Run) -> bool:
    """An editor moves runs of their own in the line, an owner any."""
    mine = run.created_by_id == request.user.pk and request.membership.at_least(Role.EDITOR)
    return mine or request.membership.at_least(Role.OWNER)


@require_POST
@role_required("editor")
def prioritise(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Set a run's priority: which steps are taken first when several wait for a worker."""
    run = get_run(request, number)
    if not may_prioritise(request, run):
        raise PermissionDenied("Only an owner may change the priority of somebody else's run.")
    given = request.POST.get("priority", "")
    if given not in {str(value) for value in Priority.values}:
        messages.error(request, f"There is no priority '{given[:20]}'. Choose low, normal or high.")
        return redirect(run)
    try:
        runs.set_priority(run, int(given), user=cast(User, request.user))
        messages.success(request, f"Run {run.number} has {Priority(int(given)).label.lower()} priority now.")
    except StudioError as error:
        messages.info(request, f"{error} {error.action}")
    return redirect(run)


def get_step(request: WorkspaceRequest, number: int, node: str) -> StepRun:
    """A step of one of the workspace's runs, or 404."""
    steps = StepRun.objects.select_related("run__version__pipeline", "run__workspace", "reused_from__run")
    return get_object_or_404(steps, run__workspace=request.workspace, run__number=number, node=node)
