"""ShareGPT conversations: ``{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}``.

Shape: as written by ShareGPT exports and read by Axolotl and LLaMA-Factory (roles ``function_call`` and ``observation``,
``system`` and ``tools`` beside the conversation).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from vault.readers.base import BadRow, Reader, RowError
from vault.readers.messages import ROLES, from_text, message_list
from vault.readers.openai_chat import OpenAIChat, chat_rows
from vault.readers.records import rows_from
from vault.rows import Row

SPEAKERS = ROLES | {
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "ai": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "function_call": "function_call",
    "tool_call": "function_call",
}
LISTS = ("conversations", "conversation")


class ShareGPT(Reader):
    """One conversation a record, each message with ``from`` and ``value``. The last answer is the one to learn."""

    label: ClassVar[str] = "ShareGPT"
    description: ClassVar[str] = (
        '{"conversations": [{"from": "human", "value": …}, …]}, with system and tools beside it.'
    )

    class Params(OpenAIChat.Params):
        """How to take the conversations: as for OpenAI chats."""

    def sniff(self, first: dict[str, Any] | None) -> bool:
        """True for a record with a list of conversations."""
        return first is not None and any(isinstance(first.get(name), list | dict) for name in LISTS)

    def rows(self, path: Path, params: Params) -> Iterator[Row | RowError]:
        """See :meth:`Reader.rows`."""

        def make(value: dict[str, Any], line: int) -> list[Row]:
            return chat_rows({**value, "messages": _messages(value)}, line, params)

        return rows_from(path, encoding=params.encoding, make=make)


def _messages(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation as OpenAI messages; each tool call gets an id, which the observation after it refers to."""
    name = next((name for name in LISTS if value.get(name) is not None), LISTS[0])
    found: list[dict[str, Any]] = []
    system = value.get("system") or value.get("system_prompt")
    if isinstance(system, str) and system.strip():
        found.append({"role": "system", "content": system})
    call_ids: list[str] = []
    for index, said in enumerate(message_list(value.get(name), name)):
        message = _message(said, f"{name}[{index}]")
        if message["role"] == "assistant" and message.get("tool_calls"):
            for place, call in enumerate(message["tool_calls"]):
                call["id"] = f"call_{index}_{place}"
            call_ids = [call["id"] for call in message["tool_calls"]]
        elif message["role"] == "tool" and call_ids:
            message["tool_call_id"] = call_ids.pop(0)
        found.append(message)
    return found


def _message(said: Any, column: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise BadRow("A message is not an object with from and value.", column=column)
    speaker = said.get("from", said.get("role"))
    role = SPEAKERS.get(speaker.lower()) if isinstance(speaker, str) else None
    if role is None:
        raise BadRow(
            f"A message is from {str(speaker)[:40]!r}; known are human, gpt, system, function_call and observation.",
            column=column,
        )
    text = said.get("value", said.get("content"))
    message: dict[str, Any] = {"role": role, "content": text, "weight": said.get("weight")}
    if role == "function_call":
        message |= {"role": "assistant", "content": None, "tool_calls": _calls(text, column)}
    elif isinstance(text, dict):
        message["content"] = json.dumps(text, ensure_ascii=False)
    return message


def _calls(text: Any, column: str) -> list[dict[str, Any]]:
    """The calls in a function_call message: one ``{"name", "arguments"}``, or a list of them, as JSON text."""
    value = from_text(text) if isinstance(text, str) else text
    calls = value if isinstance(value, list) else [value]
    if not calls or not all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls):
        raise BadRow("A function call is not JSON with a name and arguments.", column=column)
    return [
        {"type": "function", "function": {"name": call["name"], "arguments": call.get("arguments", {})}}
        for call in calls
    ]
