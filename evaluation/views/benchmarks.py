"""What a step's benchmarks found, where no report shows it yet."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from evaluation.forgetting.document import DOCUMENT
from evaluation.forgetting.page import forgotten_view
from pipelines.models import StepOutput
from pipelines.views.runs import get_step
from pipelines.watching.runpages import step_view
from studio.access import WorkspaceRequest, role_required
from vault import store
from vault.models import Artifact, ArtifactKind


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, number: int, node: str) -> HttpResponse:
    """Every task's figures of base model and student."""
    step = get_step(request, number, node)
    context: dict[str, Any] = {"step": step, "view": step_view(step)}
    try:
        context["forgotten"] = forgotten_view(json.loads(read(get_artifact(step))))
    except store.Damaged as problem:
        return render(request, "evaluation/benchmarks.html", context | {"problem": problem}, status=503)
    return render(request, "evaluation/benchmarks.html", context)


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest, number: int, node: str) -> HttpResponseBase:
    """The same as JSON."""
    answer = HttpResponse(read(get_artifact(get_step(request, number, node))), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="run-{number}-benchmarks.json"'
    return answer


def get_artifact(step: Any) -> Artifact:
    """The step's benchmarks, or 404."""
    outputs = StepOutput.objects.select_related("artifact").filter(step_run=step)
    return get_object_or_404(outputs, artifact__kind=ArtifactKind.BENCHMARKS).artifact


def read(artifact: Artifact) -> str:
    """The document's text. Raises ``vault.store.Damaged`` when its file is gone."""
    try:
        return (store.path(artifact) / DOCUMENT).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise store.Damaged(
            f"The file {DOCUMENT} of {artifact} is not in the data folder.",
            action="Restore the data folder's 'artifacts' from a backup, or run the step again.",
        ) from None
