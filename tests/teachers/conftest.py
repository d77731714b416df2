"""A scripted provider, and teachers that talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipelines.teachers.anthropic import AnthropicTeacher
from pipelines.teachers.base import Connection, Teacher
from pipelines.teachers.openai import OpenAITeacher
from pipelines.teachers.openai_compatible import OpenAICompatibleTeacher
from tests.servers.chat import ChatServer, running_chat_server


@pytest.fixture
def server() -> Iterator[ChatServer]:
    """A chat server on loopback."""
    with running_chat_server() as running:
        yield running


@pytest.fixture
def make_teacher(server: ChatServer) -> Callable[..., Teacher]:
    """``make_teacher("openai")``: a teacher whose address is the scripted server."""

    def make(name: str, *, secret: str | None = "sk-test-secret", timeout: float = 5.0, **params: Any) -> Teacher:
        connection = Connection(secret=secret, allowed_hosts=("127.0.0.1",), timeout=timeout, concurrency=8)
        match name:
            case "openai":
                kind: type[Teacher] = OpenAITeacher
                params = {"model": "gpt-4o-mini", "base_url": f"{server.url}/v1", **params}
            case "anthropic":
                kind = AnthropicTeacher
                params = {"model": "claude-haiku-4-5", "base_url": server.url, **params}
            case _:
                kind = OpenAICompatibleTeacher
                params = {"model": "small", "base_url": f"{server.url}/v1", **params}
        return kind(kind.Params.model_validate(params), connection=connection)

    return make
