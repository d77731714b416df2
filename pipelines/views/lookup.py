"""What the pages of one pipeline share: finding it, and judging its draft."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.shortcuts import get_object_or_404

from pipelines.models import Pipeline
from pipelines.specs import spec as specs
from studio.access import WorkspaceRequest


def get_pipeline(request: WorkspaceRequest, slug: str) -> Pipeline:
    """The workspace's pipeline with this slug, or 404."""
    return get_object_or_404(Pipeline.objects.select_related("saved_by"), workspace=request.workspace, slug=slug)


def get_pipeline_head(request: WorkspaceRequest, slug: str) -> Pipeline:
    """As :func:`get_pipeline`; draft and layout are read only when they are asked for."""
    found = Pipeline.objects.select_related("saved_by").defer("draft", "layout")
    return get_object_or_404(found, workspace=request.workspace, slug=slug)


def judge(draft: Mapping[str, Any]) -> tuple[specs.Spec | None, list[specs.Problem]]:
    """A draft's spec (None when its shape is broken) and every problem."""
    try:
        spec = specs.parse(draft, may_be_empty=True)
    except specs.SpecError as error:
        return None, error.problems
    return spec, specs.validate(spec)
