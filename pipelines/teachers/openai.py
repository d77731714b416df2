"""OpenAI's chat models, through the official SDK."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, ClassVar, cast

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
)
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from pipelines.teachers import errors
from pipelines.teachers.base import Completion, Connection, FinishReason, Sampling, Teacher, TeacherError, Usage
from pipelines.teachers.streaming import gather
from studio.lib.errors import StudioError
from studio.lib.http import check_url, guarded_client
from studio.lib.params import BaseParams, param
from vault.rows import Message

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
}


class OpenAITeacher(Teacher):
    """OpenAI's own API. Needs a credential with an API key."""

    label: ClassVar[str] = "OpenAI"
    max_tokens_field: ClassVar[str] = "max_completion_tokens"

    class Params(BaseParams):
        """Which model answers, and where."""

        model: str = param(
            label="Model",
            help="The model's name as OpenAI spells it.",
            min_length=1,
            suggestions=("gpt-5.4-mini", "gpt-6-luna"),
        )
        base_url: str = param(
            "https://api.openai.com/v1",
            label="Address",
            help="Change it only for a gateway of your own.",
            advanced=True,
        )

    def __init__(self, params: Any, *, connection: Connection) -> None:
        super().__init__(params, connection=connection)
        check_url(params.base_url, allowed_hosts=connection.allowed_hosts)
        key = connection.secret or ""
        # Every value the SDK would otherwise take from the environment is given: the operator's own keys and organisation
        # must not travel to an address that a user typed.
        self.client = AsyncOpenAI(
            api_key=key or "none",
            admin_api_key="",
            organization="",
            project="",
            webhook_secret="",
            base_url=params.base_url,
            max_retries=0,
            timeout=connection.timeout,
            http_client=guarded_client(
                allowed_hosts=connection.allowed_hosts,
                headers={"Authorization": f"Bearer {key}"} if key else {},
                timeout=connection.timeout,
                max_connections=connection.concurrency + 4,
            ),
        )

    async def complete(self, messages: list[Message], sampling: Sampling, *, sample: int = 0) -> Completion:
        """Ask once; see :class:`Teacher`."""
        extra: dict[str, Any] = {self.max_tokens_field: sampling.max_tokens}
        if sampling.temperature is not None:
            extra["temperature"] = sampling.temperature
        if sampling.stream:
            return await self.complete_streamed(messages, extra)
        started = time.perf_counter()
        try:
            answer = await self.client.chat.completions.create(
                model=self.params.model,
                messages=cast("Iterable[ChatCompletionMessageParam]", messages),
                extra_body=extra,
            )
        except (APIError, StudioError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise self.explain(error) from error
        return self.translate(answer, latency_ms=(time.perf_counter() - started) * 1000)

    async def complete_streamed(self, messages: list[Message], extra: dict[str, Any]) -> Completion:
        """Ask once and watch for the first token."""
        where, began, started = f"{self.label} ({self.params.model})", False, time.perf_counter()
        try:
            stream = await self.client.chat.completions.create(
                model=self.params.model,
                messages=cast("Iterable[ChatCompletionMessageParam]", messages),
                stream=True,
                stream_options={"include_usage": True},
                extra_body=extra,
            )
            began = True
            async with stream:
                found = await gather(stream, started=started)
        except (APIError, StudioError, httpx2.HTTPError, json.JSONDecodeError) as error:
            raise (errors.broken_off(where, str(error)) if began else self.explain(error)) from error
        if not found.whole:
            raise errors.broken_off(where)
        if not found.counted:
            raise errors.uncounted(where)
        answer = self.translate(found.answer, latency_ms=(time.perf_counter() - started) * 1000)
        return replace(answer, first_ms=found.first_ms)

    def translate(self, answer: ChatCompletion, *, latency_ms: float) -> Completion:
        """The SDK's answer as ours; raises a retryable :class:`TeacherError` when it is not an answer at all."""
        if not isinstance(answer, ChatCompletion) or not getattr(answer, "choices", None):
            raise errors.not_an_answer(self.label)
        choice = answer.choices[0]
        message, usage = choice.message, answer.usage
        if message is None:
            raise errors.not_an_answer(self.label)
        details = getattr(usage, "prompt_tokens_details", None)
        refused = bool(getattr(message, "refusal", None)) and not message.content
        return Completion(
            text=message.content or "",
            tool_calls=[call.model_dump(mode="json", exclude_none=True) for call in message.tool_calls or []],
            model=answer.model or self.params.model,
            finish_reason="refusal" if refused else FINISH.get(choice.finish_reason or "stop", "other"),
            usage=Usage(
                input_tokens=getattr(usage, "prompt_tokens", 0) or 0,
                output_tokens=getattr(usage, "completion_tokens", 0) or 0,
                cached_tokens=getattr(details, "cached_tokens", 0) or 0,
            ),
            latency_ms=latency_ms,
            raw_id=answer.id or "",
            fingerprint=getattr(answer, "system_fingerprint", None) or "",
        )

    def explain(self, error: Exception, *, where: str = "") -> TeacherError:
        """The SDK's error in words for a user, and whether asking again may help."""
        where = where or f"{self.label} ({self.params.model})"
        if isinstance(error, APIStatusError):
            return errors.from_status(
                where,
                status=error.status_code,
                detail=said_by(error),
                headers=error.response.headers,
                code=error.code or "",
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


def said_by(error: APIStatusError) -> str:
    """The provider's own words, without what the SDK puts around them."""
    body = error.body
    message = body.get("message") if isinstance(body, dict) else None
    return message if isinstance(message, str) and message else error.message
