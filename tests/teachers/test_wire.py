"""OpenAI, Anthropic and compatible servers over their real wire formats."""

from __future__ import annotations

import pytest

from pipelines.teachers.base import Usage
from tests.servers.chat import ChatServer, Reply
from tests.teachers.asking import MakeTeacher, ask, refusal

WIRES = ("openai", "anthropic", "openai_compatible")


@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_brings_text_model_usage_and_id(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.cached_tokens = 40
    answer = ask(make_teacher(wire))
    assert answer.text == "HELLO"
    assert answer.finish_reason == "stop"
    assert answer.usage == Usage(input_tokens=100, output_tokens=10, cached_tokens=40)
    assert answer.model.startswith(("gpt-4o-mini-", "claude-haiku-4-5-", "small-"))
    assert answer.raw_id
    assert answer.latency_ms > 0


@pytest.mark.parametrize("wire", WIRES)
def test_a_wrong_key_is_fatal_and_says_to_check_it(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.key = "another"
    error = refusal(make_teacher(wire))
    assert error.fatal
    assert not error.retryable
    assert "401" in str(error)
    assert "key" in error.action
    assert "sk-test-secret" not in str(error) + error.action


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"retry-after": "7"}, 7.0),
        (429, {}, None),
        (500, {}, None),
        (503, {"retry-after": "2"}, 2.0),
        (529, {}, None),
    ],
)
def test_a_busy_or_failing_provider_may_be_asked_again(
    wire: str, status: int, headers: dict[str, str], wait: float | None, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.script = [Reply(status=status, headers=headers)]
    error = refusal(make_teacher(wire))
    assert error.retryable
    assert not error.fatal
    assert error.retry_after == wait
    assert len(server.bodies) == 1, "the SDK must not retry by itself"


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("status", [402, 403, 404])
def test_what_no_retry_can_mend_is_fatal(wire: str, status: int, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=status)]
    error = refusal(make_teacher(wire))
    assert error.fatal
    assert error.action


@pytest.mark.parametrize("wire", WIRES)
def test_a_bad_request_fails_its_row_only(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=400, error="Unsupported value: 'temperature' does not support 0 with this model.")]
    error = refusal(make_teacher(wire))
    assert not error.retryable
    assert not error.fatal
    assert "temperature" in error.action


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "raw",
    [b'{"id": "x", "choices": [{"mess', b"", b"<html>a proxy's page</html>", b'{"hello": "world"}', b"[]", b'"ok"'],
)
def test_something_that_is_no_answer_may_be_asked_again(
    wire: str, raw: bytes, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.script = [Reply(raw=raw)]
    error = refusal(make_teacher(wire))
    assert error.retryable
    assert error.billed


@pytest.mark.parametrize("wire", WIRES)
def test_a_hang_ends_at_the_time_limit(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(hang=True)]
    error = refusal(make_teacher(wire, timeout=0.3))
    assert error.retryable
    assert error.billed
    assert "0.3 seconds" in str(error)


@pytest.mark.parametrize("wire", WIRES)
def test_a_broken_connection_may_be_asked_again(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(drop=True)]
    error = refusal(make_teacher(wire))
    assert error.retryable
    assert server.url in str(error)


@pytest.mark.parametrize("wire", WIRES)
def test_a_server_that_is_not_there_says_so(wire: str, make_teacher: MakeTeacher) -> None:
    error = refusal(make_teacher(wire, base_url="http://127.0.0.1:9/v1"))
    assert error.retryable
    assert "127.0.0.1:9" in str(error)
    assert "running" in error.action


@pytest.mark.parametrize("wire", WIRES)
def test_a_redirect_is_not_followed(wire: str, make_teacher: MakeTeacher, server: ChatServer) -> None:
    server.script = [Reply(status=307, headers={"location": "http://127.0.0.1:1/admin"})]
    error = refusal(make_teacher(wire))
    assert error.fatal
    assert "redirect" in error.action
    assert len(server.bodies) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_cut_off_refused_and_empty_answers_are_told_apart(
    wire: str, make_teacher: MakeTeacher, server: ChatServer
) -> None:
    server.script = [Reply(finish="length"), Reply(finish="content_filter"), Reply(text="")]
    reasons = []
    for _ in range(3):
        answer = ask(make_teacher(wire))
        reasons.append((answer.finish_reason, bool(answer.text)))
    assert reasons == [("length", True), ("refusal", True), ("stop", False)]


def test_nothing_of_the_operators_environment_travels_to_a_users_server(
    make_teacher: MakeTeacher, server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "operators-own-secret")
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(
            name, "X-Secret: operators-own-secret\nAuthorization: operators-own-secret\nX-Api-Key: operators-own-secret"
        )
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "operators-own-secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    for wire in WIRES:
        ask(make_teacher(wire, secret=None))
    assert len(server.headers) == 3
    assert "operators-own-secret" not in str(server.headers)
