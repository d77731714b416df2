"""What the canvas asks the server for: save a draft, see what others saved, and what a run would do. JSON in and out."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from pipelines import subjects
from pipelines.building import catalogue, drafts, planning
from pipelines.models import Pipeline, Run
from pipelines.specs import spec as specs
from pipelines.views.lookup import get_pipeline_head, judge
from pipelines.watching import runpages
from studio.access import WorkspaceRequest, role_required


def first_state(
    request: WorkspaceRequest, pipeline: Pipeline, spec: specs.Spec | None, problems: list[specs.Problem]
) -> dict[str, Any]:
    """Everything the canvas starts with; ``spec`` and ``problems`` are the draft as it was judged."""
    names = [request.workspace.slug, pipeline.slug]
    return {
        **state(pipeline, spec, problems),
        "comments": subjects.open_threads(pipeline),
        "catalogue": catalogue.list_steps(),
        "canEdit": request.membership.at_least("editor"),
        "me": request.user.get_username(),
        "urls": {
            "save": reverse("pipeline_draft", args=names),
            "state": reverse("pipeline_state", args=names),
            "panel": reverse("pipeline_panel", args=[*names, "NODE"]),
            "page": reverse("pipeline", args=names),
        },
    }


def state(pipeline: Pipeline, spec: specs.Spec | None, problems: list[specs.Problem]) -> dict[str, Any]:
    """The draft, who saved it, and the server's judgement of it (as :func:`judge` gives it)."""
    shown = spec.as_dict() if spec else pipeline.draft
    return {
        "revision": pipeline.revision,
        "savedBy": pipeline.saved_by.get_username() if pipeline.saved_by else "",
        "savedAt": pipeline.updated_at.isoformat(),
        "spec": {"nodes": shown.get("nodes", []), "edges": shown.get("edges", [])},
        "layout": pipeline.layout,
        "details": catalogue.describe_nodes(spec) if spec else {},
        "problems": [problem.as_dict() for problem in problems],
    }


def live(pipeline: Pipeline) -> dict[str, Any]:
    """The newest run of this pipeline: node → state, counts, cost, time and page."""
    run = Run.objects.filter(version__pipeline=pipeline).select_related("workspace").order_by("-number").first()
    if run is None:
        return {}
    steps = {}
    for view in runpages.step_views(run):
        summary = view.step.summary
        steps[view.step.node] = {
            "status": view.status,
            "rowsIn": summary.get("rows_in"),
            "rowsKept": summary.get("rows_kept"),
            "cost": summary.get("cost_usd"),
            "seconds": view.step.seconds,
            "fraction": view.step.fraction if view.status == "running" else None,
            "headline": view.headline,
            "href": reverse("run_step", args=[run.workspace.slug, run.number, view.step.node]),
        }
    return {"run": run.number, "href": run.get_absolute_url(), "state": run.state, "steps": steps}


@require_safe
@role_required("viewer")
def show_state(request: WorkspaceRequest, slug: str) -> JsonResponse:
    """The newest run's steps and the open threads of comments; with ``?revision=`` other than the present one also the draft; with ``?plan=1`` the plan."""
    pipeline = get_pipeline_head(request, slug)
    answer: dict[str, Any] = {
        "revision": pipeline.revision,
        "live": live(pipeline),
        "comments": subjects.open_threads(pipeline),
    }
    if request.GET.get("revision") != str(pipeline.revision):
        answer |= state(pipeline, *judge(pipeline.draft))
    if request.GET.get("plan"):
        answer["plan"] = plan_of(request, pipeline)
    return JsonResponse(answer)


def plan_of(request: WorkspaceRequest, pipeline: Pipeline) -> dict[str, Any] | None:
    """What a run of the draft would do, or None for a draft that can't be read."""
    spec, _ = judge(pipeline.draft)
    if spec is None:
        return None
    plans = planning.plan(spec, workspace_id=request.workspace.pk, pipeline_id=pipeline.pk)
    return {
        "nodes": {name: plan.as_json() for name, plan in plans.items()},
        "totals": planning.totals(plans),
        "advice": [{"node": name, "text": text} for name, plan in plans.items() for text in plan.advice],
    }


@require_POST
@role_required("editor")
def save(request: WorkspaceRequest, slug: str) -> JsonResponse:
    """Save the draft sent as JSON ``{revision, spec, layout}``: 200 with the judgement, 409 with what another saved, 422."""
    pipeline = get_pipeline_head(request, slug)
    body = read_body(request)
    if body is None:
        return JsonResponse({"message": "What was sent is not a draft.", "action": "Reload the page."}, status=400)
    try:
        given = {"schema": specs.SCHEMA, "nodes": None, "edges": None, **body["spec"]}
        spec = specs.parse(given, may_be_empty=True)
        drafts.save_parsed(
            pipeline,
            spec=spec,
            revision=body["revision"],
            user=request.user,
            layout=body.get("layout"),
        )
    except drafts.Conflict as conflict:
        pipeline.refresh_from_db()
        answer = {"message": str(conflict), "action": conflict.action, **state(pipeline, *judge(pipeline.draft))}
        return JsonResponse(answer, status=409)
    except specs.SpecError as error:
        return JsonResponse({"problems": [problem.as_dict() for problem in error.problems]}, status=422)
    answer = state(pipeline, spec, specs.validate(spec))
    del answer["spec"], answer["layout"]
    return JsonResponse(answer)


def read_body(request: HttpRequest) -> dict[str, Any] | None:
    """The request's JSON when it has the shape of a draft, else None."""
    if len(request.body) > specs.MAX_BYTES:
        return None
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        return None
    fits = isinstance(body, dict) and isinstance(body.get("spec"), dict) and isinstance(body.get("revision"), int)
    if not fits or not isinstance(body.get("layout"), dict | None):
        return None
    return dict(body)
