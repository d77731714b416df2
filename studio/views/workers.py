"""Settings: the workers, what each does, and draining one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from studio import audit, workers
from studio.access import WorkspaceRequest, role_required
from studio.models import Worker


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """Who is alive, on what machine, doing what. An htmx request gets the live part."""
    views = workers.list_workers()
    context = {
        "views": views,
        "untended": workers.untended(views),
        "there": sum(v.is_there for v in views),
        "code": workers.code_version(),
        "tab": "workers",
    }
    return render(request, "studio/workers.html#live" if request.htmx else "studio/workers.html", context)


@require_POST
@role_required("owner")
def drain(request: WorkspaceRequest, pk: int) -> HttpResponse:
    """Drain a worker, or let a drained one work again (``back``)."""
    worker = get_object_or_404(Worker, pk=pk)
    if request.POST.get("back"):
        workers.undrain(worker)
        messages.success(request, f"The {worker.label} worker on {worker.host} takes jobs again.")
    else:
        workers.drain(worker, by=request.user.get_username())
        messages.success(
            request, f"The {worker.label} worker on {worker.host} finishes what it does and takes nothing new."
        )
    verb = "undrained" if request.POST.get("back") else "drained"
    audit.record(request.workspace, actor=request.user, verb=verb, subject=f"worker {worker.label} on {worker.host}")
    return redirect("workers", request.workspace.slug)
