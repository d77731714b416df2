from __future__ import annotations

import json
from typing import Any

import pytest

from vault.readers.openai_completions import OpenAICompletions

from .conftest import Make, read

ASK = [{"role": "user", "content": "Where is my card?"}]


def completion(*answers: str, **more: Any) -> dict[str, Any]:
    return {
        "object": "chat.completion",
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini",
        "created": 1_738_960_610,
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}},
        "metadata": {"use": "support"},
        "choices": [
            {"index": n, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            for n, text in enumerate(answers)
        ],
        **more,
    }


def test_a_stored_completion_with_its_messages_is_a_row(make: Make) -> None:
    [row], problems = read(OpenAICompletions(), make(json.dumps(completion("card_arrival", messages=ASK))))
    assert problems == [] and row.id == "chatcmpl-1"
    assert row.prompt == ASK and row.completion_text == "card_arrival"
    assert row.meta == {
        "source": {"line": 1},
        "teacher": "openai",
        "model": "gpt-4o-mini",
        "metadata": {"use": "support"},
        "usage": {"input_tokens": 9, "output_tokens": 3, "cached_tokens": 2},
        "at": "2025-02-07T20:36:50+00:00",
        "finish_reason": "stop",
    }


@pytest.mark.parametrize(
    "value",
    [
        completion("yes", input=ASK),
        completion("yes", messages={"object": "list", "data": ASK}),
        {"request": {"messages": ASK, "model": "m"}, "response": completion("yes")},
        {"input": {"messages": ASK}, "output": completion("yes")},
        {"custom_id": "r1", "body": {"messages": ASK}, "response": {"status_code": 200, "body": completion("yes")}},
        {
            "object": "response",
            "id": "resp_1",
            "input": "Where is my card?",
            "output": [
                {"type": "reasoning", "summary": []},
                {"type": "message", "content": [{"type": "output_text", "text": "yes"}]},
            ],
        },
    ],
)
def test_requests_and_answers_are_found_wherever_an_export_puts_them(make: Make, value: dict[str, Any]) -> None:
    path = make(json.dumps(value))
    assert OpenAICompletions().sniff(value)
    [row], problems = read(OpenAICompletions(), path)
    assert problems == [] and row.prompt == ASK and row.completion_text == "yes"


def test_several_choices_are_several_rows(make: Make) -> None:
    rows, _ = read(OpenAICompletions(), make(json.dumps(completion("a", "b", messages=ASK))))
    assert [(row.id, row.completion_text) for row in rows] == [("chatcmpl-1-choice1", "a"), ("chatcmpl-1-choice2", "b")]


def test_tools_and_calls_of_a_stored_completion_are_kept(make: Make) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "find", "strict": None}}]
    value = completion(messages=ASK, tools=tools)
    value["choices"] = [{"message": {"role": "assistant", "content": None, "tool_calls": [call]}}]
    [row], problems = read(OpenAICompletions(), make(json.dumps(value)))
    assert problems == [] and row.completion is not None
    assert row.completion["tool_calls"] == [call]
    assert row.meta["tools"] == [{"type": "function", "function": {"name": "find"}}]


def test_parts_of_a_stored_message_are_its_text(make: Make) -> None:
    stored = [{"id": "m1", "role": "user", "content": None, "content_parts": [{"type": "text", "text": "Hello"}]}]
    [row], problems = read(OpenAICompletions(), make(json.dumps(completion("hi", messages=stored))))
    assert problems == [] and row.user_text == "Hello"


@pytest.mark.parametrize(
    "value,reason,column",
    [
        (completion("x"), "without the messages", "messages"),
        (completion(messages=ASK), "no answer", "choices"),
        (completion("x", messages=[{"role": "system", "content": "s"}]), "no prompt", "messages"),
        ({**completion("x", messages=ASK), "choices": [5]}, "no message", "choices[0]"),
    ],
)
def test_a_bad_completion_says_why(make: Make, value: dict[str, Any], reason: str, column: str) -> None:
    good = json.dumps(completion("x", messages=ASK))
    rows, [problem] = read(OpenAICompletions(), make(good + "\n" + json.dumps(value) + "\n"))
    assert len(rows) == 1 and (problem.line, problem.column) == (2, column) and reason in problem.reason
