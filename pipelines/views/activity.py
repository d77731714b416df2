"""The small indicator of what is at work, asked for by every page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.models import StepRun
from studio import notices, polling
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.waiting import items
from vault.models import Upload
from vault.reviewing import verdicts

SHOWN = 8
REMEMBERED_S = 10
"""Every open page of everybody asks every five seconds; what waits for one person is remembered this long."""


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponse:
    """Running and waiting steps and imports of the workspace, each with its progress and its page."""
    mine = _count_mine(request.user, request.workspace)
    unread = notices.count_unread(request.user, request.workspace)
    key = ("activity", request.workspace.pk, mine, unread)
    return polling.share(request, key=key, render=lambda: _show(request, for_me=mine, unread=unread))


def _count_mine(user: Any, workspace: Any) -> int:
    """How many reviews and sign-offs wait for this person; up to ``REMEMBERED_S`` old where polls are shared."""
    name = f"waits-{workspace.pk}-{user.pk}"
    found = cache.get(name) if settings.SHARED_POLL_SECONDS else None
    if found is None:
        found = len(verdicts.waiting(user, workspace)) + len(items(user, workspace))
        if settings.SHARED_POLL_SECONDS:
            cache.set(name, found, REMEMBERED_S)
    return int(found)


def _show(request: WorkspaceRequest, *, for_me: int, unread: int) -> HttpResponse:
    live = (State.RUNNING, State.WAITING)
    steps = list(
        StepRun.objects.filter(run__workspace=request.workspace, state__in=live)
        .select_related("run__version__pipeline", "run__workspace")
        .order_by("-state", "started_at")[: SHOWN + 1]
    )
    uploads = list(Upload.objects.filter(workspace=request.workspace, state__in=live).order_by("started_at")[:SHOWN])
    waiting = sum(job.state == State.WAITING for job in (*steps, *uploads))
    context = {
        "steps": steps[:SHOWN],
        "uploads": uploads,
        "running": len(steps) + len(uploads) - waiting,
        "waiting": waiting,
        "for_me": waiting + for_me,
        "unread_count": unread,
    }
    return render(request, "pipelines/activity.html", context)
