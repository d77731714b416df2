"""The list of pipelines, the gallery of templates, and making a pipeline from one."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count, Max
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from pipelines.building import drafts, own_templates
from pipelines.building.forms import TemplateForm
from pipelines.models import Pipeline, Run
from pipelines.samples import estimates, templates, trying
from studio import audit
from studio.access import WorkspaceRequest, role_required


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest) -> HttpResponse:
    """Every pipeline of the workspace with its newest run."""
    pipelines = list(
        Pipeline.objects.filter(workspace=request.workspace)
        .annotate(run_count=Count("versions__runs", distinct=True), newest_run=Max("versions__runs__number"))
        .order_by("-updated_at")
    )
    runs = Run.objects.filter(workspace=request.workspace, number__in=[p.newest_run for p in pipelines if p.newest_run])
    by_number = {run.number: run for run in runs}
    rows = [(pipeline, by_number.get(pipeline.newest_run)) for pipeline in pipelines]
    return render(request, "pipelines/index.html", {"rows": rows})


@require_safe
@role_required("editor")
def gallery(request: WorkspaceRequest) -> HttpResponse:
    """The templates a pipeline can start from."""
    context = {
        "templates": estimates.list_estimated(request.workspace),
        "own": own_templates.list_own(request.workspace),
        "request_key": uuid.uuid4().hex,
    }
    return render(request, "pipelines/gallery.html", context)


@require_POST
@role_required("editor")
def try_sample(request: WorkspaceRequest, template: str) -> HttpResponse:
    """Run a template on its synthetic rows: datasets, pipeline and run in one go. A second click finds the first one's run."""
    key = request.POST.get("request_key", "")[:60]
    user = cast(User, request.user)
    key = f"{key}-{template}"[:64] if key else ""
    try:
        run = trying.try_template(request.workspace, template, user=user, request_key=key)
    except LookupError as error:
        raise Http404(str(error)) from None
    if run.request_key == key:
        messages.success(request, "Synthetic rows are in the Vault, the pipeline is made, and its run has started.")
    else:
        messages.info(request, "This template is already being tried: here is its run. No second one was started.")
    return redirect(run)


@require_http_methods(["GET", "POST"])
@role_required("editor")
def create(request: WorkspaceRequest, template: str) -> HttpResponse:
    """Fill in a template's few questions and make the pipeline."""
    try:
        chosen = templates.get(template)
    except LookupError as error:
        raise Http404(str(error)) from None
    initial = {"name": chosen.label, "dataset": request.GET.get("dataset", "")}
    form = TemplateForm(request.POST or None, template=chosen, workspace=request.workspace, initial=initial)
    if request.method == "POST" and form.is_valid():
        user = cast(User, request.user)
        answers = {q.name: form.cleaned_data[q.name] for q in chosen.questions}
        spec = templates.instantiate(chosen.name, answers)
        pipeline = drafts.create(
            request.workspace,
            name=form.cleaned_data["name"],
            spec=spec,
            user=user,
            description=chosen.description,
        )
        audit.record(request.workspace, actor=user, verb="created", subject=f"pipeline {pipeline.slug}")
        messages.success(request, f"Pipeline '{pipeline.name}' made. Look through its steps, then start a run.")
        return redirect(pipeline)
    status = 422 if request.method == "POST" else 200
    return render(request, "pipelines/create.html", {"template": chosen, "form": form}, status=status)
