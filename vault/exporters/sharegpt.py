"""ShareGPT conversations, as Axolotl and LLaMA-Factory read them: ``from`` and ``value``, calls as ``function_call``."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from studio.lib.canonical import canonical_json
from vault.exporters.base import JsonLines, conversation, ends_open, kept_meta
from vault.rows import Message, Row

SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}


class ShareGptJsonl(JsonLines):
    """One conversation a line; tools as JSON text beside it."""

    label: ClassVar[str] = "ShareGPT"
    description: ClassVar[str] = "Conversations for Axolotl, LLaMA-Factory and Unsloth."
    carries: ClassVar[str] = (
        "id, prompt, completion, tags, tools. Tool calls are numbered again; names of speakers are lost."
    )
    leaves_out: ClassVar[str] = (
        "rows with text and tool calls in one message, and rows without an answer whose prompt ends with an assistant message"
    )
    reader: ClassVar[str] = "sharegpt"

    def misfit(self, row: Row) -> str:
        """See :meth:`RowExporter.misfit`."""
        for message in conversation(row):
            if message.get("tool_calls") and message.get("content") is not None:
                return "A message has both text and tool calls; ShareGPT has one or the other."
            if message.get("tool_calls") and message["role"] != "assistant":
                return "Somebody other than the assistant calls tools."
            if any("name" not in call.get("function", {}) for call in message.get("tool_calls", [])):
                return "A tool call names no function."
        return ends_open(row)

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        messages = _numbered(conversation(row))
        prompt = messages[: len(row.prompt)]
        completion = messages[-1] if row.completion else None
        return Row(row.id, prompt, completion, tags=row.tags, meta=kept_meta(row))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        said = [_spoken(message) for message in conversation(row)]
        meta = kept_meta(row)
        if meta:
            meta["tools"] = json.dumps(meta["tools"], ensure_ascii=False)
        return {"id": row.id, "conversations": said, "tags": row.tags, **meta}


def _spoken(message: Message) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if calls:
        spelled = [{"name": call["function"]["name"], "arguments": _arguments(call)} for call in calls]
        value: Any = spelled[0] if len(spelled) == 1 else spelled
        return {"from": "function_call", "value": json.dumps(value, ensure_ascii=False)}
    return {"from": SPEAKERS[message["role"]], "value": message.get("content")}


def _arguments(call: dict[str, Any]) -> Any:
    """The arguments as an object, as the format has them, unless that would not come back as the same text."""
    text = _text(call)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    plain = isinstance(value, dict) and "null" not in text and canonical_json(value) == text
    return value if plain else text


def _text(call: dict[str, Any]) -> str:
    found = call["function"].get("arguments", "{}")
    return found if isinstance(found, str) else canonical_json(found)


def _numbered(messages: list[Message]) -> list[Message]:
    """The messages as they come back: calls numbered by their place, results by the calls before them."""
    found: list[Message] = []
    waiting: list[str] = []
    for index, message in enumerate(messages):
        made: Message = {"role": message["role"], "content": message.get("content")}
        if message.get("tool_calls"):
            made["tool_calls"] = [
                {
                    "id": f"call_{index}_{place}",
                    "type": "function",
                    "function": {"name": call["function"]["name"], "arguments": _text(call)},
                }
                for place, call in enumerate(message["tool_calls"])
            ]
            waiting = [call["id"] for call in made["tool_calls"]]
        elif message["role"] == "tool" and waiting:
            made["tool_call_id"] = waiting.pop(0)
        found.append(made)
    return found
