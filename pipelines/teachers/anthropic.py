"""Anthropic's Claude models, through the official SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, cast

import httpx2
from anthropic import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AsyncAnthropic,
    omit,
)
from anthropic.types import Message as AnthropicMessage
from anthropic.types import MessageParam

from pipelines.teachers import errors
from pipelines.teachers.base import Completion, Connection, FinishReason, Sampling, Teacher, TeacherError, Usage
from studio.lib.errors import StudioError
from studio.lib.http import check_url, guarded_client
from studio.lib.params import BaseParams, param
from vault.rows import Message

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}


class AnthropicTeacher(Teacher):
    """Anthropic's own API. Needs a credential with an API key."""

    label: ClassVar[str] = "Anthropic"

    class Params(BaseParams):
        """Which model answers, and where."""

        model: str = param(
            label="Model",
            help="The model's name as Anthropic spells it.",
            min_length=1,
            suggestions=("claude-haiku-4-5", "claude-sonnet-5-5"),
        )
        base_url: str = param(
            "https://api.anthropic.com",
            label="Address",
            help="Change it only for a gateway of your own.",
            advanced=True,
        )

    def __init__(self, params: Any, *, connection: Connection) -> None:
        super().__init__(params, connection=connection)
        check_url(params.base_url, allowed_hosts=connection.allowed_hosts)
        key = connection.secret or "none"
        # Given in full, so that nothing of the operator's environment travels along.
        self.client = AsyncAnthropic(
            api_key=key,
            webhook_key="",
            base_url=params.base_url,
            open_telemetry=False,
            max_retries=0,
            timeout=connection.timeout,
            http_client=guarded_client(
                allowed_hosts=connection.allowed_hosts,
                headers={"X-Api-Key": key},
                timeout=connection.timeout,
                max_connections=connection.concurrency + 4,
            ),
        )

    async def complete(self, messages: list[Message], sampling: Sampling, *, sample: int = 0) -> Completion:
        """Ask once; see :class:`Teacher`."""
        system, turns = split_system(messages)
        asked: dict[str, Any] = {
            "model": self.params.model,
            "max_tokens": sampling.max_tokens,
            "system": system or omit,
            "messages": cast("Iterable[MessageParam]", turns),
            "extra_body": {} if sampling.temperature is None else {"temperature": sampling.temperature},
        }
        if sampling.stream:
            return await self.complete_streamed(asked)
        started = time.perf_counter()
        try:
            answer = await self.client.messages.create(**asked)
        except (APIError, StudioError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise self.explain(error) from error
        return self.translate(answer, latency_ms=(time.perf_counter() - started) * 1000)

    async def complete_streamed(self, asked: dict[str, Any]) -> Completion:
        """Ask once and watch for the first token."""
        where, began, started = f"{self.label} ({self.params.model})", False, time.perf_counter()
        first: float | None = None
        answer: AnthropicMessage | None = None
        try:
            async with self.client.messages.stream(**asked) as stream:
                began = True
                async for event in stream:
                    if event.type == "content_block_delta" and first is None:
                        first = (time.perf_counter() - started) * 1000
                    elif event.type == "message_stop":
                        answer = event.message
        except (APIError, StudioError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise (errors.broken_off(where, str(error)) if began else self.explain(error)) from error
        if answer is None or answer.stop_reason is None:
            raise errors.broken_off(where)
        return replace(self.translate(answer, latency_ms=(time.perf_counter() - started) * 1000), first_ms=first)

    def translate(self, answer: AnthropicMessage, *, latency_ms: float) -> Completion:
        """The SDK's answer as ours; raises a retryable :class:`TeacherError` when it is not an answer at all."""
        if not isinstance(answer, AnthropicMessage) or getattr(answer, "content", None) is None:
            raise errors.not_an_answer(self.label)
        usage = getattr(answer, "usage", None)
        cached = getattr(usage, "cache_read_input_tokens", 0) or 0
        written = getattr(usage, "cache_creation_input_tokens", 0) or 0
        return Completion(
            text="".join(block.text for block in answer.content if block.type == "text"),
            tool_calls=[
                {
                    "id": b.id,
                    "type": "function",
                    "function": {"name": b.name, "arguments": json.dumps(b.input, ensure_ascii=False)},
                }
                for b in answer.content
                if b.type == "tool_use"
            ],
            model=str(answer.model or self.params.model),
            finish_reason=FINISH.get(answer.stop_reason or "end_turn", "other"),
            usage=Usage(
                # Anthropic counts cached input apart; our input_tokens is all of it.
                input_tokens=(getattr(usage, "input_tokens", 0) or 0) + cached + written,
                output_tokens=getattr(usage, "output_tokens", 0) or 0,
                cached_tokens=cached,
            ),
            latency_ms=latency_ms,
            raw_id=answer.id or "",
        )

    def explain(self, error: Exception, *, where: str = "") -> TeacherError:
        """The SDK's error in words for a user, and whether asking again may help."""
        where = where or f"{self.label} ({self.params.model})"
        if isinstance(error, APIStatusError):
            return errors.from_status(
                where,
                status=error.status_code,
                detail=error.api_message or error.message,
                headers=error.response.headers,
                code=error.error_code or "",
            )
        if isinstance(error, APITimeoutError):
            return errors.timed_out(where, self.connection.timeout)
        if isinstance(error, StudioError):
            return TeacherError(str(error).rstrip("."), action=error.action, fatal=True)
        if isinstance(error, APIConnectionError):
            return errors.unreachable(where, self.params.base_url, error.__cause__)
        if isinstance(error, (APIResponseValidationError, json.JSONDecodeError)):
            return errors.not_an_answer(self.label)
        return errors.unreachable(where, self.params.base_url, error)

    async def list_models(self) -> list[str]:
        """See :class:`Teacher`."""
        try:
            page = await self.client.models.list()
        except (APIError, StudioError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise self.explain(error, where=self.label) from error
        if not isinstance(getattr(page, "data", None), list):
            raise errors.not_an_answer(self.label)
        return sorted(model.id for model in page.data)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()


def split_system(messages: list[Message]) -> tuple[str, list[dict[str, Any]]]:
    """``(system text, turns)`` in Anthropic's shape: system messages leave the list, tool calls and results become blocks."""
    system = "\n\n".join(m.get("content") or "" for m in messages if m.get("role") == "system")
    turns: list[dict[str, Any]] = []
    for message in messages:
        role, content = message.get("role"), message.get("content") or ""
        if role == "system":
            continue
        if role == "tool":
            blocks = [{"type": "tool_result", "tool_use_id": message.get("tool_call_id", ""), "content": content}]
            turns.append({"role": "user", "content": blocks})
        elif message.get("tool_calls"):
            blocks = [{"type": "text", "text": content}] if content else []
            blocks += [_tool_use(call) for call in message["tool_calls"]]
            turns.append({"role": "assistant", "content": blocks})
        else:
            turns.append({"role": role, "content": content})
    return system, turns


def _tool_use(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function", {})
    try:
        arguments = json.loads(function.get("arguments") or "{}")
    except json.JSONDecodeError:
        arguments = {"arguments": function.get("arguments")}
    return {"type": "tool_use", "id": call.get("id", ""), "name": function.get("name", ""), "input": arguments}
