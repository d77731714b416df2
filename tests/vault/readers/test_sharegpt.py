from __future__ import annotations

import json

import pytest

from vault.readers.sharegpt import ShareGPT

from .conftest import Make, read

ASK, REPLY = {"from": "human", "value": "Is it raining?"}, {"from": "gpt", "value": "Yes."}


def test_a_conversation_becomes_messages(make: Make) -> None:
    path = make(json.dumps({"id": "x1", "conversations": [ASK, REPLY], "system": "Be short."}))
    [row], problems = read(ShareGPT(), path)
    assert problems == [] and row.id == "x1"
    assert row.prompt == [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Is it raining?"},
    ]
    assert row.completion == {"role": "assistant", "content": "Yes."}


def test_function_calls_and_observations_become_tool_calls_and_tool_messages(make: Make) -> None:
    call = {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Rome"}}'}
    seen = {"from": "observation", "value": '{"rain": true}'}
    tools = json.dumps([{"name": "weather", "parameters": {}}])
    [row], problems = read(ShareGPT(), make(json.dumps({"conversations": [ASK, call, seen, REPLY], "tools": tools})))
    assert problems == []
    called, told = row.prompt[1:]
    assert called["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Rome"}'}
    assert told["role"] == "tool" and told["tool_call_id"] == called["tool_calls"][0]["id"]
    assert row.meta["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def test_weights_are_honoured_here_too(make: Make) -> None:
    said = [ASK, {**REPLY, "weight": 0}, ASK, {**REPLY, "weight": 1}]
    [row], _ = read(ShareGPT(), make(json.dumps({"conversations": said})))
    assert len(row.prompt) == 3


@pytest.mark.parametrize(
    "said,reason",
    [
        ([{"from": "king", "value": "x"}], "'king'"),
        ([5], "not an object"),
        ([ASK, {"from": "gpt", "value": 5}], "neither text"),
        ([ASK, {"from": "function_call", "value": "no json"}], "not JSON"),
        ([], "empty list"),
        ("text", "not a list"),
    ],
)
def test_a_bad_conversation_says_why(make: Make, said: object, reason: str) -> None:
    good = json.dumps({"conversations": [ASK, REPLY]})
    rows, [problem] = read(ShareGPT(), make(good + "\n" + json.dumps({"conversations": said}) + "\n"))
    assert len(rows) == 1 and problem.line == 2 and reason in problem.reason


def test_only_conversations_are_recognised() -> None:
    assert ShareGPT().sniff({"conversations": [ASK]})
    assert not ShareGPT().sniff({"conversations": "text"})
    assert not ShareGPT().sniff(None)
