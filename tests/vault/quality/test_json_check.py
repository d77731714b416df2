"""Strict JSON, safe schemas: nothing is fetched, nothing hangs, nothing overflows."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studio.lib.errors import StepError
from vault.quality.json_check import MOST_FAULTS, Checker, Unusable, parse, read_schema


def faults(schema: Any, value: Any) -> list[str]:
    return [fault.name for fault in Checker(json.dumps(schema)).faults(value)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity"),
        ('{"a": 1e999}', "too large"),
        ('{"a": 1, "a": 2}', "“a” occurs twice"),
        ("1" * 5_000, "not usable JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("{'a': 1}", "not JSON"),
        ('{"a": 1} trailing', "Extra data"),
        ("  \n ", "empty"),
    ],
)
def test_what_is_not_strict_json_is_unusable(text: str, said: str) -> None:
    with pytest.raises(Unusable, match=said):
        parse(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(JSON)
def test_every_json_value_is_read_as_it_was_written(value: Any) -> None:
    assert parse(json.dumps(value)) == value
    assert Checker("").faults(value) == []


def test_patterns_of_a_schema_take_linear_time() -> None:
    evil, text = "^(a+)+$", "a" * 50_000 + "!"
    started = time.perf_counter()
    assert faults({"pattern": evil}, text) == ["answer: pattern"]
    assert faults({"patternProperties": {evil: False}, "additionalProperties": False}, {text: 1}) != []
    assert time.perf_counter() - started < 2


def test_a_draft_named_at_the_top_does_not_bring_back_unsafe_patterns() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "properties": {"next": {"$ref": "#"}, "name": {"pattern": "^(a+)+$"}},
    }
    started = time.perf_counter()
    assert faults(schema, {"next": {"next": {"name": "a" * 40 + "!"}}}) == ["next.next.name: pattern"]
    assert time.perf_counter() - started < 2


def test_named_drafts_keep_their_own_rules() -> None:
    fourth = {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 3, "exclusiveMinimum": True}
    assert faults(fourth, 3) == ["answer: minimum"]
    assert faults({"exclusiveMinimum": 3}, 3) == ["answer: exclusiveMinimum"]


def test_references_inside_the_schema_are_followed_and_others_lead_nowhere() -> None:
    schema = {"$defs": {"n": {"type": "integer"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}
    assert faults(schema, {"a": "x"}) == ["a: type"]
    assert (
        faults({"$id": "https://example.com/s", "properties": {"a": {"$ref": "https://example.com/s"}}}, {"a": 1}) == []
    )
    with pytest.raises(StepError, match="leads nowhere"):
        Checker('{"$ref": "#/$defs/missing"}').faults(1)


def test_a_schema_that_refers_to_itself_without_end_is_a_fault_not_a_crash() -> None:
    assert faults({"$ref": "#"}, 1) == ["nesting"]


def test_a_draft_inside_a_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="Only the schema as a whole"):
        read_schema('{"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}')


def test_values_to_compare_with_are_not_taken_for_parts_of_the_schema() -> None:
    assert faults({"const": {"$ref": "https://example.com/x"}}, 1) == ["answer: const"]


def test_extra_fields_are_judged_by_name_pattern_and_rule() -> None:
    schema = {
        "properties": {"a": {}},
        "patternProperties": {"^x_": {"type": "string"}},
        "additionalProperties": {"type": "null"},
    }
    assert faults(schema, {"a": 1, "x_b": 2, "c": 3, "d": None}) == ["x_b: type", "c: type"]


def test_the_number_of_faults_and_the_length_of_a_message_are_bounded() -> None:
    found = Checker('{"items": {"type": "string"}}').faults(list(range(1_000)))
    assert len(found) == MOST_FAULTS
    (long,) = Checker('{"type": "integer"}').faults("x" * 100_000)
    assert len(long.text) < 300


def test_a_missing_field_is_named_at_its_own_place() -> None:
    (fault,) = Checker('{"properties": {"a": {"items": {"required": ["b"]}}}}').faults({"a": [{"b": 1}, {}]})
    assert (fault.name, fault.text) == ("a[].b: required", "a[1].b: is missing.")
