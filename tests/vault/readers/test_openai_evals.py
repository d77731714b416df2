from __future__ import annotations

import json
from typing import Any

import pytest

from vault.readers.openai_evals import OpenAIEvals

from .conftest import Make, read

ASK = [{"role": "developer", "content": "Sort."}, {"role": "user", "content": "Where is my card?"}]


def item(*, passed: bool = True, **more: Any) -> dict[str, Any]:
    return {
        "object": "eval.run.output_item",
        "id": "outputitem_1",
        "created_at": 1_738_960_610,
        "eval_id": "eval_1",
        "run_id": "evalrun_1",
        "status": "pass" if passed else "fail",
        "datasource_item_id": 5,
        "datasource_item": {"message": "Where is my card?", "correct_label": "card_arrival"},
        "results": [{"name": "Match", "sample": None, "passed": passed, "score": float(passed)}],
        "sample": {
            "input": ASK,
            "output": [{"role": "assistant", "content": "card_arrival"}],
            "finish_reason": "stop",
            "model": "gpt-4o-mini",
            "usage": {"total_tokens": 12, "completion_tokens": 3, "prompt_tokens": 9, "cached_tokens": 0},
            "error": None,
        },
        **more,
    }


def test_an_output_item_is_a_row_with_grades(make: Make) -> None:
    [row], problems = read(OpenAIEvals(), make(json.dumps(item())), reference="correct_label")
    assert problems == [] and row.id == "outputitem_1"
    assert [m["role"] for m in row.prompt] == ["system", "user"]
    assert row.completion_text == "card_arrival" and row.reference_text == "card_arrival"
    assert row.tags == ["passed"]
    assert row.meta["grades"] == [{"name": "Match", "score": 1.0, "passed": True}]
    assert row.meta["model"] == "gpt-4o-mini" and row.meta["usage"]["input_tokens"] == 9
    assert row.meta["eval"] == {"eval_id": "eval_1", "run_id": "evalrun_1", "item": 5}
    assert row.meta["data"] == {"message": "Where is my card?", "correct_label": "card_arrival"}


def test_a_page_of_the_list_is_read_and_the_reference_is_suggested(make: Make) -> None:
    page = {"object": "list", "data": [item(), item(passed=False)], "has_more": False}
    path = make(json.dumps(page, indent=1), "page.json")
    assert OpenAIEvals().suggest(path) == {"reference": "correct_label"}
    rows, problems = read(OpenAIEvals(), path)
    assert problems == [] and [row.tags for row in rows] == [["passed"], ["failed"]]


def test_only_passed_or_failed_items_may_be_kept(make: Make) -> None:
    path = make("".join(json.dumps(item(passed=p)) + "\n" for p in (True, False, True)))
    assert len(read(OpenAIEvals(), path, keep="passed")[0]) == 2
    assert len(read(OpenAIEvals(), path, keep="failed")[0]) == 1


def test_an_item_whose_model_failed_keeps_its_prompt_and_the_error(make: Make) -> None:
    failed = item(status="error", results=[])
    failed["sample"] |= {"output": [], "error": {"code": "rate_limit", "message": "Too many requests."}}
    [row], problems = read(OpenAIEvals(), make(json.dumps(failed)))
    assert problems == [] and row.completion is None and row.tags == []
    assert row.meta["error"] == "Too many requests."


def test_a_reference_that_is_no_field_is_a_problem(make: Make) -> None:
    found = OpenAIEvals().problems(make(json.dumps(item())), OpenAIEvals.Params(reference="gold"))
    assert found == [("reference", "No data item has a field 'gold'. Fields: message, correct_label.")]


@pytest.mark.parametrize(
    "value,reason,column",
    [
        (item(sample=None), "no sample", "sample"),
        (item(sample={"input": [], "output": []}, datasource_item={}), "not a list", "sample.input"),
        (item(sample={"input": ASK, "output": 5}), "not a list", "sample.output"),
    ],
)
def test_a_bad_item_says_why(make: Make, value: dict[str, Any], reason: str, column: str) -> None:
    rows, [problem] = read(OpenAIEvals(), make(json.dumps(item()) + "\n" + json.dumps(value) + "\n"))
    assert len(rows) == 1 and (problem.line, problem.column) == (2, column) and reason in problem.reason
