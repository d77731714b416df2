"""What waits for a person."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from pipelines.models import StepRun
from pipelines.views.steps import decide_url
from pipelines.watching.runpages import step_view
from studio import waiting
from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from vault.reviewing import verdicts


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """Rows and reports that wait for this person, and every step that waits for a decision, the oldest first."""
    steps = (
        StepRun.objects.filter(run__workspace=request.workspace, state=State.WAITING)
        .select_related("run__version__pipeline", "run__workspace")
        .order_by("started_at")
    )
    context = {
        "views": [(step_view(s), decide_url(s)) for s in steps],
        "items": waiting.items(request.user, request.workspace),
        "rounds": verdicts.waiting(request.user, request.workspace),
    }
    return render(request, "pipelines/review.html", context)
