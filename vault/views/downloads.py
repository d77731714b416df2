"""Files to take away: a version in any format, with its card, as its rights allow; the refused lines of an upload.

Streamed, so that size does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from vault import exports, ingest, rights
from vault.exporters import ROW_EXPORTERS
from vault.models import DatasetVersion, Upload
from vault.problems import as_csv, read_problems
from vault.rights import May
from vault.views.lookup import facets_of, get_version

TYPES = {"jsonl": "application/jsonl; charset=utf-8", "csv": "text/csv; charset=utf-8"}
CHOICES = [(may.value, may.words.capitalize()) for may in May]


class RightsForm(forms.Form):
    """What a person states about the rows of a dataset."""

    training = forms.ChoiceField(choices=CHOICES, label="Training on them")
    redistribution = forms.ChoiceField(choices=CHOICES, label="Passing them on")
    text = forms.CharField(
        max_length=2_000,
        label="Why",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Whose rows these are, and where it is written: a contract, a licence, somebody's consent.",
    )


def attachment(pieces: Iterable[str | bytes], *, name: str, content_type: str) -> StreamingHttpResponse:
    """Pieces of text or bytes as a file that the browser saves."""
    encoded = (piece.encode() if isinstance(piece, str) else piece for piece in pieces)
    response = StreamingHttpResponse(encoded, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class Offer(NamedTuple):
    """One format on the export page. ``left_out``: rows it can't carry; None: the version is too large to look first."""

    name: str
    exporter: Any
    file: str
    left_out: int | None
    url: str


@role_required("viewer")
@require_safe
def export(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Every format that a version can be taken away in, and what may be done with its rows."""
    return _export_page(request, get_version(request, slug, number), status=200)


def _export_page(
    request: WorkspaceRequest, version: DatasetVersion, *, status: int, form: RightsForm | None = None
) -> HttpResponse:
    context: dict[str, Any] = {"version": version, "dataset": version.dataset, "tab": "export"}
    try:
        found = rights.rights_of(version)
        context |= {"rights": found, "offers": offers_of(version), "totals": facets_of(version).totals}
    except StudioError as error:
        return render(request, "vault/export.html", context | {"problem": error}, status=503)
    said = found.statement
    initial = {"training": said.training, "redistribution": said.redistribution, "text": said.text} if said else {}
    context["form"] = form or RightsForm(initial=initial)
    return render(request, "vault/export.html", context, status=status)


def offers_of(version: DatasetVersion) -> list[Offer]:
    """All formats, each with what it would leave out."""
    found = []
    for name, exporter in ROW_EXPORTERS.items():
        dataset = version.dataset
        url = reverse("dataset_download", args=[dataset.workspace.slug, dataset.slug, version.number, name])
        found.append(Offer(name, exporter, exports.file_name(version, name), exports.left_out(version, name), url))
    return found


@role_required("viewer")
@require_safe
def version(request: WorkspaceRequest, slug: str, number: int, wanted: str) -> HttpResponseBase:
    """A version's rows in a format; with ``?zip=1``, or where the format can't carry every row, in a zip with its card."""
    if wanted not in ROW_EXPORTERS:
        raise Http404(f"There is no format '{wanted}'.")
    found = get_version(request, slug, number)
    name = exports.file_name(found, wanted)
    bundle = bool(request.GET.get("zip"))
    try:
        if not bundle and exports.left_out(found, wanted) != 0:
            return redirect(f"{request.path}?zip=1")
        pieces = exports.zipped(found, wanted) if bundle else exports.stream(found, wanted)
    except rights.Refused:
        return _export_page(request, found, status=403)
    except StudioError:
        return _export_page(request, found, status=503)
    if request.method == "GET":
        exports.record_export(found, wanted, by=request.user, bundle=bundle)
    if bundle:
        return attachment(pieces, name=f"{name.rpartition('.')[0]}.zip", content_type="application/zip")
    return attachment(pieces, name=name, content_type=ROW_EXPORTERS[wanted].content_type)


@role_required("editor")
@require_POST
def state_rights(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """State what may be done with the dataset's rows, or take the statement back."""
    found = get_version(request, slug, number)
    here = reverse("dataset_export", args=[request.workspace.slug, slug, number])
    if request.POST.get("withdraw"):
        rights.withdraw(found.dataset, by=request.user)
        messages.success(request, "The statement is withdrawn; the terms of the answers count again.")
        return redirect(here)
    form = RightsForm(request.POST)
    if form.is_valid():
        try:
            rights.state(found.dataset, **form.cleaned_data, by=request.user)
        except StudioError as error:
            form.add_error("text", f"{error} {error.action}")
        else:
            messages.success(request, "The rights are stated; they count for every version of this dataset.")
            return redirect(here)
    return _export_page(request, found, status=422, form=form)


@role_required("owner")
@require_POST
def override(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """An owner lets this version be exported although its rights don't, and says why."""
    found = get_version(request, slug, number)
    try:
        rights.override(found, reason=request.POST.get("reason", ""), by=request.user)
    except StudioError as error:
        messages.error(request, f"{error} {error.action}")
    else:
        messages.success(request, f"{found} may be exported now; the reason is in the audit trail and in its card.")
    return redirect("dataset_export", request.workspace.slug, slug, number)


@role_required("viewer")
@require_safe
def problems(request: WorkspaceRequest, pk: str) -> HttpResponseBase:
    """The refused lines of an upload as CSV."""
    upload = get_object_or_404(Upload, workspace=request.workspace, pk=pk)
    found = read_problems(ingest.problems_path(upload))
    return attachment(as_csv(found, upload.file_name), name="problems.csv", content_type=TYPES["csv"])
