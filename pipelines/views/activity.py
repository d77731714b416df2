"""The small indicator of what is at work, asked for by every page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.models import StepRun
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.waiting import items
from vault.models import Upload
from vault.reviewing import verdicts

SHOWN = 8


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponse:
    """Running and waiting steps and imports of the workspace, each with its progress and its page."""
    live = (State.RUNNING, State.WAITING)
    steps = list(
        StepRun.objects.filter(run__workspace=request.workspace, state__in=live)
        .select_related("run__version__pipeline", "run__workspace")
        .order_by("-state", "started_at")[: SHOWN + 1]
    )
    uploads = list(Upload.objects.filter(workspace=request.workspace, state__in=live).order_by("started_at")[:SHOWN])
    waiting = sum(job.state == State.WAITING for job in (*steps, *uploads))
    running = len(steps) + len(uploads) - waiting
    reviews = len(verdicts.waiting(request.user, request.workspace)) + len(items(request.user, request.workspace))
    context = {
        "steps": steps[:SHOWN],
        "uploads": uploads,
        "running": running,
        "waiting": waiting,
        "for_me": waiting + reviews,
    }
    return render(request, "pipelines/activity.html", context)
