"""The versions of a dataset: who made which of what and why, what was trained on it, what a commit left out; going back to one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import commits, store, uses
from vault.models import Dataset, DatasetVersion
from vault.query import Filter, RowTable
from vault.views.lookup import get_version


@role_required("viewer")
@require_safe
def index(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Every version: who, when, why, how many rows, from what, and the runs that used it."""
    dataset = get_object_or_404(Dataset.objects.select_related("workspace"), workspace=request.workspace, slug=slug)
    listed = list(dataset.versions.select_related("artifact", "created_by", "parent"))
    found = uses.find(request.workspace, {version.artifact.sha256 for version in listed})
    context = {
        "dataset": dataset,
        "versions": [describe(version, listed, found[version.artifact.sha256]) for version in listed],
        "version": listed[0] if listed else None,
        "tab": "versions",
    }
    return render(request, "vault/versions.html", context)


def describe(version: DatasetVersion, listed: list[DatasetVersion], runs: list[uses.Use]) -> dict[str, Any]:
    """A version with its parent, the change of its row count, and what was trained on it."""
    before = version.parent or next((one for one in listed if one.number < version.number), None)
    workspace, slug = version.dataset.workspace.slug, version.dataset.slug
    return {
        "version": version,
        "before": before,
        "change": version.rows - before.rows if before else None,
        "diff": reverse("dataset_diff", args=[workspace, slug, before.number, version.number]) if before else "",
        "runs": runs[:3],
        "more_runs": max(len(runs) - 3, 0),
        "is_latest": version == listed[0],
        "same_as_latest": version.artifact_id == listed[0].artifact_id,
        "rejects": version.summary.get("rejects"),
    }


@role_required("editor")
@require_POST
def restore(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Make an old version's rows the newest version."""
    version = get_version(request, slug, number)
    text = " ".join(request.POST.get("message", "").replace("\0", "").split())[:300]
    try:
        made = commits.restore(version, user=request.user, message=text)
        messages.success(request, f"Version {made.number} now holds the rows of version {number}.")
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    return redirect("dataset_versions", request.workspace.slug, slug)


@role_required("viewer")
@require_safe
def rejects(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """The rows that people rejected before this version was made, with who and why."""
    version = get_version(request, slug, number)
    artifact = commits.rejects_of(version)
    if artifact is None:
        raise Http404("No row was rejected in this version.")
    context: dict[str, Any] = {"version": version, "dataset": version.dataset, "tab": "versions"}
    status = 200
    try:
        folder = store.path(artifact)
        after = request.GET.get("after", "")
        before = request.GET.get("before", "")
        page = RowTable(folder, root=folder.parents[2]).page(
            Filter(), after=_number(after), before=_number(before) if not after else None
        )
        context |= {"page": page, "rejects": version.summary["rejects"]}
    except StudioError as error:
        context["problem"], status = error, 503
    return render(request, "vault/rejects.html", context, status=status)


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 12 else None
