"""Files to take away: the rows of a version, the refused lines of an upload. Streamed, so that size does not matter."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from vault import exports, ingest, store
from vault.models import Upload
from vault.problems import read_problems
from vault.views.lookup import get_version

TYPES = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}


def attachment(lines: Iterator[str], *, name: str, content_type: str) -> StreamingHttpResponse:
    """Lines as a file that the browser saves."""
    response = StreamingHttpResponse((line.encode() for line in lines), content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@role_required("viewer")
@require_safe
def version(request: WorkspaceRequest, slug: str, number: int, wanted: str) -> HttpResponseBase:
    """A version's rows as JSON lines or CSV."""
    chosen = next((known for known in exports.FORMATS if known == wanted), None)
    if chosen is None:
        raise Http404(f"There is no format '{wanted}'.")
    found = get_version(request, slug, number)
    folder = store.path(found.artifact)
    name = f"{found.dataset.slug}-v{found.number}.{chosen}"
    return attachment(exports.lines(folder, chosen), name=name, content_type=TYPES[chosen])


@role_required("viewer")
@require_safe
def problems(request: WorkspaceRequest, pk: str) -> HttpResponseBase:
    """The refused lines of an upload as CSV."""
    upload = get_object_or_404(Upload, workspace=request.workspace, pk=pk)
    return attachment(_problem_lines(upload), name="problems.csv", content_type=TYPES["csv"])


def _problem_lines(upload: Upload) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("file", "line", "column", "reason", "text"))
    for problem in read_problems(ingest.problems_path(upload)):
        cells = (upload.file_name, str(problem.line), problem.column, problem.reason, problem.excerpt)
        writer.writerow([exports.guard(cell) for cell in cells])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
