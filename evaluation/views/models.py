"""The models that came out: GGUF files, how they were checked, and how to run them."""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from evaluation.gguf import commands_for, files_of, preferred_file, read_export
from evaluation.models import Scorecard
from evaluation.signoff import signatures
from evaluation.views.ranges import read_range, slice_of
from pipelines.models import StepOutput
from studio.access import WorkspaceRequest, role_required
from vault import store
from vault.models import Artifact, ArtifactKind

PAGE = 50


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponseBase:
    """Every exported model of the workspace, newest first."""
    found = _models(request)
    before = request.GET.get("before", "")
    if before.isdecimal():
        found = found[int(before) :]
    page = list(found[: PAGE + 1])
    context = {
        "models": [describe(artifact) for artifact in page[:PAGE]],
        "next": (int(before or 0) + PAGE) if len(page) > PAGE else None,
    }
    return render(request, "evaluation/models.html", context)


@require_safe
@role_required("viewer")
def show(request: WorkspaceRequest, pk: UUID) -> HttpResponseBase:
    """One model: its files and hashes, its parity, where it came from, how to run it."""
    artifact = get_object_or_404(_models(request), pk=pk)
    folder = store.path(artifact)
    export = read_export(folder)
    files = files_of(folder, export)
    card = folder / "README.md"
    cards = Scorecard.objects.filter(
        workspace=request.workspace, student_sha__in=_student_shas(artifact)
    ).select_related("step_run__run__version__pipeline", "workspace", "report")[:5]
    context = {
        **describe(artifact),
        "files": files,
        "export": export,
        "preferred": preferred_file(files),
        "commands": commands_for(
            files,
            name=str(export.get("name") or "student"),
            modelfile_names=next((str(f["name"]) for f in export.get("files") or []), ""),
        ),
        "model_card": card.read_text(encoding="utf-8") if card.exists() else "",
        "lineage": lineage_of(artifact),
        "scorecards": [(card, signatures.of(card, artifact)) for card in cards],
    }
    return render(request, "evaluation/model.html", context)


@require_safe
@role_required("viewer")
def download(request: WorkspaceRequest, pk: UUID, name: str) -> HttpResponseBase:
    """One file of a model, streamed; a ``Range`` header gets that part, so that a broken download can go on."""
    artifact = get_object_or_404(_models(request), pk=pk)
    folder = store.path(artifact)
    if name not in json.loads((folder / store.MANIFEST).read_text(encoding="utf-8"))["files"]:
        raise Http404("This model has no such file.")
    if not (folder / name).is_file():
        raise store.Damaged(f"The file {name} of {artifact} is gone.", action="Restore it from a backup.")
    return send(request, folder / name, etag=f'"{artifact.sha256}:{name}"')


def send(request: WorkspaceRequest, path: Path, *, etag: str) -> HttpResponseBase:
    """A file as an attachment, whole or the one range asked for."""
    size = path.stat().st_size
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    asked = request.headers.get("Range", "")
    unchanged = request.headers.get("If-Range", etag) == etag
    part = read_range(asked, size) if asked and unchanged else None
    answer: HttpResponseBase
    if part is None and asked.startswith("bytes=") and unchanged and size:
        answer = HttpResponse(status=416)
        answer["Content-Range"] = f"bytes */{size}"
        return answer
    if part is None:
        answer = FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type=media_type)
    else:
        start, end = part
        answer = StreamingHttpResponse(slice_of(path, start, end), status=206, content_type=media_type)
        answer["Content-Length"] = str(end - start + 1)
        answer["Content-Range"] = f"bytes {start}-{end}/{size}"
        answer["Content-Disposition"] = content_disposition_header(True, path.name) or "attachment"
    answer["Accept-Ranges"] = "bytes"
    answer["ETag"] = etag
    return answer


def describe(artifact: Artifact) -> dict[str, Any]:
    """A model with the run that made it, for the list and the page."""
    output = (
        StepOutput.objects.filter(artifact=artifact)
        .select_related("step_run__run__version__pipeline", "step_run__run__workspace")
        .order_by("id")
        .first()
    )
    run = output.step_run.run if output else None
    name = artifact.meta.get("name") or (run.version.pipeline.name if run else "Model")
    return {"artifact": artifact, "run": run, "name": name, "step_run": output.step_run if output else None}


def lineage_of(artifact: Artifact) -> list[dict[str, Any]]:
    """The steps that led here, first to last, each with its output's hash."""
    output = StepOutput.objects.filter(artifact=artifact).select_related("step_run__run").order_by("id").first()
    if output is None:
        return []
    steps = {s.node: s for s in output.step_run.run.steps.prefetch_related("outputs__artifact")}
    needed, waiting = set(), [output.step_run.node]
    while waiting:
        node = waiting.pop()
        if node in needed or node not in steps:
            continue
        needed.add(node)
        waiting += [source["node"] for source in steps[node].wiring.values()]
    line = sorted((steps[node] for node in needed), key=lambda s: s.position)
    return [{"step": s, "outputs": list(s.outputs.all())} for s in line]


def _student_shas(artifact: Artifact) -> list[str]:
    runs = StepOutput.objects.filter(artifact=artifact).values("step_run__run_id")
    adapters = StepOutput.objects.filter(
        step_run__run_id__in=runs, artifact__kind=ArtifactKind.ADAPTER, artifact__workspace=artifact.workspace
    )
    return list(adapters.values_list("artifact__sha256", flat=True).distinct())


def _models(request: WorkspaceRequest) -> Any:
    return Artifact.objects.filter(workspace=request.workspace, kind=ArtifactKind.GGUF).order_by("-created_at")
