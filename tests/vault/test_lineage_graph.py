from __future__ import annotations

from vault.lineage_graph import Graph, Node, lay_out, outline


def build() -> Graph:
    graph = Graph()
    file = graph.add(Node("file", 0, "a.csv"))
    first, second = graph.add(Node("v1", 1, "v1")), graph.add(Node("v2", 1, "v2"))
    runs = [graph.add(Node(f"r{n}", 2, f"Run {n}")) for n in range(3)]
    graph.link(file, first)
    graph.link(first, second, "edited")
    graph.link(second, runs[0])
    graph.link(first, runs[1])
    graph.link(first, runs[2])
    graph.link(first, runs[2])
    return lay_out(graph)


def test_layers_stand_side_by_side_and_nothing_overlaps() -> None:
    graph = build()
    places = [(node.x, node.y) for node in graph.nodes.values()]
    assert len(set(places)) == len(places)
    assert [name for name, _, _ in graph.layers] == ["File", "Version", "Run"]
    assert all(a.x < b.x for a, b in ((link.source, link.target) for link in graph.links if link.kind == "made"))
    assert graph.width > max(x for x, _ in places) and graph.height > max(y for _, y in places)


def test_nodes_stand_near_what_they_came_of() -> None:
    _, _, runs = build().layers[2]
    assert [node.label for node in runs] == ["Run 1", "Run 2", "Run 0"]


def test_a_link_is_drawn_once_and_the_list_says_the_same() -> None:
    graph = build()
    assert len(graph.links) == 5
    words = {node.label: [source.label for source in sources] for _, nodes in outline(graph) for node, sources in nodes}
    assert words == {"a.csv": [], "v1": ["a.csv"], "v2": ["v1"], "Run 0": ["v2"], "Run 1": ["v1"], "Run 2": ["v1"]}


def test_an_empty_graph_has_no_size_to_speak_of() -> None:
    graph = lay_out(Graph())
    assert graph.layers == [] and graph.links == []
