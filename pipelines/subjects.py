"""What of pipelines can be commented on: a node of a draft."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from pipelines.models import Pipeline
from studio import comments
from studio.comments import Subject
from studio.models import Workspace


def node_key(pipeline: Pipeline, node: str) -> str:
    """The key of a node's comments."""
    return f"{pipeline.pk}:{node}"


def find_node(workspace: Workspace, key: str) -> Subject | None:
    """The node behind a key of :func:`node_key`, as long as it is in the draft."""
    text, _, node = key.partition(":")
    try:
        pk = UUID(text)
    except ValueError:
        return None
    pipeline = Pipeline.objects.filter(workspace=workspace, pk=pk).select_related("workspace").first()
    if pipeline is None or not _is_there(pipeline, node):
        return None
    return Subject(f"{pipeline}, step {node}", f"{pipeline.get_absolute_url()}?{urlencode({'step': node})}")


def open_threads(pipeline: Pipeline) -> dict[str, int]:
    """How many threads of comments are open at each node; nodes without any are left out."""
    found = comments.count_open_under(pipeline.workspace, "node", node_key(pipeline, ""))
    return {key.partition(":")[2]: count for key, count in found.items()}


def follow_rename(pipeline: Pipeline, node: str, new_name: str) -> None:
    """A node has another name now: what was said about it stays with it."""
    comments.move(pipeline.workspace, "node", node_key(pipeline, node), node_key(pipeline, new_name))


def _is_there(pipeline: Pipeline, node: str) -> bool:
    nodes: list[Any] = pipeline.draft.get("nodes") or []
    return any(isinstance(n, dict) and n.get("id") == node for n in nodes)
