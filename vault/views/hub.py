"""From the hub to an upload: name a dataset, watch the download, go on to its mapping."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from studio.access import WorkspaceRequest, role_required
from studio.jobs import State
from studio.lib.errors import StudioError
from vault import hub_fetches
from vault.models import HubFetch

RECENT = 10
TEXT = {"class": "input w-full", "autocomplete": "off"}


class HubForm(forms.Form):
    """Which dataset, of which revision, under which name."""

    repo = forms.CharField(
        max_length=300,
        label="Dataset on the hub",
        help_text="owner/name, or the address of its page. Only public datasets, and only their data files: Parquet, "
        "Arrow, JSON lines, JSON, CSV, TSV and XLSX. Scripts are never fetched.",
        widget=forms.TextInput(attrs=TEXT | {"placeholder": "owner/name"}),
    )
    revision = forms.CharField(
        max_length=200,
        required=False,
        label="Revision",
        help_text="A branch, a tag or a commit; empty for main. The commit that is fetched is recorded.",
        widget=forms.TextInput(attrs=TEXT | {"placeholder": "main"}),
    )
    name = forms.CharField(
        max_length=120,
        required=False,
        label="Dataset name",
        help_text="A name that is here already makes its next version. Left empty, the name on the hub is used.",
        widget=forms.TextInput(attrs=TEXT),
    )


@role_required("editor")
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: WorkspaceRequest) -> HttpResponse:
    """Name a dataset; its download begins."""
    form = HubForm(request.POST or None, initial={"name": request.GET.get("name", "")})
    if request.method == "POST" and form.is_valid():
        try:
            fetch = hub_fetches.start(request.workspace, user=request.user, **form.cleaned_data)
        except StudioError as error:
            form.add_error("repo", f"{error} {error.action}")
        else:
            return redirect("hub_fetch", request.workspace.slug, fetch.pk)
    status = 422 if request.method == "POST" else 200
    recent = HubFetch.objects.filter(workspace=request.workspace).select_related("upload")[:RECENT]
    return render(request, "vault/hub.html", {"form": form, "recent": recent}, status=status)


def get_fetch(request: WorkspaceRequest, pk: Any) -> HubFetch:
    """One of the workspace's downloads, or 404."""
    return get_object_or_404(HubFetch.objects.select_related("upload"), workspace=request.workspace, pk=pk)


@role_required("viewer")
@require_safe
def show(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """The progress and end of a download."""
    template = "vault/hub_fetch.html#status" if request.htmx else "vault/hub_fetch.html"
    return render(request, template, {"fetch": get_fetch(request, pk)})


@role_required("editor")
@require_POST
def cancel(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Stop a download."""
    get_fetch(request, pk).request_cancel()
    return redirect("hub_fetch", request.workspace.slug, pk)


@role_required("editor")
@require_POST
def retry(request: WorkspaceRequest, pk: Any) -> HttpResponse:
    """Download again after a failure."""
    fetch = get_fetch(request, pk)
    if fetch.state in (State.FAILED, State.CANCELLED) and fetch.retry():
        fetch.ring()
    return redirect("hub_fetch", request.workspace.slug, pk)
