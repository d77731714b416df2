"""A streamed chat completion put together again, with the time to its first token (OpenAI's wire format)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable
from typing import Any, NamedTuple

from openai.types.chat import ChatCompletion, ChatCompletionChunk


class Gathered(NamedTuple):
    """``first_ms``: from ``started`` to the first token, None when none came. ``whole``: the stream came to its end. ``counted``:
    it said how many tokens were used."""

    answer: ChatCompletion
    first_ms: float | None
    whole: bool
    counted: bool


async def gather(chunks: AsyncIterable[ChatCompletionChunk], *, started: float) -> Gathered:
    """Read a stream to its end. ``started``: ``time.perf_counter()`` when it was asked for."""
    facts: dict[str, Any] = {"id": "", "model": "", "system_fingerprint": None}
    text, refusal, calls = list[str](), list[str](), dict[int, dict[str, Any]]()
    usage, finish, first = None, None, None
    async for chunk in chunks:
        facts |= {name: value for name in facts if (value := getattr(chunk, name, None))}
        usage = getattr(chunk, "usage", None) or usage
        for choice in getattr(chunk, "choices", None) or []:
            finish = choice.finish_reason or finish
            delta = choice.delta
            if delta is None:
                continue
            # Servers of reasoning models stream what they think under this name.
            said = delta.content or delta.refusal or delta.tool_calls or getattr(delta, "reasoning_content", None)
            if said and first is None:
                first = (time.perf_counter() - started) * 1000
            text.append(delta.content or "")
            refusal.append(getattr(delta, "refusal", None) or "")
            for call in delta.tool_calls or []:
                _add_call(calls, call)
    message = {
        "role": "assistant",
        "content": "".join(text),
        "refusal": "".join(refusal) or None,
        "tool_calls": [calls[index] for index in sorted(calls)] or None,
    }
    choices = [{"index": 0, "finish_reason": finish or "stop", "message": message, "logprobs": None}]
    answer = ChatCompletion.construct(**facts, created=0, object="chat.completion", choices=choices, usage=usage)
    return Gathered(answer, first, finish is not None, usage is not None)


def _add_call(calls: dict[int, dict[str, Any]], call: Any) -> None:
    known = calls.setdefault(call.index, {"id": "", "type": "function", "function": {"name": "", "arguments": ""}})
    known["id"] = known["id"] or call.id or ""
    if call.function is not None:
        known["function"]["name"] += call.function.name or ""
        known["function"]["arguments"] += call.function.arguments or ""
