"""What is particular to Anthropic's API; see test_wire for the rest."""

from __future__ import annotations

from tests.servers.chat import ChatServer
from tests.teachers.asking import MakeTeacher, ask
from vault.rows import Message


def test_anthropic_gets_the_system_prompt_apart_and_the_temperature(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    ask(make_teacher("anthropic"), max_tokens=33, temperature=0.0)
    (body,) = server.bodies
    assert body["system"] == "Be brief."
    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert body["max_tokens"] == 33
    assert body["temperature"] == 0.0


def test_anthropic_gets_tool_calls_and_results_as_blocks(make_teacher: MakeTeacher, server: ChatServer) -> None:
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
    messages: list[Message] = [
        {"role": "user", "content": "what is x?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "t1", "content": "42"},
        {"role": "user", "content": "so?"},
    ]
    ask(make_teacher("anthropic"), messages)
    turns = server.bodies[0]["messages"]
    assert turns[1]["content"] == [{"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "x"}}]
    assert turns[2] == {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "42"}]}
