"""The other tabs of a dataset: its profile in pictures, and its versions."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault.models import Dataset
from vault.query import Lengths
from vault.views.lookup import address, facets_of, get_version, lengths_of
from vault.views.rows import failed, version_path


@role_required("viewer")
@require_safe
def profile(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Counts, lengths and answers of a version; clicking a bar opens those rows."""
    version = get_version(request, slug, number)
    try:
        facets = facets_of(version)
        prompt, completion = lengths_of(version)
    except StudioError as error:
        return render(request, "vault/dataset.html", failed(version, error), status=503)
    base = version_path(version)
    labels = [
        {
            "label": count.value,
            "value": count.rows,
            "text": f"{count.rows:,}",
            "href": address(base, {"label": count.value}),
        }
        for count in facets.labels
    ]
    context = {
        "version": version,
        "dataset": version.dataset,
        "tab": "profile",
        "facets": facets,
        "prompt": prompt,
        "prompt_bins": bins(prompt, base=base),
        "completion": completion,
        "completion_bins": bins(completion),
        "labels": labels if facets.few_labels else [],
        "with_answer": address(base, {"has": "completion"}),
        "without_answer": address(base, {"has": "no_completion"}),
        "with_reference": address(base, {"has": "reference"}),
        "differing": address(base, {"has": "differs"}),
        "missing": facets.totals.rows - facets.totals.completions,
    }
    return render(request, "vault/profile.html", context)


def bins(found: Lengths | None, *, base: str = "") -> list[dict[str, Any]]:
    """Histogram bins; with ``base`` each links to its rows."""
    if found is None:
        return []
    return [
        {"low": low, "high": high, "count": rows}
        | ({"href": address(base, {"min": low, "max": high})} if base and rows else {})
        for low, high, rows in found.bins
    ]


@role_required("viewer")
@require_safe
def versions(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Every version: who, when, from what."""
    dataset = get_object_or_404(Dataset.objects.select_related("workspace"), workspace=request.workspace, slug=slug)
    listed = list(dataset.versions.select_related("artifact", "created_by"))
    context = {"dataset": dataset, "versions": listed, "version": listed[0] if listed else None, "tab": "versions"}
    return render(request, "vault/versions.html", context)
