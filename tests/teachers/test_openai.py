"""What is particular to OpenAI's own API; see test_wire for the rest."""

from __future__ import annotations

from tests.servers.chat import ChatServer, Reply
from tests.teachers.asking import PROMPT, MakeTeacher, ask, refusal


def test_openai_gets_its_own_field_for_the_longest_answer(make_teacher: MakeTeacher, server: ChatServer) -> None:
    ask(make_teacher("openai"), max_tokens=33, temperature=0.5)
    (body,) = server.bodies
    assert body["max_completion_tokens"] == 33
    assert "max_tokens" not in body
    assert body["temperature"] == 0.5
    assert body["messages"] == PROMPT


def test_running_out_of_credit_is_fatal_though_it_comes_as_429(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=429, code="insufficient_quota", error="You exceeded your current quota")]
    error = refusal(make_teacher("openai"))
    assert error.fatal
    assert "credit" in error.action
