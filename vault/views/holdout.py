"""Mark a version as held out, or take the mark off: what ``leakage_guard`` keeps out of training."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from studio import audit
from studio.access import WorkspaceRequest, role_required
from vault.models import DatasetVersion
from vault.views.lookup import get_version


@role_required("editor")
@require_POST
def mark(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Set the mark to the posted ``held_out`` (“yes”, anything else is no). The same mark twice is one event."""
    version = get_version(request, slug, number)
    wanted = request.POST.get("held_out") == "yes"
    with transaction.atomic():
        changed = DatasetVersion.objects.filter(pk=version.pk, held_out=not wanted).update(held_out=wanted)
        if changed:
            audit.record(
                request.workspace,
                actor=request.user,
                verb="held out" if wanted else "released",
                subject=str(version),
                details={"rows": version.rows, "artifact": version.artifact.sha256},
            )
    if changed and wanted:
        messages.success(request, f"Version {number} is held out: a leakage guard keeps its rows out of training.")
    elif changed:
        messages.success(request, f"Version {number} is no longer held out.")
    return redirect("dataset_versions", request.workspace.slug, slug)
