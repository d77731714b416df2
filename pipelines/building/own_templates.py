"""Templates of a team's own: a pipeline's spec under a name, with or without the data it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from pipelines.building import drafts, pictures
from pipelines.models import Pipeline, PipelineTemplate
from pipelines.specs import spec as specs
from studio import audit
from studio.lib.errors import StudioError
from studio.lib.params import describe
from studio.models import Workspace
from studio.registries import STEPS

OF_THE_WORKSPACE = {"dataset", "credential"}
"""Kinds of parameters that name a thing of one workspace."""


def list_own(workspace: Workspace) -> list[tuple[PipelineTemplate, str]]:
    """The workspace's templates by name, each with its picture (blank for one that can't be drawn)."""
    found = PipelineTemplate.objects.filter(workspace=workspace).select_related("created_by")
    return [(template, _picture(template)) for template in found]


def _picture(template: PipelineTemplate) -> str:
    try:
        spec = specs.parse(template.spec)
    except specs.SpecError:
        return ""
    return pictures.draw_graph(spec, title=f"{len(spec.nodes)} steps of {template.name}")


def without_data(spec: specs.Spec) -> dict[str, Any]:
    """The spec without what it names of its workspace: datasets and their versions, held-out versions, credentials."""
    document = spec.as_dict()
    for node in document["nodes"]:
        step = STEPS.get(node["step"])
        if step is None:
            continue
        dropped = {f.name for f in describe(step.Params) if f.kind in OF_THE_WORKSPACE}
        if "dataset" in dropped:
            dropped.add("version")
        if node["step"] == "leakage_guard":
            dropped.add("versions")
        node["params"] = {name: value for name, value in node["params"].items() if name not in dropped}
    return document


def save(pipeline: Pipeline, *, name: str, promise: str, with_data: bool, user: User | None) -> PipelineTemplate:
    """The pipeline's draft as a template. Raises ``StudioError`` for a name that is taken and for a draft that can't be read."""
    spec = specs.parse(pipeline.draft)
    document = spec.as_dict() if with_data else without_data(spec)
    made = PipelineTemplate(workspace=pipeline.workspace, name=name, promise=promise, spec=document, created_by=user)
    _store(made)
    audit.record(pipeline.workspace, actor=user or "command line", verb="saved", subject=f"template {name}")
    return made


def rename(template: PipelineTemplate, *, name: str, promise: str, user: User) -> None:
    """Give a template another name and promise. Raises ``StudioError`` for a name that is taken."""
    template.name, template.promise = name, promise
    _store(template)
    audit.record(template.workspace, actor=user, verb="renamed", subject=f"template {name}")


def _store(template: PipelineTemplate) -> None:
    try:
        with transaction.atomic():
            template.save()
    except IntegrityError:
        raise StudioError(f"There is a template “{template.name}” already.", action="Choose another name.") from None


def delete(template: PipelineTemplate, *, user: User) -> None:
    """Delete a template; pipelines made from it stay."""
    workspace, name = template.workspace, template.name
    template.delete()
    audit.record(workspace, actor=user, verb="deleted", subject=f"template {name}")


def open_data(template: PipelineTemplate) -> list[str]:
    """Ids of its steps that read a dataset and name none: what a person chooses first."""
    return [
        n["id"] for n in template.spec["nodes"] if n["step"] == "dataset" and not n.get("params", {}).get("dataset")
    ]


def use(template: PipelineTemplate, *, name: str, datasets: Mapping[str, str], user: User) -> Pipeline:
    """A new pipeline from a template; ``datasets``: step → dataset. Raises ``SpecError`` for a template of a newer Studio."""
    document = specs.parse(template.spec).as_dict()
    for node in document["nodes"]:
        if datasets.get(node["id"]):
            node["params"] = {**node["params"], "dataset": datasets[node["id"]]}
    made = drafts.create(template.workspace, name=name, spec=document, user=user, description=template.promise)
    audit.record(
        template.workspace, actor=user, verb="created", subject=f"pipeline {made.slug} from template {template.name}"
    )
    return made
