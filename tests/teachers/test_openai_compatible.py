"""What is particular to other servers of that wire format; see test_wire for the rest."""

from __future__ import annotations

import pytest

from pipelines.teachers.base import Connection, Usage
from pipelines.teachers.openai_compatible import OpenAICompatibleTeacher
from studio.lib.errors import StudioError
from studio.lib.http import ForbiddenAddress, check_url
from tests.servers.chat import ChatServer, Reply
from tests.servers.llama import running_llama_server
from tests.teachers.asking import MakeTeacher, ask


def test_a_compatible_server_gets_the_field_that_all_of_them_know(
    make_teacher: MakeTeacher, server: ChatServer
) -> None:
    ask(make_teacher("openai_compatible"), max_tokens=33)
    assert server.bodies[0]["max_tokens"] == 33
    assert "temperature" not in server.bodies[0]


def test_a_teacher_at_a_forbidden_address_is_refused_before_it_is_asked(make_teacher: MakeTeacher) -> None:
    with pytest.raises(ForbiddenAddress, match=r"169\.254\.169\.254"):
        make_teacher("openai_compatible", base_url="http://169.254.169.254/latest")


def test_every_address_that_is_suggested_is_open_by_default() -> None:
    from studio import conf

    open_hosts = next(s.default for s in conf.SETTINGS if s.name == "STUDIO_ALLOWED_HOSTS_OUT")
    suggested = OpenAICompatibleTeacher.Params.model_json_schema()["properties"]["base_url"]["suggestions"]
    assert suggested == ["http://127.0.0.1:11434/v1"]
    assert check_url(suggested[0], allowed_hosts=open_hosts)


def test_no_key_sends_no_authorization(make_teacher: MakeTeacher, server: ChatServer) -> None:
    assert ask(make_teacher("openai_compatible", secret=None)).text == "HELLO"
    assert "authorization" not in server.headers[0]


def test_a_server_without_usage_still_answers(make_teacher: MakeTeacher, server: ChatServer) -> None:
    raw = b'{"id": "1", "object": "chat.completion", "model": "small", "choices": [{"index": 0, "finish_reason": null,'
    raw += b' "message": {"role": "assistant", "content": "hi"}}]}'
    server.script = [Reply(raw=raw)]
    answer = ask(make_teacher("openai_compatible"))
    assert (answer.text, answer.finish_reason) == ("hi", "stop")
    assert answer.usage == Usage()


@pytest.mark.heavy
def test_llama_cpps_own_server_answers() -> None:
    """The server that ships with llama-cpp-python, with the embedded SmolLM2."""
    with running_llama_server() as url:
        connection = Connection(allowed_hosts=("127.0.0.1",), timeout=120)
        params = OpenAICompatibleTeacher.Params(base_url=f"{url}/v1", model="smollm2")
        answer = ask(
            OpenAICompatibleTeacher(params, connection=connection),
            [{"role": "user", "content": "What is the capital of France? Answer in one word."}],
            max_tokens=16,
            temperature=0.0,
        )
        assert "Paris" in answer.text
        assert answer.usage.input_tokens > 5
        assert answer.usage.output_tokens > 0
        cut = ask(
            OpenAICompatibleTeacher(params, connection=connection),
            [{"role": "user", "content": "Count from one to one hundred in words."}],
            max_tokens=5,
        )
        assert cut.finish_reason == "length"


def test_values_that_do_not_fit_are_said_in_words() -> None:
    with pytest.raises(StudioError, match="base_url: This is required"):
        OpenAICompatibleTeacher.open({"model": "m", "base_url": ""})
