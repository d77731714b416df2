"""The picture of a graph: layers from left to right, text escaped, nothing drawn that nobody could read."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from pipelines.building import pictures
from pipelines.samples import templates
from pipelines.specs import spec as specs
from tests.pipelines.specs.test_text import chained

SVG = "{http://www.w3.org/2000/svg}"


def drawn(value: Any, **more: Any) -> ElementTree.Element:
    return ElementTree.fromstring(pictures.draw_graph(specs.parse(value), title="<A & b>", **more))


def test_every_step_is_a_box_and_every_edge_a_line() -> None:
    for template in templates.list_templates():
        spec = templates.load(template.name)
        svg = drawn(spec)
        assert len(svg.findall(f"{SVG}g")) == len(spec["nodes"])
        assert len(svg.findall(f"{SVG}path")) == len(spec["edges"])
        assert svg.get("role") == "img" and svg.get("aria-label") == "<A & b>"


def test_each_step_stands_right_of_what_feeds_it() -> None:
    spec = specs.parse(templates.load("classification"))
    column = {name: i for i, layer in enumerate(pictures.arrange(spec)) for name in layer}
    assert all(column[e.source] < column[e.target] for e in spec.edges)


def test_labels_states_and_facts_are_escaped_text_and_classes() -> None:
    spec = {"schema": 1, "nodes": [{"id": "a", "step": "<b>"}, {"id": "c", "step": "split"}], "edges": []}
    svg = drawn(spec, labels=True, states={"a": 'failed" onload="x', "c": "succeeded"}, facts={"c": "1 < 2"})
    box = svg.find(f"{SVG}g")
    assert box is not None and "onload" not in box.attrib
    assert [t.text for t in svg.iter(f"{SVG}text")] == ["<b>", "Split", "1 < 2"]
    assert "style" not in ElementTree.tostring(svg, encoding="unicode")


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert pictures.draw_graph(specs.parse(chained(3, closed=True)), title="") == ""
    assert pictures.draw_graph(specs.parse(chained(301)), title="") == ""
    assert pictures.draw_graph(specs.Spec((), ()), title="") == ""
    loose = {"schema": 1, "nodes": [{"id": "a", "step": "split"}], "edges": [{"from": "a.train", "to": "gone.rows"}]}
    assert len(drawn(loose).findall(f"{SVG}path")) == 0
