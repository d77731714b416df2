"""The Vault's first page: the datasets of a workspace, and the uploads that wait for somebody."""

from __future__ import annotations

from django.db.models import F, OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from vault.models import Dataset, DatasetVersion, Upload

SORTS = {"name": "name", "rows": "rows", "version": "number", "changed": "changed"}


@role_required("viewer")
@require_safe
def vault(request: WorkspaceRequest) -> HttpResponse:
    """Datasets with their newest version; search and sort are in the address."""
    newest = DatasetVersion.objects.filter(dataset=OuterRef("pk")).order_by("-number")
    datasets = Dataset.objects.filter(workspace=request.workspace).annotate(
        number=Subquery(newest.values("number")[:1]),
        rows=Subquery(newest.values("rows")[:1]),
        changed=Subquery(newest.values("created_at")[:1]),
    )
    search = request.GET.get("q", "").strip()
    sort = request.GET.get("sort", "-changed")
    if sort.removeprefix("-") not in SORTS:
        sort = "-changed"
    field = SORTS[sort.removeprefix("-")]
    order = F(field).desc(nulls_last=True) if sort.startswith("-") else F(field).asc(nulls_last=True)
    found = datasets.filter(name__icontains=search) if search else datasets
    open_uploads = Upload.objects.filter(workspace=request.workspace).exclude(
        state__in=(State.SUCCEEDED, State.CANCELLED)
    )
    context = {
        "datasets": found.order_by(order, "name"),
        "any_dataset": datasets.exists(),
        "uploads": open_uploads[:10],
        "search": search,
        "sort": sort,
    }
    return render(request, "vault/home.html#datasets" if request.htmx else "vault/home.html", context)
