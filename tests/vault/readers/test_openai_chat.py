from __future__ import annotations

import json

import pytest

from vault.readers.openai_chat import OpenAIChat
from vault.readers.records import first_record

from .conftest import Make, read

USER = {"role": "user", "content": "Where is my card?"}
ANSWER = {"role": "assistant", "content": "card_arrival"}


def line(*messages: object, **more: object) -> str:
    return json.dumps({"messages": messages, **more}) + "\n"


def test_the_last_assistant_message_is_the_completion(make: Make) -> None:
    path = make(line({"role": "system", "content": "Classify."}, USER, ANSWER))
    [row], problems = read(OpenAIChat(), path)
    assert problems == []
    assert [m["role"] for m in row.prompt] == ["system", "user"]
    assert row.completion == ANSWER and row.reference is None
    assert row.meta["source"] == {"line": 1}


def test_the_answer_can_be_the_reference_or_nothing(make: Make) -> None:
    path = make(line(USER, ANSWER))
    assert read(OpenAIChat(), path, answer="reference")[0][0].reference == ANSWER
    ignored = read(OpenAIChat(), path, answer="ignore")[0][0]
    assert ignored.completion is None and ignored.reference is None


def test_a_conversation_that_ends_with_the_user_has_no_completion(make: Make) -> None:
    [row], _ = read(OpenAIChat(), make(line(USER, ANSWER, {"role": "user", "content": "And now?"})))
    assert len(row.prompt) == 3 and row.completion is None


def test_tool_calls_and_tools_are_kept(make: Make) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    tools = [{"type": "function", "function": {"name": "find"}}]
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    reply = {"role": "tool", "content": "found", "tool_call_id": "c1"}
    [row], problems = read(OpenAIChat(), make(line(USER, asked, reply, ANSWER, tools=tools)))
    assert problems == []
    assert row.prompt[1]["tool_calls"] == [call] and row.prompt[2]["tool_call_id"] == "c1"
    assert row.meta["tools"] == tools


def test_text_parts_are_joined_and_developer_is_system(make: Make) -> None:
    parts = [{"type": "text", "text": "Hello "}, {"type": "text", "text": "there"}]
    messages = ({"role": "developer", "content": "Be kind."}, {"role": "user", "content": parts})
    [row], _ = read(OpenAIChat(), make(line(*messages)))
    assert row.prompt == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello there"}]


def test_a_system_prompt_is_added_only_where_there_is_none(make: Make) -> None:
    path = make(line(USER, ANSWER) + line({"role": "system", "content": "Own."}, USER, ANSWER))
    rows, _ = read(OpenAIChat(), path, system_prompt="Given.")
    assert [row.prompt[0]["content"] for row in rows] == ["Given.", "Own."]


def test_an_id_of_the_file_is_kept(make: Make) -> None:
    [row], _ = read(OpenAIChat(), make(line(USER, ANSWER, id="row-7", tags=["a", "a", "b"])))
    assert row.id == "row-7" and row.tags == ["a", "b"]


@pytest.mark.parametrize(
    "text,reason,column",
    [
        ('{"messages": [{"role": "user"', "Broken JSON at position", "30"),
        ("[1, 2]", "not an object", ""),
        ('"text"', "not an object", ""),
        ("NaN", "NaN is not JSON", ""),
        ('{"messages": []}', "empty list", "messages"),
        ('{"messages": "hello"}', "not a list", "messages"),
        ('{"other": 1}', "not a list", "messages"),
        ('{"messages": [5]}', "not an object", "messages[0]"),
        ('{"messages": [{"role": "king", "content": "x"}]}', "role 'king'", "messages[0]"),
        ('{"messages": [{"content": "x"}]}', "no role", "messages[0]"),
        ('{"messages": [{"role": "user"}]}', "no content", "messages[0]"),
        ('{"messages": [{"role": "user", "content": 5}]}', "neither text", "messages[0]"),
        ('{"messages": [{"role": "user", "content": "  "}]}', "no prompt", "messages"),
        ('{"messages": [{"role": "system", "content": "x"}]}', "no prompt", "messages"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', "no prompt", "messages"),
        ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}', "'image_url'", "messages[0]"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0.5}]}',
            "may be 0 or 1",
            "messages[1]",
        ),
        ('{"messages": [{"role": "user", "content": "a"}], "tools": "oops"}', "not JSON", "tools"),
        ('{"messages": [{"role": "user", "content": "a"}], "tools": [1]}', "not a list", "tools"),
        ('{"messages": [{"role": "user", "content": "a\\u0000"}]}', "null character", ""),
        ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "surrogate", ""),
        ("[" * 100_000, "nested too deeply", ""),
        ('{"n": ' + "9" * 5000 + "}", "Broken JSON", ""),
    ],
)
def test_a_bad_line_is_reported_and_the_rest_is_kept(make: Make, text: str, reason: str, column: str) -> None:
    path = make(line(USER, ANSWER) + text + "\n\n" + line(USER, ANSWER))
    rows, [problem] = read(OpenAIChat(), path)
    assert len(rows) == 2 and rows[1].meta["source"]["line"] == 4
    assert problem.line == 2 and reason in problem.reason and problem.column == column


def test_only_chats_are_recognised(make: Make) -> None:
    def known(content: str | bytes) -> bool:
        return OpenAIChat().sniff(first_record(make(content)))

    assert known(line(USER, ANSWER))
    assert known(line(USER, ANSWER).encode("utf-16"))
    assert known(b'\xef\xbb\xbf\n{"messages": [' + b'{"role": "user", "content": "' + b"x" * 70_000)
    assert known("[" + line(USER, ANSWER) + "]")
    assert not known('{"prompt": "a", "completion": "b"}\n')
    assert not known("messages,answer\n")


def test_answers_with_weight_0_are_not_learnt(make: Make) -> None:
    turns = [USER, {**ANSWER, "weight": 0}, {"role": "user", "content": "And?"}, {**ANSWER, "weight": 1}]
    [row], problems = read(OpenAIChat(), make(line(*turns)))
    assert problems == [] and row.completion == ANSWER
    assert [m["content"] for m in row.prompt] == [USER["content"], ANSWER["content"], "And?"]
    assert all("weight" not in message for message in row.prompt)


def test_every_answer_with_weight_1_is_a_row_with_what_was_said_before(make: Make) -> None:
    first, middle, last = ({"role": "assistant", "content": c, "weight": w} for c, w in (("a", 1), ("b", 0), ("c", 1)))
    path = make(line(USER, first, USER, middle, USER, last, id="talk"))
    rows, problems = read(OpenAIChat(), path)
    assert problems == []
    assert [(row.id, row.completion_text, len(row.prompt)) for row in rows] == [
        ("talk-turn1", "a", 1),
        ("talk-turn5", "c", 5),
    ]
    assert [row.meta["conversation"] for row in rows] == [{"id": "talk", "turn": 1}, {"id": "talk", "turn": 5}]


def test_a_conversation_whose_answers_all_weigh_0_is_a_prompt_only(make: Make) -> None:
    [row], _ = read(OpenAIChat(), make(line(USER, {**ANSWER, "weight": 0})))
    assert row.completion is None and len(row.prompt) == 1


def test_without_weights_the_last_answer_or_all_are_learnt(make: Make) -> None:
    path = make(line({"role": "assistant", "content": "Hi!"}, USER, ANSWER, USER, ANSWER))
    assert len(read(OpenAIChat(), path)[0]) == 1
    rows, _ = read(OpenAIChat(), path, turns="all")
    assert [len(row.prompt) for row in rows] == [2, 4]


def test_older_function_calls_become_tool_calls(make: Make) -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}}
    told = {"role": "function", "name": "find", "content": "found"}
    [row], problems = read(OpenAIChat(), make(line(USER, called, told, ANSWER, functions=[{"name": "find"}])))
    assert problems == []
    assert row.prompt[1]["tool_calls"][0]["function"]["name"] == "find"
    assert row.prompt[1]["tool_calls"][0]["id"] == row.prompt[2]["tool_call_id"]
    assert row.meta["tools"] == [{"type": "function", "function": {"name": "find"}}]


def test_arguments_that_are_objects_become_text_and_tools_may_be_text(make: Make) -> None:
    calls = [{"type": "function", "function": {"name": "light", "arguments": {"room": "hall"}}}]
    tools = [{"type": "function", "function": {"name": "light"}}]
    path = make(
        line(USER, {"role": "assistant", "tool_calls": calls}, tools=json.dumps(tools), parallel_tool_calls=False)
    )
    [row], _ = read(OpenAIChat(), path)
    assert row.completion is not None
    assert row.completion["tool_calls"][0]["function"]["arguments"] == '{"room":"hall"}'
    assert row.meta["tools"] == tools and row.meta["parallel_tool_calls"] is False


def test_a_refusal_is_the_answer_when_there_is_no_text(make: Make) -> None:
    [row], _ = read(OpenAIChat(), make(line(USER, {"role": "assistant", "content": None, "refusal": "I can't."})))
    assert row.completion_text == "I can't."
