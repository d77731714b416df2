"""Templates of a team's own: save a pipeline as one, use it, rename it, delete it."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from pipelines.building import own_templates
from pipelines.building.forms import OwnTemplateForm, UseTemplateForm
from pipelines.models import PipelineTemplate
from pipelines.views.lookup import get_pipeline
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError


def page(request: WorkspaceRequest, form: forms.Form, **context: Any) -> HttpResponse:
    """The one form of this file's pages; 422 when what was sent does not do."""
    status = 422 if form.is_bound else 200
    return render(request, "pipelines/own_template.html", {"form": form, **context}, status=status)


def _get(request: WorkspaceRequest, pk: UUID) -> PipelineTemplate:
    return get_object_or_404(PipelineTemplate.objects.select_related("workspace"), workspace=request.workspace, pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def save(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Save a pipeline's draft as a template."""
    pipeline = get_pipeline(request, slug)
    form = OwnTemplateForm(request.POST or None, initial={"name": pipeline.name, "promise": pipeline.description[:300]})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            own_templates.save(pipeline, **values, user=cast(User, request.user))
        except StudioError as error:
            form.add_error(None, f"{error} {error.action}")
        else:
            messages.success(request, f"“{values['name']}” is a template of this workspace.")
            return redirect("pipeline_new", request.workspace.slug)
    facts = "Everybody in this workspace can start pipelines from it. It keeps the draft as it is now."
    return page(
        request, form, title="Save as a template", facts=facts, submit="Save template", back=pipeline.get_absolute_url()
    )


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def use(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Make a pipeline from a template."""
    template = _get(request, pk)
    form = UseTemplateForm(
        request.POST or None,
        steps=own_templates.open_data(template),
        workspace=request.workspace,
        initial={"name": template.name, "dataset-first": request.GET.get("dataset", "")},
    )
    if request.method == "POST" and form.is_valid():
        try:
            pipeline = own_templates.use(
                template, name=form.cleaned_data["name"], datasets=form.datasets(), user=cast(User, request.user)
            )
        except StudioError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Pipeline '{pipeline.name}' made. Look through its steps, then start a run.")
            return redirect(pipeline)
    return page(request, form, title=template.name, facts=template.promise, submit="Make pipeline")


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def change(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Rename a template."""
    template = _get(request, pk)
    form = OwnTemplateForm(request.POST or None, initial={"name": template.name, "promise": template.promise})
    del form.fields["with_data"]
    if request.method == "POST" and form.is_valid():
        try:
            own_templates.rename(template, **form.cleaned_data, user=cast(User, request.user))
        except StudioError as error:
            form.add_error(None, f"{error} {error.action}")
        else:
            messages.success(request, f"The template is called “{template.name}” now.")
            return redirect("pipeline_new", request.workspace.slug)
    return page(request, form, title="Rename template", facts="", submit="Save name")


@require_POST
@role_required("editor")
def delete(request: WorkspaceRequest, pk: UUID) -> HttpResponse:
    """Delete a template; the page asks first."""
    template = _get(request, pk)
    own_templates.delete(template, user=cast(User, request.user))
    messages.success(request, f"Template “{template.name}” is deleted. Pipelines made from it are still there.")
    return redirect("pipeline_new", request.workspace.slug)
