"""Specs as text: hostile text ends quickly and in words; what is written reads back the same and differs by little."""

from __future__ import annotations

import difflib
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.specs import spec as specs
from pipelines.specs import text as spec_text

MIB = 1 << 20


def refusal(text: str) -> str:
    with pytest.raises(specs.SpecError) as caught:
        specs.parse(specs.load_text(text))
    return str(caught.value)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, levels)]
    return "\n".join(lines)


def spec_of(nodes: str) -> str:
    return f"schema: 1\nnodes: {nodes}\n"


HOSTILE = {
    "five megabytes": ("a: " + "x" * (5 * MIB), "at most 1,000,000"),
    "five megabytes of nodes": (spec_of("[" + "{id: a, step: split}," * 250_000 + "]"), "at most 1,000,000"),
    "a billion laughs": (bomb(20), "aliases"),
    "an anchor on itself": ("a: &a [*a]", "aliases"),
    "a merge key": ("base: &b {x: 1}\nother: {<<: *b}", "aliases"),
    "flow nesting": ("[" * 200_000, "nesting"),
    "closed flow nesting": ("[" * 100_000 + "]" * 100_000, "nesting"),
    "mapping nesting": ("{a: " * 100_000 + "}" * 100_000, "nested"),
    "block nesting": ("\n".join("  " * i + "a:" for i in range(200)), "nested more than 40 deep"),
    "JSON nesting": ('{"a": ' * 100_000 + "1" + "}" * 100_000, "nested"),
    "a list of 300,000 values": ("[" + "1," * 300_000 + "]", "more than 200,000 values"),
    "a key twice": ("schema: 1\nnodes: []\nnodes: []", "on line 3: the key 'nodes' stands twice"),
    "a key twice in JSON": ('{"schema": 1, "schema": 1}', "the key 'schema' stands twice"),
    "a key twice in params": (spec_of("[{id: a, step: split, params: {test: 0.1, test: 0.9}}]"), "'test' stands twice"),
    "a null byte": ("schema: 1\nnodes: \x00", "a null byte stands there"),
    "an escaped null byte": (spec_of('[{id: a, step: dataset, params: {dataset: "a\\0b"}}]'), "null byte"),
    "an escaped null byte in JSON": (
        '{"schema": 1, "nodes": [{"id": "a", "step": "dataset", "params": {"dataset": "a\\u0000b"}}]}',
        "At nodes[0].params.dataset: the value holds a null byte",
    ),
    "half a character": (
        '{"schema": 1, "nodes": [{"id": "a", "step": "dataset", "params": {"dataset": "\\ud800"}}]}',
        "lone surrogate",
    ),
    "a huge number": (spec_of(f"[{{id: a, step: split, params: {{seed: {'9' * 400}}}}}]"), "more than 63 bits"),
    "a number of a million digits": (f"a: {'9' * 900_000}", "thousands of digits"),
    "a number of a million digits in JSON": (f'{{"a": {"9" * 900_000}}}', "thousands of digits"),
    "infinity": (spec_of("[{id: a, step: split, params: {test: .inf}}]"), "infinite"),
    "1e999": ('{"schema": 1, "nodes": [{"id": "a", "step": "split", "params": {"test": 1e999}}]}', "infinite"),
    "NaN in JSON": ('{"schema": 1, "nodes": NaN}', "NaN is not a number"),
    "NaN in YAML": (spec_of("[{id: a, step: split, params: {test: .nan}}]"), "not a number"),
    "a Python tag": ("!!python/object/apply:os.system ['true']", "tags (tag:yaml.org,2002:python/object"),
    "a tag inside": (spec_of("[{id: !secret a, step: split}]"), "tags (!secret)"),
    "binary": ("a: !!binary aGk=", "tags"),
    "a set": ("a: !!set {x, y}", "tags"),
    "two documents": ("schema: 1\n---\nschema: 1", "another document"),
    "a number as a key": (spec_of("[{id: a, step: split, params: {1: 2}}]"), "the key 1 is not text"),
    "a list as a key": ("? [a]\n: 1", "unhashable"),
    "a tab": ("a:\n\t- b", "line 2"),
    "nothing": ("", "mapping"),
    "a word": ("hello", "mapping"),
    "control characters": ("a: \x07", "control characters"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_words_and_in_little_memory(name: str) -> None:
    text, said = HOSTILE[name]
    tracemalloc.start()
    try:
        message = refusal(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said in message
    assert len(message) < 2_000
    assert peak < 64 * MIB


def test_a_date_is_text() -> None:
    assert specs.load_text("a: 2024-01-01") == {"a": "2024-01-01"}


def test_what_is_refused_says_what_to_do() -> None:
    with pytest.raises(specs.SpecError) as caught:
        specs.load_text("a: [")
    assert caught.value.problems[0].fix == "Mend the text."


@given(
    st.text(max_size=200)
    | st.text("{}[]:,-&*!|>'\"\\ \n\tab1.~<", max_size=60)
    | st.binary(max_size=80).map(lambda b: b.decode("latin-1"))
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_whatever_gets_past_with_anything_but_a_spec_or_words(text: str) -> None:
    try:
        value = specs.load_text(text)
        json.dumps(specs.parse(value).as_dict(), allow_nan=False).encode()
    except specs.SpecError as error:
        assert all(problem.message for problem in error.problems)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.characters()
    | st.dates()
    | st.binary(max_size=3)
)
wild = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["schema", "nodes", "edges", "id", "step", "params", "note", "from", "to"])
            | st.integers(0, 3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(wild, st.sampled_from([None, 0, 1, 2]), wild, wild)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_accepted_can_be_stored_and_hashed(nodes: Any, schema: Any, edges: Any, params: Any) -> None:
    for given_nodes in (nodes, [{"id": "a", "step": "split", "params": params, "note": nodes}]):
        try:
            spec = specs.parse({"schema": schema, "nodes": given_nodes, "edges": edges}, may_be_empty=True)
        except specs.SpecError as error:
            assert error.problems
            continue
        json.dumps(spec.as_dict(), allow_nan=False).encode()
        assert spec.digest()
        specs.validate(spec)


# --- large but honest, and large and broken -------------------------------------------------------------------------------------


def chained(count: int, *, closed: bool = False) -> dict[str, Any]:
    nodes = [{"id": f"n{i}", "step": "filter_length"} for i in range(count)]
    edges = [{"from": f"n{i}.rows", "to": f"n{i + 1}.rows"} for i in range(count - 1)]
    if closed:
        edges.append({"from": f"n{count - 1}.rows", "to": "n0.rows"})
    return {"schema": 1, "nodes": nodes, "edges": edges}


def test_ten_thousand_nodes_are_counted_and_refused() -> None:
    with pytest.raises(specs.SpecError, match="at most 2,000 nodes, this one has 10,000"):
        specs.parse(chained(10_000))
    many = {**chained(2), "edges": [{"from": "n0.rows", "to": "n1.rows"}] * 20_001}
    with pytest.raises(specs.SpecError, match="at most 20,000 edges"):
        specs.parse(many)


def test_a_circle_of_two_thousand_is_named_in_a_line() -> None:
    problems = specs.validate(specs.parse(chained(2_000, closed=True)))
    assert len(problems) == 1 and "more …" in problems[0].message and len(problems[0].message) < 200


def test_thousands_of_mistakes_are_cut_to_a_list_that_can_be_read() -> None:
    wrong = {
        "schema": 1,
        "nodes": [{"id": f"n{i}", "step": "splt", "params": {"x" * 50: i}} for i in range(2_000)],
        "edges": [{"from": f"m{i}.rows", "to": f"k{i}.rows"} for i in range(20_000)],
    }
    problems = specs.validate(specs.parse(wrong))
    assert len(problems) == specs.MOST_PROBLEMS + 1
    assert problems[-1].message == "And 41,800 more." and sum(len(str(p)) for p in problems) < 60_000
    unknown = {"schema": 1, "nodes": [{"id": "a", "step": "split", "params": {f"p{i}": i for i in range(50_000)}}]}
    assert len(specs.validate(specs.parse(unknown))) < 30
    fields = {"schema": 1, "nodes": [{"id": "a", "step": "split", **{f"p{i}": i for i in range(50_000)}}]}
    with pytest.raises(specs.SpecError) as caught:
        specs.parse(fields)
    assert len(caught.value.problems) < 30


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"id": "a", "step": "split", "parms": {}}, "A node has no 'parms'. Did you mean 'params'?"),
        ({"id": "a", "step": "split", "test": 0.1}, "'test' is a parameter: put it under 'params'."),
        ({"id": "a", "step": "split", "params": {"tset": 0.1}}, "Did you mean 'test'?"),
    ],
)
def test_an_unknown_field_is_reported_with_the_one_that_was_meant(value: dict[str, Any], said: str) -> None:
    try:
        problems = specs.validate(specs.parse({"schema": 1, "nodes": [value]}))
    except specs.SpecError as error:
        problems = error.problems
    assert any(said in str(p) for p in problems)
    with pytest.raises(specs.SpecError, match=r"Edge 1 has no 'too'. Did you mean 'to'\?"):
        specs.parse({**chained(2), "edges": [{"from": "n0.rows", "to": "n1.rows", "too": "n1.rows"}]})


# --- writing --------------------------------------------------------------------------------------------------------------------

PROMPT = "You sort messages to a help desk. Answer with exactly one of these words and nothing else: billing, delivery, other.\nNever explain."
WRITTEN = {
    "edges": [{"to": "b.rows", "from": "a.rows"}],
    "nodes": [
        {"params": {"version": 2, "dataset": "x"}, "step": "dataset", "id": "a"},
        {
            "id": "b",
            "step": "generate",
            "note": "Cheap and good enough.",
            "params": {"system_prompt": PROMPT, "model": "m"},
        },
    ],
    "schema": 1,
    "name": "Desk",
}
ORDER = {"dataset": ["dataset", "version"], "generate": ["model", "system_prompt"]}


def test_a_written_spec_reads_like_a_page() -> None:
    assert spec_text.dump_yaml(WRITTEN, order=ORDER) == (
        "schema: 1\n"
        "name: Desk\n"
        "nodes:\n"
        "  - id: a\n"
        "    step: dataset\n"
        "    params:\n"
        "      dataset: x\n"
        "      version: 2\n"
        "  - id: b\n"
        "    step: generate\n"
        "    note: Cheap and good enough.\n"
        "    params:\n"
        "      model: m\n"
        "      system_prompt: |-\n"
        "        You sort messages to a help desk. Answer with exactly one of these words and nothing else: billing, delivery, other.\n"
        "        Never explain.\n"
        "edges:\n"
        "  - {from: a.rows, to: b.rows}\n"
    )


def test_a_changed_word_of_a_prompt_and_a_moved_edge_are_small_differences() -> None:
    other = json.loads(json.dumps(WRITTEN).replace("delivery", "parcels"))
    other["nodes"][1]["params"] = dict(reversed(other["nodes"][1]["params"].items()))
    before, after = (spec_text.dump_yaml(s, order=ORDER).splitlines() for s in (WRITTEN, other))
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert len(changed) == 2
    three = chained(4)
    three["edges"].reverse()
    assert spec_text.dump_yaml(three) == spec_text.dump_yaml(chained(4))


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=250) | st.text(
    "ab :#-'\"|>\n\t &*!%@`{}[],?", max_size=250
)


@given(texts, texts, st.lists(texts, max_size=3))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_text_comes_back_as_it_was_written(first: str, second: str, more: list[str]) -> None:
    spec = {
        "schema": 1,
        "nodes": [{"id": "a", "step": "x", "params": {"p": first, "q": [second, *more], "r": {"s": first}}}],
    }
    assert specs.load_text(spec_text.dump_yaml(spec))["nodes"] == spec["nodes"]
