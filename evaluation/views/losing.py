"""Where the student loses: the groups of its lost rows, and what can be done about each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evaluation.boards.tables import open_items
from evaluation.losses import losing
from evaluation.losses import page as losing_page
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.jobs import LIVE, State


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The groups, or how far the worker is with them; asks for them when nobody did."""
    card = find(request, pk)
    report = read_report(card.report)
    made = losing.find(card, report) or losing.request(card, report)
    context: dict[str, Any] = {
        "card": card,
        "run": card.step_run.run,
        "report": report,
        "made": made,
        "is_live": made.state in LIVE,
        "here": reverse("evaluation_losses", args=[request.workspace.slug, pk]),
        "rows_url": reverse("evaluation_rows", args=[request.workspace.slug, pk]),
    }
    if made.state == State.SUCCEEDED:
        found = made.result
        groups = losing_page.groups_view(found, report, rows_url=context["rows_url"])
        losing_page.add_examples(groups, found, open_items(card, report))
        others = len(found["others"])
        context |= {
            "found": found,
            "groups": groups,
            "others": others,
            "others_href": f"{context['rows_url']}?group={len(groups) + 1}" if others else "",
            "judged": found["lost"] + found["won"],
            "knows_training": bool(made.params.get("training")),
            "drawn": found["looked_at"] < found["lost"],
        }
    return render(request, "evaluation/losses.html#body" if request.htmx else "evaluation/losses.html", context)


@require_POST
@role_required("editor")
def cancel(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Stop the worker."""
    card = find(request, pk)
    made = losing.find(card, read_report(card.report))
    if made is not None:
        made.request_cancel()
    return redirect("evaluation_losses", request.workspace.slug, pk)


@require_POST
@role_required("editor")
def again(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """Ask again after a failure or a cancellation."""
    card = find(request, pk)
    losing.request(card, read_report(card.report))
    return redirect("evaluation_losses", request.workspace.slug, pk)


@require_safe
@role_required("editor")
def review(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """On to the form that begins a review round in the Vault, over the training rows nearest to a group."""
    card, group = find_group(request, pk, number)
    there = losing.rows_to_review(card, group)
    if there is None:
        messages.error(
            request,
            "The training rows nearest to this group are in no dataset of the Vault, so that they can't be reviewed there. "
            "Look at the run's outputs instead.",
        )
        return redirect("evaluation_losses", request.workspace.slug, pk)
    version = there.version
    url = reverse("review_index", args=[request.workspace.slug, version.dataset.slug, version.number])
    return redirect(f"{url}?{there.query}")


def find_group(request: WorkspaceRequest, pk: UUID, number: int) -> tuple[Scorecard, dict[str, Any]]:
    """An evaluation and one of its groups, or 404."""
    card = find(request, pk)
    found = losing.finished(card, read_report(card.report))
    if found is None or not 1 <= number <= len(found["groups"]):
        raise Http404("There is no such group in this evaluation.")
    return card, found["groups"][number - 1]
