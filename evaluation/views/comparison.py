"""Runs side by side: what differed in their settings, data and code, what each took, and how good each came out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.db.models import Case, Value, When
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from evaluation.boards import comparison
from pipelines.models import Run
from pipelines.watching import side_by_side
from studio.access import WorkspaceRequest, role_required

OFFERED = 40
"""Runs to choose from; others are chosen in the list of runs."""


def chosen(request: WorkspaceRequest) -> list[Run]:
    """The runs of ``?run=`` in the order given, each once, at most eight; 404 when one is not of this workspace."""
    wanted = list(dict.fromkeys(request.GET.getlist("run")))
    if any(not (text.isascii() and text.isdigit()) or len(text) > 9 for text in wanted):
        raise Http404("No such run.")
    numbers = [int(text) for text in wanted][: side_by_side.MOST_RUNS]
    runs = Run.objects.filter(workspace=request.workspace, number__in=numbers)
    found = {run.number: run for run in runs.select_related("version__pipeline__workspace", "created_by", "workspace")}
    if len(found) < len(set(numbers)):
        raise Http404("No such run.")
    return [found[number] for number in numbers]


def address(name: str, request: WorkspaceRequest, runs: list[Run]) -> str:
    """The address of a page of this comparison."""
    query = urlencode([("run", str(run.number)) for run in runs])
    return f"{reverse(name, args=[request.workspace.slug])}?{query}"


def offered(request: WorkspaceRequest, runs: list[Run]) -> list[Run]:
    """Runs to choose from: those chosen, then those of the same pipelines, then others; the newest first."""
    pipelines = {run.version.pipeline_id for run in runs}
    near = Case(
        When(number__in=[run.number for run in runs], then=Value(0)),
        When(version__pipeline__in=pipelines, then=Value(1)),
        default=Value(2),
    )
    found = Run.objects.filter(workspace=request.workspace).select_related("version__pipeline__workspace", "workspace")
    return list(found.order_by(near, "-number")[:OFFERED])


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest) -> HttpResponse:
    """The comparison; with fewer than two runs, what to choose from."""
    runs = chosen(request)
    context: dict[str, Any] = {
        "runs": runs,
        "numbers": [run.number for run in runs],
        "offered": offered(request, runs),
        "most": side_by_side.MOST_RUNS,
        "too_many": len(set(request.GET.getlist("run"))) > side_by_side.MOST_RUNS,
    }
    if len(runs) >= 2:
        compared = side_by_side.compare(runs)
        scores = comparison.scores_of(runs)
        context |= {
            "compared": compared,
            "scores": scores,
            "took": comparison.took(compared),
            "without": [(run, address("runs_compare", request, [r for r in runs if r.pk != run.pk])) for run in runs],
            "curves_url": address("runs_compare_curves", request, runs),
            "csv_url": address("runs_compare_file", request, runs),
            "live": "yes" if any(not run.is_finished for run in runs) else "",
        }
    return render(request, "evaluation/compare.html", context)


@require_safe
@role_required("viewer")
def curves(request: WorkspaceRequest) -> JsonResponse:
    """The training loss of each run over one axis."""
    return JsonResponse(side_by_side.curves(chosen(request)))


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest) -> HttpResponse:
    """The comparison as CSV."""
    runs = chosen(request)
    text = comparison.write_csv(side_by_side.compare(runs), comparison.scores_of(runs))
    answer = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = "-".join(str(run.number) for run in runs) or "none"
    answer["Content-Disposition"] = f'attachment; filename="runs-{name}.csv"'
    return answer
