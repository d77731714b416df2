"""The versions of a dataset."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from vault.models import Dataset


@role_required("viewer")
@require_safe
def versions(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Every version: who, when, from what."""
    dataset = get_object_or_404(Dataset.objects.select_related("workspace"), workspace=request.workspace, slug=slug)
    listed = list(dataset.versions.select_related("artifact", "created_by"))
    context = {"dataset": dataset, "versions": listed, "version": listed[0] if listed else None, "tab": "versions"}
    return render(request, "vault/versions.html", context)
