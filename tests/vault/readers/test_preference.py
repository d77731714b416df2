from __future__ import annotations

import json

import pytest

from vault.readers.preference import Preference

from .conftest import Make, read

ASK = [{"role": "user", "content": "How cold is it?"}]
GOOD, BAD = {"role": "assistant", "content": "About 14 °C."}, {"role": "assistant", "content": "Not very."}


def test_the_preferred_output_is_the_completion_and_the_other_is_kept(make: Make) -> None:
    tools = [{"type": "function", "function": {"name": "weather"}}]
    asked = {"messages": ASK, "tools": tools, "parallel_tool_calls": True}
    value = {"input": asked, "preferred_output": [GOOD], "non_preferred_output": [BAD]}
    [row], problems = read(Preference(), make(json.dumps(value)), system_prompt="Be exact.")
    assert problems == []
    assert row.prompt == [{"role": "system", "content": "Be exact."}, *ASK]
    assert row.completion == GOOD and row.meta["non_preferred"] == BAD
    assert row.meta["tools"] == tools and row.meta["parallel_tool_calls"] is True


def test_steps_before_the_preferred_answer_belong_to_the_prompt(make: Make) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    steps = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "14"}, GOOD]
    value = {"input": {"messages": ASK}, "preferred_output": steps, "non_preferred_output": [BAD]}
    [row], _ = read(Preference(), make(json.dumps(value)))
    assert [m["role"] for m in row.prompt] == ["user", "assistant", "tool"] and row.completion == GOOD


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": "How cold is it?", "chosen": "About 14 °C.", "rejected": "Not very."},
        {"prompt": ASK, "chosen": [GOOD], "rejected": [BAD]},
        {"chosen": [*ASK, GOOD], "rejected": [*ASK, BAD]},
        {"prompt": ASK, "chosen": [*ASK, GOOD], "rejected": [*ASK, BAD]},
        {"chosen": "How cold is it? About 14 °C.", "rejected": "How cold is it? Not very."},
        {"prompt": "How cold is it?", "chosen": [*ASK, GOOD], "rejected": [*ASK, BAD]},
    ],
)
def test_trl_pairs_with_and_without_a_prompt_are_read(make: Make, value: dict[str, object]) -> None:
    [row], problems = read(Preference(), make(json.dumps(value)))
    assert problems == []
    assert row.prompt == ASK and row.completion == GOOD and row.meta["non_preferred"] == BAD


def test_an_implied_prompt_ends_between_words(make: Make) -> None:
    value = {"chosen": "Is it blue? Yes, bright.", "rejected": "Is it blue? Yesterday."}
    [row], _ = read(Preference(), make(json.dumps(value)))
    assert row.user_text == "Is it blue?" and row.completion_text == "Yes, bright."


@pytest.mark.parametrize(
    "text,reason,column",
    [
        ('{"input": 5, "preferred_output": []}', "not an object", "input"),
        ('{"input": {"messages": []}, "preferred_output": []}', "empty list", "input.messages"),
        ('{"input": {"messages": [{"role": "user", "content": "x"}]}}', "no preferred", "preferred_output"),
        ('{"chosen": "a", "rejected": "b"}', "no prompt", "prompt"),
        ('{"prompt": "x", "chosen": null, "rejected": "b"}', "no preferred", "chosen"),
        (
            '{"prompt": "x", "chosen": [{"role": "user", "content": "y"}], "rejected": "b"}',
            "not an assistant's",
            "chosen",
        ),
    ],
)
def test_a_bad_pair_says_why(make: Make, text: str, reason: str, column: str) -> None:
    rows, [problem] = read(Preference(), make('{"prompt": "q", "chosen": "a", "rejected": "b"}\n' + text + "\n"))
    assert len(rows) == 1
    assert (problem.line, problem.column) == (2, column) and reason in problem.reason


def test_only_pairs_are_recognised() -> None:
    assert Preference().sniff({"chosen": "", "rejected": ""})
    assert Preference().sniff({"input": {}, "preferred_output": [], "non_preferred_output": []})
    assert not Preference().sniff({"input": {}, "output": {}})
    assert not Preference().sniff(None)
