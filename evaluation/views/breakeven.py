"""When the student pays for itself, and the router that goes with a report."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from evaluation.breakeven import HORIZON, calculate, picture, price_to_beat, sensitivity, spent
from evaluation.breakeven_form import BreakevenForm, measured
from evaluation.report.scorecards import read_report
from evaluation.routing.bundle import bundle
from evaluation.views.evaluations import find
from studio.access import WorkspaceRequest, role_required

SHOWN_MONTHS = (0, 1, 3, 6, 12, 18, 24)


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The assumptions and what follows from them. Every assumption may come in the address; the others are measured."""
    card = find(request, pk)
    report = read_report(card.report)
    known = measured(card, report)
    typed = {name: request.GET[name] for name in known if name in request.GET}
    form = BreakevenForm({**known, **typed})
    context = {
        "card": card,
        "run": card.step_run.run,
        "report": report,
        "form": form,
        "changed": bool(typed),
        "teacher_known": bool(known["teacher_per_1000"]),
        "cascade": report.get("cascade"),
    }
    if form.is_valid() and form.cleaned_data["teacher_per_1000"] is None:
        context["to_beat"] = price_to_beat(form.assumptions())
        context["no_price"] = True
    elif form.is_valid():
        given = form.assumptions()
        context |= {
            "given": given,
            "result": calculate(given),
            "picture": picture(given),
            "months": [p for p in spent(given) if p.month in SHOWN_MONTHS],
            "horizon": HORIZON,
            "lines": sensitivity(given),
        }
    return render(request, "evaluation/breakeven.html", context, status=200 if form.is_valid() else 400)


@require_safe
@role_required("viewer")
def router(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """The router with the report's threshold as a zip; 404 when the report has none."""
    card = find(request, pk)
    data = bundle(read_report(card.report))
    if data is None:
        raise Http404("This report has no threshold to route by.")
    answer = HttpResponse(data, content_type="application/zip")
    name = slugify(f"{card.step_run.run.version.pipeline} router") or "router"
    answer["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    return answer
