"""Streamed answers: the same as whole ones, with the time to the first token; broken off, they are no answer."""

from __future__ import annotations

import pytest

from tests.servers.chat import ChatServer, Reply
from tests.teachers.asking import MakeTeacher, ask, refusal

WIRES = ["openai", "openai_compatible", "anthropic"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_streamed_answer_is_the_whole_one_with_the_time_of_its_first_token(
    wire: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(text="two words")
    whole = ask(make_teacher(wire))
    streamed = ask(make_teacher(wire), stream=True)
    assert [bool(body.get("stream")) for body in server.bodies] == [False, True]
    assert (streamed.text, streamed.model, streamed.finish_reason) == ("two words", whole.model, "stop")
    assert (streamed.usage, streamed.fingerprint) == (whole.usage, whole.fingerprint)
    assert whole.first_ms is None
    assert streamed.first_ms is not None
    assert 0 < streamed.first_ms <= streamed.latency_ms


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("content_filter", "refusal")])
def test_how_a_streamed_answer_ended_is_kept(
    wire: str, finish: str, reason: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(text="cut", finish=finish)
    assert ask(make_teacher(wire), stream=True).finish_reason == reason


@pytest.mark.parametrize("wire", WIRES)
def test_a_stream_that_breaks_off_is_asked_again_and_may_have_been_billed(
    wire: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(text="half an", breaks=True)
    error = refusal(make_teacher(wire), stream=True)
    assert "broke off its streamed answer" in str(error)
    assert (error.retryable, error.billed, error.fatal) == (True, True, False)


@pytest.mark.parametrize("wire", WIRES)
def test_an_error_before_the_stream_is_the_same_as_without(
    wire: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.default = Reply(status=429, error="slow down", headers={"retry-after": "3"})
    error = refusal(make_teacher(wire), stream=True)
    assert (error.retryable, error.retry_after) == (True, 3.0)


def test_a_stream_without_its_number_of_tokens_ends_the_step(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(text="words", uncounted=True)
    error = refusal(make_teacher("openai_compatible"), stream=True)
    assert error.fatal
    assert "without saying how many tokens" in str(error)
    assert "Time the first token" in error.action


def test_a_server_that_cannot_stream_is_said_so(make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.default = Reply(raw=b'{"id": "x", "choices": [{"message": {"content": "hi"}}]}')
    error = refusal(make_teacher("openai_compatible"), stream=True)
    assert "can't stream" in error.action
