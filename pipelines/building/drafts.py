"""Drafts: the editable spec of a pipeline, saved so that two tabs or two people never overwrite each other in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from pipelines.building.layout import tidy_layout
from pipelines.models import Pipeline
from pipelines.specs import spec as specs
from studio.lib.errors import StudioError
from studio.models import Workspace


class Conflict(StudioError):
    """Somebody else saved the draft since it was read."""

    def __init__(self) -> None:
        super().__init__(
            "This pipeline was changed in another tab or by somebody else since you opened it.",
            action="Reload to see the newest draft; what you typed is kept on this page until then.",
        )


def create(
    workspace: Workspace, *, name: str, spec: Mapping[str, Any], user: User | None, description: str = ""
) -> Pipeline:
    """A new pipeline under a free slug."""
    base = slugify(name)[:70] or "pipeline"
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=workspace.pk)
        taken = {
            "new",
            *Pipeline.objects.filter(workspace=workspace, slug__startswith=base).values_list("slug", flat=True),
        }
        slug = next(s for s in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if s not in taken)
        return Pipeline.objects.create(
            workspace=workspace, slug=slug, name=name[:120], description=description, draft=dict(spec), created_by=user
        )


def save(
    pipeline: Pipeline,
    *,
    spec: Mapping[str, Any],
    revision: int,
    user: Any = None,
    layout: Mapping[str, Any] | None = None,
) -> int:
    """Save a draft read at ``revision`` and return the new revision. Raises :class:`Conflict` and ``SpecError`` (shape only).

    Without ``layout`` the boxes stay where they are.
    """
    return save_parsed(pipeline, spec=specs.parse(spec, may_be_empty=True), revision=revision, user=user, layout=layout)


def save_parsed(
    pipeline: Pipeline,
    *,
    spec: specs.Spec,
    revision: int,
    user: Any = None,
    layout: Mapping[str, Any] | None = None,
) -> int:
    """As :func:`save`, for a draft that was read already."""
    values: dict[str, Any] = {"draft": spec.as_dict(), "updated_at": timezone.now()}
    if layout is not None:
        values["layout"] = tidy_layout(layout, spec=spec)
    if isinstance(user, User):
        values["saved_by"] = user
    changed = Pipeline.objects.filter(pk=pipeline.pk, revision=revision).update(revision=revision + 1, **values)
    if not changed:
        raise Conflict
    for name, value in values.items():
        setattr(pipeline, name, value)
    pipeline.revision = revision + 1
    return pipeline.revision


def save_by_slug(workspace: Workspace, *, slug: str, name: str, spec: specs.Spec) -> Pipeline:
    """The pipeline with this slug holding this spec as its draft, made when missing: for specs that live in files."""
    pipeline, _ = Pipeline.objects.get_or_create(
        workspace=workspace, slug=slug, defaults={"name": name[:120], "draft": {}}
    )
    draft = spec.as_dict()
    if pipeline.draft != draft:
        pipeline.draft = draft
        pipeline.revision += 1
        pipeline.save(update_fields=["draft", "revision", "updated_at"])
    return pipeline


def with_params(
    draft: Mapping[str, Any], node_id: str, params: Mapping[str, Any], *, ask: Sequence[str] | None = None
) -> dict[str, Any]:
    """A copy of a draft in which one node has other params, and asks for others when ``ask`` is given.

    Raises ``KeyError`` for an unknown node.
    """
    if all(node["id"] != node_id for node in draft["nodes"]):
        raise KeyError(node_id)
    changed: dict[str, Any] = {"params": dict(params)} if ask is None else {"params": dict(params), "ask": list(ask)}
    nodes = [{**node, **changed} if node["id"] == node_id else node for node in draft["nodes"]]
    return {**draft, "nodes": nodes}
