"""Rows a step made or dropped, with the reason why, before anybody gave them a name in the Vault."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from pipelines.models import StepOutput, StepRun
from pipelines.views.runs import get_step
from pipelines.watching.runpages import step_view
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import exports, store
from vault.query import Filter, RowTable
from vault.views.downloads import TYPES, attachment

WITH_ROWS = ("dataset", "answers")
"""Kinds of artifacts that are made of rows."""


def position(text: str) -> int | None:
    """A row's position from a query parameter, or None."""
    return int(text) if text.isdigit() else None


def get_output(step: StepRun, port: str) -> StepOutput:
    """The dataset or answers that a step put out under this port, or 404."""
    return get_object_or_404(
        StepOutput.objects.select_related("artifact"), step_run=step, port=port, artifact__kind__in=WITH_ROWS
    )


@require_safe
@role_required("viewer")
def rows(request: WorkspaceRequest, number: int, node: str, port: str) -> HttpResponse:
    """The rows of one dataset output; ``?search=`` filters, ``?after=`` and ``?before=`` page."""
    step = get_step(request, number, node)
    output = get_output(step, port)
    search = request.GET.get("search", "").strip()[:200]
    context: dict[str, Any] = {"step": step, "view": step_view(step), "port": port, "search": search}
    context["ports"] = [o.port for o in step.outputs.filter(artifact__kind__in=WITH_ROWS)]
    try:
        folder = store.path(output.artifact)
        table = RowTable(folder, root=folder.parents[1])
        wanted = Filter(search=search)
        page = table.page(
            wanted, after=position(request.GET.get("after", "")), before=position(request.GET.get("before", ""))
        )
        context |= {"page": page, "count": table.count(wanted)}
    except StudioError as error:
        return render(request, "pipelines/output.html", context | {"problem": error}, status=503)
    context["has_rejects"] = any("reject" in n.row.meta for n in page.rows)
    context["has_models"] = output.artifact.kind == "answers"
    return render(request, "pipelines/output.html", context)


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest, number: int, node: str, port: str) -> HttpResponseBase:
    """All rows of one dataset output as JSON lines, streamed; a reject carries its reason in ``meta.reject``."""
    folder = store.path(get_output(get_step(request, number, node), port).artifact)
    name = slugify(f"run-{number}-{node}-{port}")
    return attachment(exports.whole(folder), name=f"{name}.jsonl", content_type=TYPES["jsonl"])
