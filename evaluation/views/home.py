"""The home page, and what the command palette finds."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from evaluation import dashboards
from studio import waiting
from studio.access import WorkspaceRequest, role_required
from studio.models import Membership, Role
from vault.models import Dataset
from vault.reviewing import verdicts

TOUR_COOKIE = "tour"
YEAR = 365 * 24 * 3600


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """To the home page of the person's first workspace; a page that says what to do for somebody who is in none."""
    membership = (
        Membership.objects.select_related("workspace")
        .filter(user=cast(User, request.user))
        .order_by("workspace__name")
        .first()
    )
    if membership is None:
        return render(request, "studio/no_workspace.html")
    return redirect("workspace_home", membership.workspace.slug)


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponse:
    """What runs, what waits, the latest verdicts. An htmx request gets the part that changes while something runs."""
    if request.GET.get("tour") == "done":
        answer = redirect("workspace_home", request.workspace.slug)
        answer.set_cookie(TOUR_COOKIE, "done", max_age=YEAR, samesite="Lax")
        return answer
    workspace = request.workspace
    cards = dashboards.run_cards(workspace)
    sample = None if request.COOKIES.get(TOUR_COOKIE) == "done" else dashboards.sample_run(workspace)
    context = {
        "cards": cards,
        "at_work": any(not card.run.is_finished for card in cards),
        "waiting": [
            *verdicts.waiting_items(request.user, workspace),
            *waiting.items(request.user, workspace),
            *dashboards.waiting_items(workspace),
        ],
        "verdicts": dashboards.verdicts(workspace),
        "sample": sample,
        "tour": dashboards.tour(sample) if sample else [],
        "has_data": Dataset.objects.filter(workspace=workspace).exists(),
    }
    return render(request, "studio/home.html#live" if request.htmx else "studio/home.html", context)


@require_safe
@role_required("viewer")
def palette(request: WorkspaceRequest) -> JsonResponse:
    """``{"items": [...]}`` for the command palette, by ``?q=``."""
    query = request.GET.get("q", "").strip()[:100]
    can_edit = request.membership.at_least(Role.EDITOR)
    return JsonResponse({"items": dashboards.find(request.workspace, query, can_edit=can_edit)})
