"""Settings: the providers' API keys of a workspace."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST

from studio import credentials
from studio.access import WorkspaceRequest, role_required
from studio.forms import CredentialForm
from studio.models import ProviderCredential


@sensitive_post_parameters("secret")
@sensitive_variables("form")
@require_http_methods(["GET", "POST"])
@role_required("editor")
def index(request: WorkspaceRequest) -> HttpResponse:
    """The keys by name, and the form that adds one. A key itself is never shown again."""
    form = CredentialForm(request.POST or None, workspace=request.workspace)
    if request.method == "POST" and form.is_valid():
        added = credentials.add(request.workspace, **form.cleaned_data, by=cast(User, request.user))
        messages.success(request, f"The key '{added.name}' is stored. Test it here, then choose it in a step.")
        return redirect("credentials", request.workspace.slug)
    return render(request, "studio/credentials.html", page(request, form=form), status=422 if form.errors else 200)


@require_POST
@role_required("editor")
def test(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Try a key against its provider and show what it may use."""
    credential = get_object_or_404(ProviderCredential, workspace=request.workspace, pk=pk)
    trial = credentials.test(credential)
    form = CredentialForm(workspace=request.workspace)
    context = {**page(request, form=form), "tried": credential, "trial": trial}
    template = "studio/credentials.html#trial" if request.htmx else "studio/credentials.html"
    return render(request, template, context)


@require_POST
@role_required("editor")
def remove(request: WorkspaceRequest, pk: str) -> HttpResponse:
    """Forget a key."""
    credential = get_object_or_404(ProviderCredential, workspace=request.workspace, pk=pk)
    credentials.remove(credential, by=cast(User, request.user))
    messages.success(request, f"The key '{credential.name}' is removed.")
    return redirect("credentials", request.workspace.slug)


def page(request: WorkspaceRequest, *, form: CredentialForm) -> dict[str, object]:
    """What the page always shows."""
    found = ProviderCredential.objects.filter(workspace=request.workspace).select_related("created_by")
    labels = dict(credentials.providers())
    rows = [(c, labels.get(c.provider, c.provider)) for c in found]
    return {"credentials": rows, "form": form, "tab": "credentials"}
