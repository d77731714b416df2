"""What a person does with a run: pause it, go on, begin again from a step, run it again as it was or with changes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from pipelines.building import drafts
from pipelines.models import Force, Run
from pipelines.running import pausing, redoing, runs
from pipelines.specs import diff as spec_diff
from pipelines.specs import spec as specs
from pipelines.steps.teaching import TeacherParams
from pipelines.views.runs import get_run, get_step
from pipelines.watching import commandline, comparing
from studio import audit
from studio.access import WorkspaceRequest, role_required
from studio.lib.errors import StudioError
from studio.registries import STEPS

COSTS = "Confirm that asking the teacher anew is paid for."


def asks_a_teacher(step: str) -> bool:
    """Whether this step asks a language model, so that its answers are kept and cost money."""
    return step in STEPS and issubclass(STEPS[step].Params, TeacherParams)


def _try(request: HttpRequest, do: Callable[[], Any], said: str) -> bool:
    """Do it and say so, or say why not."""
    try:
        do()
    except StudioError as error:
        messages.error(request, f"{error} {error.action}".strip())
        return False
    messages.success(request, said)
    return True


@require_POST
@role_required("editor")
def pause(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Pause now (what is running ends), or at the end of the step ``after``."""
    run, after = get_run(request, number), request.POST.get("after", "")[:60]
    said = (
        f"Run {run.number} pauses after '{after}'."
        if after
        else "Nothing new begins; what is running goes on to its end."
    )
    _try(request, lambda: pausing.pause(run, user=cast(User, request.user), after=after), said)
    return redirect(run)


@require_POST
@role_required("editor")
def go_on(request: WorkspaceRequest, number: int) -> HttpResponse:
    """End the pause, or take back one that waits for the end of the step ``after``."""
    run, after = get_run(request, number), request.POST.get("after", "")[:60]
    if pausing.go_on(run, user=cast(User, request.user), after=after):
        messages.success(request, f"Run {run.number} no longer pauses{f' after {after!r}' if after else ''}.")
    else:
        messages.info(request, f"Run {run.number} was not paused any more.")
    return redirect(run)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def redo(request: WorkspaceRequest, number: int, node: str) -> HttpResponse:
    """Begin again from a step: what is put aside, how far it is forced, and what it costs; then do it."""
    step = get_step(request, number, node)
    problem = ""
    if request.method == "POST":
        force = Force.ANEW if request.POST.get("force") == Force.ANEW else Force.AGAIN
        if force == Force.ANEW and not request.POST.get("pays"):
            problem = COSTS
        else:
            user, later = cast(User, request.user), bool(request.POST.get("later"))
            said = f"Run {number} begins again from '{node}'. What was made before is kept with its attempt."
            if _try(request, lambda: redoing.redo(step, user=user, force=force, later_too=later), said):
                return redirect(step.run)
            return redirect(step)
    names = redoing.find_downstream(step.run.steps.all(), node)
    context = {
        "step": step,
        "run": step.run,
        "later": [s for s in step.run.steps.order_by("position") if s.node in names and s.node != node],
        "teacher": asks_a_teacher(step.step),
        "cost": step.summary.get("cost_usd"),
        "problem": problem,
    }
    return render(request, "pipelines/run_redo.html", context, status=422 if problem else 200)


@require_POST
@role_required("editor")
def again(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Start the same version at once."""
    run = get_run(request, number)
    started = _start(request, run, from_draft=False, force={})
    return redirect(started or run)


@require_http_methods(["GET", "HEAD", "POST"])
@role_required("editor")
def change(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Run again with changes: what the draft does differently from this run, steps to force, and both ways to start."""
    run = get_run(request, number)
    problem = ""
    if request.method == "POST":
        force = {
            s.node: how for s in run.steps.all() if (how := request.POST.get(f"force-{s.node}", "")) in Force.values
        }
        if Force.ANEW in force.values() and not request.POST.get("pays"):
            problem = COSTS
        else:
            started = _start(request, run, from_draft=request.POST.get("what") == "draft", force=force)
            return redirect(started or "run_change", *([] if started else [request.workspace.slug, number]))
    pipeline = run.version.pipeline
    changes = _compare(run.version.spec, pipeline.draft)
    steps = list(run.steps.order_by("position"))
    context = {
        "run": run,
        "pipeline": pipeline,
        "changes": [found for found in changes if found.kind != "same"],
        "steps": [(step, asks_a_teacher(step.step)) for step in steps],
        "teachers": any(asks_a_teacher(step.step) for step in steps),
        "request_key": uuid.uuid4().hex,
        "problem": problem,
        "command": commandline.command_of(run),
    }
    return render(request, "pipelines/run_change.html", context, status=422 if problem else 200)


@require_POST
@role_required("editor")
def adopt(request: WorkspaceRequest, number: int) -> HttpResponse:
    """Make this run's spec the draft and open it. The draft that was there stays as a version when it is a whole spec."""
    run = get_run(request, number)
    pipeline, user = run.version.pipeline, cast(User, request.user)
    revision = request.POST.get("revision", "")
    try:
        kept = _keep_draft(run, user)
        drafts.save(
            pipeline,
            spec=comparing.spec_of(run).as_dict(),
            revision=int(revision) if revision.isdigit() else -1,
            user=user,
            layout=pipeline.layout,
        )
    except drafts.Conflict as conflict:
        messages.error(request, f"{conflict} Look at what differs now, then choose again.")
        return redirect("run_change", request.workspace.slug, number)
    audit.record(request.workspace, actor=user, verb="restored", subject=f"the spec of run {run.number} as the draft")
    messages.success(request, f"The draft is the spec of run {run.number} now.{kept}")
    return redirect(pipeline)


def _keep_draft(run: Run, user: User) -> str:
    try:
        version = runs.freeze(run.version.pipeline, user=user, message=f"The draft before run {run.number} was opened")
    except specs.SpecError:
        return " What it was before had problems, so it is not kept as a version."
    return f" What it was before is version {version.number}."


def _start(request: WorkspaceRequest, run: Run, *, from_draft: bool, force: dict[str, str]) -> Run | None:
    user, key = cast(User, request.user), request.POST.get("request_key", "")[:64]
    try:
        version = runs.freeze(run.version.pipeline, user=user) if from_draft else run.version
        nodes = {node["id"] for node in version.spec["nodes"]}
        chosen = {node: how for node, how in force.items() if node in nodes}
        given = {} if from_draft else run.given
        return runs.start_run(version, user=user, request_key=key, force=chosen, given=given)
    except specs.SpecError as error:
        messages.error(request, f"The run was not started: {error.problems[0]}")
    except StudioError as error:
        messages.error(request, f"{error} {error.action}".strip())
    return None


def _compare(before: Any, after: Any) -> list[spec_diff.NodeChange]:
    return spec_diff.compare(specs.parse(before, may_be_empty=True), specs.parse(after, may_be_empty=True))
