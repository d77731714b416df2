"""Chat messages as files spell them, turned into the one form a row holds."""

from __future__ import annotations

from typing import Any

from studio.lib.canonical import canonical_json
from vault.readers.base import BadRow
from vault.rows import Message

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "model": "assistant",
    "gpt": "assistant",
    "tool": "tool",
    "function": "tool",
}


def parse_messages(value: Any, *, column: str) -> list[Message]:
    """A list of chat messages; raises :class:`BadRow` naming the message that is wrong."""
    if not isinstance(value, list):
        raise BadRow(f"'{column}' is not a list of messages.", column=column)
    if not value:
        raise BadRow(f"'{column}' is an empty list: there is no prompt.", column=column)
    return [parse_message(item, column=f"{column}[{index}]") for index, item in enumerate(value)]


def parse_message(value: Any, *, column: str) -> Message:
    """One chat message with a known role and text (or tool calls)."""
    if not isinstance(value, dict):
        raise BadRow("A message is not an object with a role and content.", column=column)
    role = value.get("role")
    if not isinstance(role, str) or role not in ROLES:
        shown = "has no role" if role is None else f"has the role {str(role)[:40]!r}"
        raise BadRow(f"A message {shown}; known are system, user, assistant and tool.", column=column)
    message: Message = {"role": ROLES[role], "content": _content(value.get("content"), column=column)}
    if isinstance(value.get("name"), str):
        message["name"] = value["name"]
    if isinstance(value.get("tool_call_id"), str):
        message["tool_call_id"] = value["tool_call_id"]
    calls = value.get("tool_calls")
    if calls:
        if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
            raise BadRow("'tool_calls' is not a list of objects.", column=column)
        message["tool_calls"] = calls
    if message["content"] is None and not calls:
        raise BadRow(f"The {message['role']} message has no content.", column=column)
    return message


def _content(value: Any, *, column: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_part(part, column=column) for part in value)
    raise BadRow("A message's content is neither text nor a list of text parts.", column=column)


def _part(value: Any, *, column: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        return str(value["text"])
    kind = value.get("type", "unknown") if isinstance(value, dict) else type(value).__name__
    raise BadRow(f"A message holds a part of type {str(kind)[:40]!r}; only text can be used.", column=column)


def require_prompt(prompt: list[Message], *, column: str) -> None:
    """Raise :class:`BadRow` when nobody asks anything: no user or tool message with text."""
    if not any(m["role"] in {"user", "tool"} and (m.get("content") or "").strip() for m in prompt):
        raise BadRow("There is no prompt: no user message with text.", column=column)


def with_system(prompt: list[Message], system: str) -> list[Message]:
    """The prompt with this system prompt before it, unless it has one of its own or ``system`` is empty."""
    if not system.strip() or (prompt and prompt[0]["role"] == "system"):
        return prompt
    return [{"role": "system", "content": system}, *prompt]


def answer(message: Message | None) -> Message | None:
    """An answer, or None when it is there in name only (no text and no tool calls)."""
    if message is None or ((message.get("content") or "").strip() == "" and not message.get("tool_calls")):
        return None
    return message


def text_value(value: Any) -> str:
    """A cell or JSON value as text: strings as they are, null as nothing, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return canonical_json(value)
    except ValueError:
        raise BadRow("A number is infinite or not a number.") from None


def tag_list(value: Any) -> list[str]:
    """Tags from a list or from one text; blanks and repeats are left out."""
    items = value if isinstance(value, list) else [value]
    tags = [text_value(item).strip() for item in items]
    return list(dict.fromkeys(tag for tag in tags if tag))
