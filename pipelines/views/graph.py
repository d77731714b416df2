"""Changes to a draft's graph as plain forms: add, remove, copy, rename, wire. They need no canvas, no mouse and no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.views.decorators.http import require_POST

from pipelines import subjects
from pipelines.building import drafts, editing
from pipelines.models import Pipeline
from pipelines.views import builder
from pipelines.views.lookup import get_pipeline
from studio.access import WorkspaceRequest, role_required
from studio.registries import STEPS

Changed = tuple[Mapping[str, Any], str]
"""The draft after a change, and the node to show."""


def change(
    request: WorkspaceRequest,
    slug: str,
    node: str,
    work: Callable[[Pipeline], Changed],
    *,
    then: Callable[[Pipeline], None] | None = None,
) -> HttpResponse:
    """Do one change to the draft as it was when the form was shown, save it (and do ``then``), and show the pipeline again."""
    pipeline = get_pipeline(request, slug)
    revision = request.POST.get("revision", "")
    try:
        spec, shown = work(pipeline)
        with transaction.atomic():
            drafts.save(pipeline, spec=spec, revision=int(revision) if revision.isdigit() else -1, user=request.user)
            if then is not None:
                then(pipeline)
    except KeyError:
        raise Http404("No such step in this pipeline.") from None
    except editing.CannotChange as error:
        messages.error(request, f"{error} {error.action}")
        return builder.show_again(request, pipeline, selected=node)
    except drafts.Conflict as conflict:
        return builder.page(request, pipeline, selected=node, conflict=conflict, status=409)
    return builder.show_again(request, pipeline, selected=shown)


@require_POST
@role_required("editor")
def add(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Add a step after another one."""
    after = request.POST.get("after", "")
    return change(request, slug, after, lambda p: editing.add_node(p.draft, request.POST.get("step", ""), after=after))


@require_POST
@role_required("editor")
def remove(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Remove a step; what it passed on unchanged in kind goes straight on."""
    return change(request, slug, node, lambda p: (editing.remove_node(p.draft, node), ""))


@require_POST
@role_required("editor")
def duplicate(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Copy a step with its settings and inputs."""
    return change(request, slug, node, lambda p: editing.duplicate_node(p.draft, node))


@require_POST
@role_required("editor")
def rename(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Give a step another name."""
    wanted = request.POST.get("name", "").strip()
    return change(
        request,
        slug,
        node,
        lambda p: (editing.rename_node(p.draft, node, wanted), wanted),
        then=lambda p: subjects.follow_rename(p, node, wanted),
    )


@require_POST
@role_required("editor")
def note(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Write what people should know about a step; it changes no result."""
    text = request.POST.get("note", "")
    return change(request, slug, node, lambda p: (editing.set_note(p.draft, node, text), node))


@require_POST
@role_required("editor")
def wire(request: WorkspaceRequest, slug: str, node: str) -> HttpResponse:
    """Say what feeds each input of a step."""

    def work(pipeline: Pipeline) -> Changed:
        step = {n["id"]: n["step"] for n in pipeline.draft["nodes"]}[node]
        ports = STEPS[step].inputs if step in STEPS else {}
        sources = {port: request.POST[f"from_{port}"] for port in ports if f"from_{port}" in request.POST}
        return editing.wire(pipeline.draft, node, sources), node

    return change(request, slug, node, work)
