"""Valid JSON, with and without a schema."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from evaluation.metrics.base import Item
from evaluation.metrics.json_valid import JsonValid

SCHEMA = '{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}'


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"a": 1}', 1),
        ("[1, 2]", 1),
        ('{"a": 1', 0),
        ("NaN", 0),
        ('{"a": 1, "a": 2}', 0),
        ("", 0),
        (None, 0),
        ("[" * 9000, 0),
    ],
)
def test_without_a_schema_any_strict_json_will_do(answer: str | None, score: int) -> None:
    assert JsonValid().score(Item(answer, None, None)) == score


@pytest.mark.parametrize(("answer", "score"), [('{"a": 1}', 1), ('{"a": "1"}', 0), ("{}", 0), ("[]", 0)])
def test_with_a_schema_it_must_fit(answer: str, score: int) -> None:
    assert JsonValid(JsonValid.Params(json_schema=SCHEMA)).score(Item(answer, None, None)) == score


def test_code_fences_count_unless_told_otherwise() -> None:
    item = Item('```json\n{"a": 1}\n```', None, None)
    assert JsonValid().score(item) == 0
    assert JsonValid(JsonValid.Params(strip_fences=True)).score(item) == 1


def test_a_reference_that_leads_nowhere_leaves_rows_out_and_says_so() -> None:
    metric = JsonValid(JsonValid.Params(json_schema='{"properties": {"a": {"$ref": "#/$defs/gone"}}}'))
    assert metric.score(Item("{}", None, None)) == 1.0
    assert metric.score(Item('{"a": 1}', None, None)) is None
    assert "leads nowhere" in metric.notes()[0]


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="no valid JSON Schema"):
        JsonValid.Params(json_schema='{"type": "thing"}')
