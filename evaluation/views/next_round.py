"""Planning and starting the next round from the groups that a student lost."""

from __future__ import annotations

import uuid
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from evaluation.losses import losing
from evaluation.losses import page as losing_page
from evaluation.losses import starting as next_rounds
from evaluation.losses.form import NextRoundForm
from evaluation.report.scorecards import read_report
from evaluation.views.evaluations import find
from pipelines.running import runs
from pipelines.specs import diff as spec_diff
from pipelines.specs import spec as specs
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The choice in the address and what it changes in the pipeline; a POST of the same starts it."""
    card = find(request, pk)
    report = read_report(card.report)
    found = losing.finished(card, report)
    losses = reverse("evaluation_losses", args=[request.workspace.slug, pk])
    if found is None or not found["groups"]:
        waits = found is None
        text = "The groups are being made; plan the next round when they are there."
        messages.info(request, text if waits else "There are no groups of lost rows to plan a round from.")
        return redirect(losses)
    pipeline = card.step_run.run.version.pipeline
    views = losing_page.groups_view(
        found, report, rows_url=reverse("evaluation_rows", args=[request.workspace.slug, pk])
    )
    data = request.POST if request.method == "POST" else request.GET
    form = NextRoundForm(data, views=views, pipeline=pipeline, is_text=report["task"] == "text")
    context: dict[str, Any] = {
        "card": card,
        "run": card.step_run.run,
        "pipeline": pipeline,
        "form": form,
        "here": reverse("next_round", args=[request.workspace.slug, pk]),
        "losses": losses,
        "revision": data.get("revision", "") if request.method == "POST" else pipeline.revision,
        "request_key": data.get("request_key", "")[:64] or uuid.uuid4().hex,
        "kept": [(n, v) for n in form.fields for v in form.data.getlist(n)],  # type: ignore[attr-defined]
        "others_changed": runs.digest_of(card.step_run.run.version) != _digest(pipeline.draft),
    }
    if not form.is_valid():
        context["quiet"] = request.method != "POST" and not ({"group", "answers"} <= request.GET.keys())
        if context["quiet"]:
            # Nothing was chosen yet, so that nothing is wrong yet.
            form.errors.clear()
        status = 422 if request.method == "POST" else 200
        return render(request, "evaluation/next_round.html", context, status=status)
    plan = form.plan()
    try:
        changed = specs.parse(next_rounds.spec_of(plan, card, pipeline, found))
        context["problems"] = specs.validate(changed)
        before = specs.parse(card.step_run.run.version.spec)
        context["changes"] = [c for c in spec_diff.compare(before, changed) if c.kind != "same"]
        if request.method == "POST" and not context["problems"]:
            run = next_rounds.start(
                card,
                report,
                plan,
                revision=_number(context["revision"]),
                request_key=context["request_key"],
                user=cast(User, request.user),
            )
            messages.success(
                request, f"Run {run.number} is under way; its report will show what became of these groups."
            )
            return redirect(run)
    except specs.SpecError as error:
        context["problems"] = error.problems
    except StudioError as error:
        context["trouble"] = error
    status = 422 if request.method == "POST" else 200
    return render(request, "evaluation/next_round.html", context, status=status)


def _digest(draft: dict[str, Any]) -> str:
    try:
        return specs.parse(draft).digest()
    except specs.SpecError:
        return ""


def _number(text: Any) -> int:
    return int(text) if str(text).isdecimal() and len(str(text)) < 10 else 0
