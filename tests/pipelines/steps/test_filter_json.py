"""Answers that must be JSON, and fit a schema: what is refused, how it is told, and what is rewritten."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.steps.filter_json import FilterJson, unfenced
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Outcome, row, try_step

SCHEMA = {
    "type": "object",
    "required": ["amount", "items"],
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "items": {"type": "array", "items": {"type": "object", "required": ["price"]}},
        "paid_on": {"type": "string", "format": "date"},
    },
    "additionalProperties": False,
}


def tried(answers: list[str | None], *, folder: Path, schema: Any = None, **params: Any) -> Outcome:
    rows = [row(f"q{n}", answer) for n, answer in enumerate(answers)]
    return try_step(FilterJson(), rows, folder=folder, json_schema=json.dumps(schema) if schema else "", **params)


def reasons(outcome: Outcome) -> list[str]:
    return [r.meta["reject"]["reason"] for r in outcome.rows("rejects")]


def test_without_a_schema_any_json_stays_and_everything_else_goes_with_the_place_of_its_fault(tmp_path: Path) -> None:
    outcome = tried(['{"a": 1}', "[]", '"text"', '{"a": 1,}', "Sure! {}", "", None], folder=tmp_path)
    assert [r.completion_text for r in outcome.rows()] == ['{"a": 1}', "[]", '"text"']
    first, second, third, fourth = reasons(outcome)
    assert "line 1, column 9" in first
    assert "at “Sure! {}”" in second
    assert third == "The answer is empty."
    assert fourth == "The row has no answer."
    assert outcome.summary["dropped"] == {"not JSON": 3, "without an answer": 1}


def test_every_failing_field_is_named_in_the_row_and_counted_over_all_rows(tmp_path: Path) -> None:
    good = {"amount": 3, "items": [{"price": 1}]}
    answers = [
        json.dumps(good),
        json.dumps({"amount": -1, "items": [{"price": 1}, {}]}),
        json.dumps({"amount": "3", "items": [{}], "extra": 1}),
        json.dumps({"items": [], "paid_on": "tomorrow"}),
    ]
    outcome = tried(answers, folder=tmp_path, schema=SCHEMA)
    assert len(outcome.rows()) == 1
    assert outcome.summary["fields"] == {
        "items[].price: required": 2,
        "amount: minimum": 1,
        "amount: type": 1,
        "extra: additionalProperties": 1,
        "amount: required": 1,
        "paid_on: format": 1,
    }
    assert outcome.summary["failing_fields"].startswith("items[].price: required ×2; ")
    told = reasons(outcome)
    assert "items[1].price: is missing." in told[0]
    assert "amount: '3' is not of type 'number'." in told[1]
    assert "paid_on: 'tomorrow' is not a 'date'." in told[2]


def test_formats_are_not_checked_when_that_is_off(tmp_path: Path) -> None:
    answer = json.dumps({"amount": 1, "items": [], "paid_on": "tomorrow"})
    assert len(tried([answer], folder=tmp_path, schema=SCHEMA, formats=False).rows()) == 1


def test_code_fences_are_taken_away_and_the_old_answer_is_kept_in_meta(tmp_path: Path) -> None:
    fenced = '```json\n{"a": 1}\n```'
    outcome = tried([fenced, '{"a": 2}'], folder=tmp_path)
    first, second = outcome.rows()
    assert (first.completion_text, first.meta["rewritten_from"]) == ('{"a": 1}', fenced)
    assert "rewritten_from" not in second.meta
    assert outcome.summary["headline"] == "2 of 2 rows kept. 1 answer was rewritten."
    with pytest.raises(StepError, match="1 not JSON"):
        tried([fenced], folder=tmp_path / "strict", strip_fences=False)


def test_only_a_fence_around_the_whole_answer_counts() -> None:
    assert unfenced("Here:\n```json\n{}\n```") == "Here:\n```json\n{}\n```"
    assert unfenced("~~~\n[1]\n~~~\n") == "[1]"


def test_only_listed_fields_stay_in_the_listed_order_and_are_what_is_checked(tmp_path: Path) -> None:
    answer = json.dumps({"thoughts": "ß", "items": [], "amount": 1})
    outcome = tried([answer], folder=tmp_path, schema=SCHEMA, keep_fields=["amount", "items", "paid_on"])
    assert outcome.rows()[0].completion_text == '{"amount": 1, "items": []}'


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("{", "The schema is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"type": "strin"}', "no valid JSON Schema: at type"),
        ('{"properties": {"a": {"$ref": "https://example.com/a.json"}}}', "refers to another document"),
        ('{"$ref": "file:///etc/passwd"}', "refers to another document"),
        ('{"pattern": "(?=a)b"}', "Look-ahead"),
        ('{"patternProperties": {"(?=x)y": {}}}', "Look-ahead"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_a_bad_parameter(schema: str, text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        FilterJson.Params(json_schema=schema)


def test_a_field_listed_twice_is_a_bad_parameter() -> None:
    with pytest.raises(ValidationError, match="'a' is listed twice"):
        FilterJson.Params(keep_fields=["a", "b", "a"])
