"""The small indicator of what is at work, asked for by every page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.models import StepRun
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State

SHOWN = 8


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponse:
    """Running and waiting steps of the workspace, each with its progress and its run's page."""
    steps = list(
        StepRun.objects.filter(run__workspace=request.workspace, state__in=(State.RUNNING, State.WAITING))
        .select_related("run__version__pipeline", "run__workspace")
        .order_by("-state", "started_at")[: SHOWN + 1]
    )
    waiting = sum(s.state == State.WAITING for s in steps)
    context = {"steps": steps[:SHOWN], "running": len(steps) - waiting, "waiting": waiting}
    return render(request, "pipelines/activity.html", context)
