"""A judge held against people: the calibration page, and the desk where answers are graded blind."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth.models import User
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from evaluation.judging import golden
from evaluation.judging.health import ENOUGH
from evaluation.judging.rubrics import levels, said
from evaluation.judging.show import confusion_view, signed
from evaluation.models import Scorecard
from evaluation.report.scorecards import read_report
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import store


def find_judge(request: WorkspaceRequest, pk: UUID, number: int) -> tuple[Scorecard, dict[str, Any], dict[str, Any]]:
    """``(scorecard, report, judge)`` of a judge that gave grades, or 404."""
    card = find(request, pk)
    report = read_report(card.report)
    judge = next((j for j in report.get("judges") or [] if j["number"] == number), None)
    if judge is None or judge["mode"] == "pairs":
        raise Http404("No such judge gave grades in this report.")
    return card, report, judge


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """How far the judge agrees with people, and where they are furthest apart."""
    card, _, judge = find_judge(request, pk, number)
    folder = store.path(card.report)
    judge["golden"] = found = golden.agreement_of(card.workspace_id, judge, folder)
    context = {
        "card": card,
        "run": card.step_run.run,
        "judge": judge,
        "golden": found,
        "bias": signed(found["bias"]["value"]) if found["bias"] else "",
        "enough": ENOUGH,
        "missing": max(0, ENOUGH - found["n"]),
        "matrix": confusion_view(judge),
        "apart": golden.furthest_apart(card.workspace_id, judge, folder),
        "total": len(judge["drawn"]),
        "persons": golden.people_of(card.workspace_id, judge),
        "left": len(judge["drawn"]) - golden.done_by(card, judge, request.user),
        "rows_url": reverse("evaluation_rows", args=[request.workspace.slug, pk]),
    }
    return render(request, "evaluation/calibration.html", context)


@require_safe
@role_required("reviewer")
def desk(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """The next answer that waits for this person's grade."""
    card, _, judge = find_judge(request, pk, number)
    return _desk(request, card, judge)


def _desk(
    request: WorkspaceRequest, card: Scorecard, judge: dict[str, Any], *, problem: StudioError | None = None
) -> HttpResponse:
    shown = golden.next_for(card, judge, request.user)
    context = {
        "card": card,
        "run": card.step_run.run,
        "judge": judge,
        "shown": shown,
        "reference": shown.case.reference_text if shown is not None and judge["with_reference"] else None,
        "done": golden.done_by(card, judge, request.user),
        "total": len(judge["drawn"]),
        "last": golden.last_of(card, judge, request.user),
        "buttons": buttons(judge["scale"]),
        "problem": problem,
    }
    return render(request, "evaluation/calibration_desk.html", context, status=422 if problem else 200)


def buttons(scale: Any) -> list[dict[str, Any]]:
    """The grades of a scale with their keys."""
    if scale == "1 to 5":
        return [{"score": n, "text": str(n), "key": str(n)} for n in levels(scale)]
    return [{"score": n, "text": said(n, scale).capitalize(), "key": "fp"[n]} for n in levels(scale)]


@require_POST
@role_required("reviewer")
def grade(request: WorkspaceRequest, pk: UUID, number: int) -> HttpResponseBase:
    """Record a grade and show the next answer."""
    card, _, judge = find_judge(request, pk, number)
    post = request.POST
    try:
        golden.grade(
            card,
            judge,
            post.get("item", ""),
            score=post.get("score", ""),
            note=post.get("note", ""),
            user=cast(User, request.user),
        )
    except StudioError as error:
        return _desk(request, card, judge, problem=error)
    return redirect("judge_desk", request.workspace.slug, pk, number)


@require_POST
@role_required("reviewer")
def undo(request: WorkspaceRequest, pk: UUID, number: int, given: int) -> HttpResponseBase:
    """Take back a grade of one's own."""
    card, _, judge = find_judge(request, pk, number)
    try:
        golden.take_back(card, judge, given, user=cast(User, request.user))
    except StudioError as error:
        return _desk(request, card, judge, problem=error)
    return redirect("judge_desk", request.workspace.slug, pk, number)
