"""Specs: every mistake is found, said in words, and comes with what to do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.specs import spec as specs
from tests.pipelines.toys import chain


@pytest.fixture(autouse=True)
def _toys(toy_steps: list[str]) -> None:
    """Validate against the toy steps."""


def problems_of(value: Any) -> list[str]:
    try:
        return [str(p) for p in specs.validate(specs.parse(value))]
    except specs.SpecError as error:
        return [str(p) for p in error.problems]


def test_a_good_spec_has_no_problems_and_round_trips() -> None:
    spec = specs.parse(chain(text="hi"))
    assert specs.validate(spec) == []
    assert specs.parse(spec.as_dict()) == spec
    assert specs.parse(specs.load_text(specs.dump_yaml(spec.as_dict()))).digest() == spec.digest()
    assert spec.order() == ["make", "say"]


def test_all_problems_are_collected_at_once() -> None:
    value = chain(texxt="hi", cap="much")
    value["nodes"][0] = {"id": "make", "step": "sourc"}
    value["edges"].append({"from": "make.rows", "to": "say.rows"})
    found = " ".join(problems_of(value))
    assert "There is no step 'sourc'. Did you mean 'source'" in found
    assert "no such parameter" in found and "Did you mean 'text'?" in found
    assert "say.cap" in found
    assert "wired twice" in found


def test_an_unwired_input_is_named() -> None:
    value = chain()
    value["edges"] = []
    assert problems_of(value) == ["say.rows: The input 'rows' (rows to answer) is not wired. Connect a dataset to it."]


def test_a_cycle_is_named_in_order() -> None:
    value = {
        "schema": 1,
        "nodes": [{"id": "a", "step": "answer"}, {"id": "b", "step": "answer"}],
        "edges": [{"from": "a.rows", "to": "b.rows"}, {"from": "b.rows", "to": "a.rows"}],
    }
    assert any("wait for each other" in p and "→" in p for p in problems_of(value))


def test_edges_to_nothing_and_between_kinds_are_refused() -> None:
    value = chain()
    value["edges"] = [{"from": "mke.rows", "to": "say.rows"}, {"from": "make.lines", "to": "say.rows"}]
    found = " ".join(problems_of(value))
    assert "Did you mean 'make'?" in found
    assert "has no output 'lines'" in found
    value = chain()
    value["nodes"].append({"id": "t", "step": "export_gguf"})
    value["edges"].append({"from": "make.rows", "to": "t.student"})
    assert any("takes an adapter" in p for p in problems_of(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([], "mapping"),
        ({"schema": 99, "nodes": [{"id": "a", "step": "source"}]}, "Update the Studio"),
        ({"nodes": [{"id": "a", "step": "source"}]}, "schema: 1"),
        ({"schema": 1, "nodes": []}, "at least one node"),
        ({"schema": 1, "nodes": [{"id": "A b", "step": "source"}]}, "lower-case"),
        ({"schema": 1, "nodes": [{"id": "a", "step": "source"}, {"id": "a", "step": "source"}]}, "Two nodes"),
        ({"schema": 1, "nodes": [{"id": "a", "step": "source", "x": 1}]}, "no 'x'"),
        ({"schema": 1, "nodes": [{"id": "a", "step": "source"}], "edgs": []}, "Did you mean 'edges'?"),
        ({"schema": 1, "nodes": [{"id": "a", "step": "source"}], "edges": [{"from": "a"}]}, "Edge 1"),
    ],
)
def test_mistakes_of_shape_are_explained(value: Any, expected: str) -> None:
    assert expected in " ".join(problems_of(value))


def test_yaml_mistakes_name_the_line() -> None:
    with pytest.raises(specs.SpecError, match="line 2"):
        specs.load_text("schema: 1\nnodes: [")


def test_aliases_that_could_fill_the_memory_are_refused() -> None:
    bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
    with pytest.raises(specs.SpecError, match="aliases"):
        specs.load_text(bomb)


def test_a_spec_of_many_megabytes_is_refused_unread() -> None:
    with pytest.raises(specs.SpecError, match="bytes"):
        specs.load_text("x" * (specs.MAX_BYTES + 1))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["schema", "nodes", "edges", "id", "step", "params", "from", "to", "x"]), inner, max_size=5
        )
    ),
    max_leaves=20,
)


@given(json_values)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_value_whatever_makes_the_judge_fall_over(value: Any) -> None:
    problems_of(value)


def test_what_a_node_depends_on_is_a_spec_of_its_own() -> None:
    nodes = tuple(specs.Node(name, "filter_length") for name in ("a", "b", "c", "d"))
    edges = tuple(specs.Edge(x, "rows", y, "rows") for x, y in (("a", "b"), ("b", "c"), ("b", "d")))
    above = specs.Spec(nodes, (*edges, specs.Edge("gone", "rows", "c", "more"))).above("c")
    assert [n.id for n in above.nodes] == ["a", "b", "c"]
    assert [(e.source, e.target) for e in above.edges] == [("a", "b"), ("b", "c")]
