"""Starting a run with values of its own: a short form of what the pipeline asks, and of any other setting one adds."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from pipelines.building import overrides
from pipelines.building.stepforms import FormField, form_fields
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.specs import spec as specs
from pipelines.views.lookup import get_pipeline, judge
from pipelines.watching.runpages import shown
from studio.access import WorkspaceRequest, role_required
from studio.lib import params as params_lib
from studio.lib.params import describe
from studio.models import Workspace
from studio.registries import STEPS

Place = tuple[str, str]
"""A node and one of its parameters."""


@dataclass(frozen=True)
class Section:
    """The fields of one step. ``prefix`` stands before their names in the form."""

    node: str
    label: str
    prefix: str
    fields: tuple[FormField, ...]


@dataclass(frozen=True)
class GivenView:
    """A value that was given at a run's start, and what the version says instead."""

    node: str
    label: str
    value: str
    instead_of: str


def begin(request: WorkspaceRequest, pipeline: Pipeline, *, given: overrides.Given) -> HttpResponse:
    """Freeze the draft, start a run of it with ``given``, and go there. Raises ``SpecError``.

    A run of the same with the same that is under way is shown instead of starting a twin, unless ``another`` is posted.
    """
    user = cast(User, request.user)
    version = runs.freeze(pipeline, user=user, given=given)
    twin = None if request.POST.get("another") else runs.find_live(version, given=given)
    if twin is not None:
        messages.info(
            request,
            f"Run {twin.number} of this very version is already under way; no second one was started. "
            "To start another all the same, use the menu beside Start run.",
        )
        return redirect(twin)
    key = request.POST.get("request_key", "")[:64]
    return redirect(runs.start_run(version, user=user, request_key=key, given=given))


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def show(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """The form, and what it is sent to. ``?run=`` proposes the values of an earlier run; ``intent=add`` adds a field."""
    pipeline = get_pipeline(request, slug)
    spec, problems = judge(pipeline.draft)
    if spec is None:
        messages.error(request, "This pipeline can't be read; mend it before you start a run.")
        return redirect(pipeline)
    proposed = _earlier(request, pipeline, spec)
    places = find_places(request, spec, proposed)
    if request.method != "POST":
        return _page(request, pipeline, spec, places, values=proposed, problems=[])
    typed = read_typed(request, spec, places)
    given = overrides.differences(spec, typed)
    problems = specs.validate(overrides.lay_over(spec, typed))
    if request.POST.get("intent") == "add":
        shown_problems = [p for p in problems if (p.node, p.field.split(".")[0]) in places and p.node in given]
        return _page(request, pipeline, spec, places, values=typed, problems=shown_problems)
    if problems:
        return _page(request, pipeline, spec, places, values=typed, problems=problems, status=422)
    return begin(request, pipeline, given=given)


def _earlier(request: WorkspaceRequest, pipeline: Pipeline, spec: specs.Spec) -> dict[str, dict[str, Any]]:
    """The values of the run named by ``?run=``, as far as the draft still has their settings."""
    number = request.GET.get("run", "")
    if not number.isdigit() or len(number) > 9:
        return {}
    run = Run.objects.filter(version__pipeline=pipeline, number=int(number)).first()
    given = run.given if run else {}
    known = {
        (node.id, name) for node in spec.nodes if node.step in STEPS for name in STEPS[node.step].Params.model_fields
    }
    return {node: {n: v for n, v in values.items() if (node, n) in known} for node, values in given.items()}


def find_places(request: WorkspaceRequest, spec: specs.Spec, proposed: overrides.Given) -> list[Place]:
    """The parameters of the form, in the order of the steps: asked, proposed, added before, and added now."""
    wanted = {tuple(place.split(".", 1)) for place in (*request.POST.getlist("field"), request.POST.get("also", ""))}
    wanted |= {(node, name) for node, values in proposed.items() for name in values}
    found = []
    for node in spec.nodes:
        if node.step in STEPS:
            names = STEPS[node.step].Params.model_fields
            found += [(node.id, name) for name in names if name in node.ask or (node.id, name) in wanted]
    return found


def read_typed(request: WorkspaceRequest, spec: specs.Spec, places: list[Place]) -> dict[str, dict[str, Any]]:
    """What was typed into the fields that were shown; an emptied field says nothing unless its parameter may be empty."""
    shown_before = {tuple(place.split(".", 1)) for place in request.POST.getlist("field")}
    typed: dict[str, dict[str, Any]] = {}
    for node in {node for node, _ in places}:
        values = params_lib.parse_form(STEPS[spec.node(node).step].Params, request.POST, prefix=f"{node}.")
        mine = {name: v for name, v in values.items() if (node, name) in places and (node, name) in shown_before}
        if mine:
            typed[node] = mine
    return typed


def _page(
    request: WorkspaceRequest,
    pipeline: Pipeline,
    spec: specs.Spec,
    places: list[Place],
    *,
    values: overrides.Given,
    problems: list[specs.Problem],
    status: int = 200,
) -> HttpResponse:
    at_fields = set(places)
    context = {
        "pipeline": pipeline,
        "sections": make_sections(spec, places, values=values, problems=problems, workspace=request.workspace),
        "places": [f"{node}.{name}" for node, name in places],
        "others": _others(spec, places),
        "elsewhere": [p for p in problems if (p.node, p.field.split(".")[0]) not in at_fields],
        "wrong": len(problems),
        "request_key": request.POST.get("request_key", "")[:64] or uuid.uuid4().hex,
        "another": request.POST.get("another", ""),
        "command": command(pipeline, overrides.differences(spec, values)),
    }
    return render(request, "pipelines/start.html", context, status=status)


def make_sections(
    spec: specs.Spec,
    places: list[Place],
    *,
    values: overrides.Given,
    problems: list[specs.Problem],
    workspace: Workspace,
) -> list[Section]:
    """The fields of these places, by step, with ``values`` over those of the spec."""
    sections = []
    for node in spec.nodes:
        names = [name for at, name in places if at == node.id]
        if names:
            step = STEPS[node.step]
            merged = {**node.params, **values.get(node.id, {})}
            mine = [p for p in problems if p.node == node.id]
            fields = form_fields(step, values=merged, problems=mine, workspace=workspace)
            shown_fields = tuple(f for f in fields if f.field.name in names)
            sections.append(Section(node.id, step.label, f"{node.id}.", shown_fields))
    return sections


def _others(spec: specs.Spec, places: list[Place]) -> list[tuple[str, list[tuple[str, str]]]]:
    """What else can be set: step → ``(node.param, label)``."""
    found = []
    for node in spec.nodes:
        if node.step in STEPS:
            fields = describe(STEPS[node.step].Params)
            rest = [(f"{node.id}.{f.name}", f.label) for f in fields if (node.id, f.name) not in places]
            if rest:
                found.append((f"{STEPS[node.step].label} ({node.id})", rest))
    return found


def command(pipeline: Pipeline, given: overrides.Given) -> str:
    """The same run from the command line."""
    start = f"python manage.py run_pipeline {pipeline.slug}.yaml --workspace {shlex.quote(pipeline.workspace.slug)}"
    return f"{start} {overrides.command_options(given)}".strip()


def describe_given(run: Run) -> list[GivenView]:
    """The values given at a run's start, for people."""
    return name_values(run.version.spec, run.given) if run.given else []


def name_values(spec: Mapping[str, Any], given: overrides.Given) -> list[GivenView]:
    """Given values beside those of a spec (plain values), for people."""
    nodes: Mapping[str, Any] = {node["id"]: node for node in spec.get("nodes", [])}
    found = []
    for name, values in given.items():
        node = nodes.get(name, {})
        step = STEPS.get(node.get("step", ""))
        fields = {f.name: f for f in describe(step.Params)} if step else {}
        for param, value in values.items():
            field = fields.get(param)
            before = (node.get("params") or {}).get(param, field.default if field else None)
            found.append(GivenView(name, field.label if field else param, shown(value), shown(before)))
    return found
