"""The versions of a pipeline: who froze what and why, what differs, back to an older one, and specs from files."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import Count
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from pipelines.building import drafts
from pipelines.building.forms import ImportForm
from pipelines.models import Pipeline, PipelineVersion
from pipelines.running import runs
from pipelines.specs import diff as spec_diff
from pipelines.specs import schema as spec_schema
from pipelines.specs import spec as specs
from pipelines.views.lookup import get_pipeline, judge
from studio import audit
from studio.access import WorkspaceRequest, role_required

DRAFT = "draft"


@require_safe
@role_required("viewer")
def index(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Every version, newest first, each with what it changed against the one before it."""
    pipeline = get_pipeline(request, slug)
    versions = list(
        pipeline.versions.select_related("created_by").annotate(run_count=Count("runs")).order_by("-number")
    )
    rows = []
    for place, version in enumerate(versions):
        before = versions[place + 1] if place + 1 < len(versions) else None
        changed = spec_diff.count(_compare(before.spec, version.spec)) if before else {}
        rows.append((version, before, changed))
    spec, problems = judge(pipeline.draft)
    differs = spec is not None and (not versions or runs.digest_of(versions[0]) != spec.digest())
    context = {"pipeline": pipeline, "rows": rows, "differs": differs, "problems": problems}
    return render(request, "pipelines/versions.html", context)


@require_safe
@role_required("viewer")
def diff(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """What differs between two versions: ``?before=2&after=3``; "draft" is the draft. Without: the newest and the draft."""
    pipeline = get_pipeline(request, slug)
    numbers = [str(number) for number in pipeline.versions.values_list("number", flat=True)]
    newest = numbers[0] if numbers else DRAFT
    names = [request.GET.get("before", newest), request.GET.get("after", DRAFT)]
    sides = [_side(pipeline, name) for name in names]
    changes = _compare(*sides)
    context = {
        "pipeline": pipeline,
        "before": names[0],
        "after": names[1],
        "choices": [(DRAFT, "Draft"), *((number, f"Version {number}") for number in numbers)],
        "changes": [change for change in changes if change.kind != "same"],
        "same": [change for change in changes if change.kind == "same"],
        "counts": spec_diff.count(changes),
    }
    return render(request, "pipelines/diff.html", context)


def _side(pipeline: Pipeline, name: str) -> Any:
    if name == DRAFT:
        return pipeline.draft
    if not name.isdigit() or len(name) > 9:
        raise Http404("There is no such version.")
    return get_object_or_404(PipelineVersion, pipeline=pipeline, number=int(name)).spec


def _compare(before: Any, after: Any) -> list[spec_diff.NodeChange]:
    return spec_diff.compare(specs.parse(before, may_be_empty=True), specs.parse(after, may_be_empty=True))


@require_POST
@role_required("editor")
def save(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """Freeze the draft with a message, without running it."""
    pipeline = get_pipeline(request, slug)
    here = redirect("pipeline_versions", request.workspace.slug, slug)
    try:
        version = runs.freeze(pipeline, user=request.user, message=request.POST.get("message", "").strip()[:300])
    except specs.SpecError as error:
        messages.error(request, f"The draft can't become a version yet: {error.problems[0]}")
        return here
    audit.record(request.workspace, actor=cast(User, request.user), verb="saved", subject=str(version))
    messages.success(request, f"Version {version.number} is saved.")
    return here


@require_POST
@role_required("editor")
def restore(request: WorkspaceRequest, slug: str, number: int) -> HttpResponse:
    """Make an older version the draft. What the draft was is in the version list only if it was saved there."""
    pipeline = get_pipeline(request, slug)
    version = get_object_or_404(PipelineVersion, pipeline=pipeline, number=number)
    revision = request.POST.get("revision", "")
    try:
        drafts.save(
            pipeline,
            spec=version.spec,
            revision=int(revision) if revision.isdigit() else -1,
            user=request.user,
            layout=pipeline.layout,
        )
    except drafts.Conflict as conflict:
        messages.error(request, f"{conflict} Look at it, then restore again.")
        return redirect("pipeline_versions", request.workspace.slug, slug)
    audit.record(request.workspace, actor=cast(User, request.user), verb="restored", subject=str(version))
    messages.success(request, f"The draft is version {number} again.")
    return redirect(pipeline)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def import_spec(request: WorkspaceRequest) -> HttpResponse:
    """A pipeline from a YAML or JSON file, or from text; every problem of its shape is listed."""
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    problems: list[specs.Problem] = []
    if request.method == "POST" and form.is_valid():
        try:
            document = specs.load_text(form.cleaned_data["text"])
            spec = specs.parse(document)
        except specs.SpecError as error:
            problems = error.problems
        else:
            name = form.cleaned_data["name"] or str(document.get("name") or "Imported pipeline")
            user = cast(User, request.user)
            pipeline = drafts.create(
                request.workspace,
                name=name[:120],
                spec=spec.as_dict(),
                user=user,
                description=str(document.get("description") or "")[:2000],
            )
            audit.record(request.workspace, actor=user, verb="imported", subject=f"pipeline {pipeline.slug}")
            messages.success(request, f"Pipeline '{pipeline.name}' made from the file.")
            if document.get("imports"):
                messages.info(
                    request,
                    "The file's 'imports' say how run_pipeline reads data files. A pipeline in the Studio has none: upload "
                    f"the files under these names: {', '.join(map(str, document['imports']))[:300]}.",
                )
            return redirect(pipeline)
    status = 422 if request.method == "POST" else 200
    return render(request, "pipelines/import.html", {"form": form, "problems": problems}, status=status)


@require_safe
@role_required("viewer")
def schema(request: WorkspaceRequest) -> JsonResponse:
    """The JSON Schema of specs."""
    return JsonResponse(spec_schema.json_schema(), json_dumps_params={"ensure_ascii": False})
