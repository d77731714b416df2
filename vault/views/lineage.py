"""The lineage of a dataset: from the uploaded files to every model made of its rows."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from studio.access import WorkspaceRequest, role_required
from vault import uses
from vault.lineage_graph import HEIGHT, WIDTH, Graph, Node, lay_out, outline
from vault.models import Dataset, DatasetVersion

MOST = 60
"""Versions that one picture shows, the newest."""


@role_required("viewer")
@require_safe
def show(request: WorkspaceRequest, slug: str) -> HttpResponse:
    """A picture in layers, and the same as a list."""
    dataset = get_object_or_404(Dataset.objects.select_related("workspace"), workspace=request.workspace, slug=slug)
    versions = list(dataset.versions.select_related("artifact", "parent")[:MOST])
    graph = draw(dataset, versions)
    context = {
        "dataset": dataset,
        "version": versions[0] if versions else None,
        "tab": "lineage",
        "graph": graph,
        "outline": outline(graph),
        "box": {"width": WIDTH, "height": HEIGHT},
        "older": dataset.versions.count() - len(versions),
    }
    return render(request, "vault/lineage.html", context)


def draw(dataset: Dataset, versions: list[DatasetVersion]) -> Graph:
    """The graph of these versions (newest first)."""
    graph = Graph()
    here = dataset.workspace.slug
    nodes: dict[object, Node] = {}
    for version in reversed(versions):
        node = Node(
            f"version-{version.number}",
            1,
            f"v{version.number} · {version.rows:,} rows",
            version.message,
            reverse("dataset_version", args=[here, dataset.slug, version.number]),
            "wait" if version.held_out else "",
        )
        nodes[version.pk] = graph.add(node)
        if (file := version.summary.get("file")) and not version.parent_id:
            upload = graph.add(Node(f"file-{version.summary.get('sha256', file)}", 0, str(file), "uploaded"))
            graph.link(upload, node)
        if version.parent_id in nodes:
            graph.link(nodes[version.parent_id], node, "edited")
    found = uses.find(dataset.workspace, {version.artifact.sha256 for version in versions})
    for version in reversed(versions):
        for use in reversed(found[version.artifact.sha256]):
            add_use(graph, nodes[version.pk], use)
    return lay_out(graph)


def add_use(graph: Graph, version: Node, use: uses.Use) -> None:
    """A run of a version, with what it made."""
    run = graph.add(Node(f"run-{use.href}", 2, use.run, use.pipeline, use.href, use.state))
    graph.link(version, run)
    figure = use.figures[0] if use.figures else None
    students = []
    for made in (one for one in use.models if one.kind == "adapter"):
        score = f"{figure.metric.replace('_', ' ')} {figure.value * 100:.1f} %" if figure else "not evaluated"
        students.append(graph.add(Node(f"adapter-{made.href}-{made.note}", 3, made.label, score, made.href, "student")))
        graph.link(run, students[-1])
    for made in (one for one in use.models if one.kind == "gguf"):
        model = graph.add(Node(f"gguf-{made.href}", 4, made.label, made.note, made.href, "quantised"))
        for source in students or [run]:
            graph.link(source, model)
