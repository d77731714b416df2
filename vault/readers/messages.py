"""Chat messages as files spell them, turned into the one form a row holds."""

from __future__ import annotations

import json
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
TEXT_PARTS = {"text", "input_text", "output_text", "refusal"}


def parse_messages(value: Any, *, column: str) -> list[Message]:
    """A list of chat messages; raises :class:`BadRow` naming the message that is wrong."""
    return [parse_message(item, column=f"{column}[{index}]") for index, item in enumerate(message_list(value, column))]


def message_list(value: Any, column: str) -> list[Any]:
    """The messages before they are looked at: a list, a list as JSON text, or (as Arrow keeps them) an object of lists."""
    if isinstance(value, str):
        value = from_text(value)
    if isinstance(value, dict) and all(isinstance(cells, list) for cells in value.values()):
        lists = list(value.values())
        if len({len(cells) for cells in lists}) == 1:
            value = [dict(zip(value, cells, strict=True)) for cells in zip(*lists, strict=True)]
    if not isinstance(value, list):
        raise BadRow(f"'{column}' is not a list of messages.", column=column)
    if not value:
        raise BadRow(f"'{column}' is an empty list: there is no prompt.", column=column)
    return value


def from_text(value: str) -> Any:
    """JSON that a table keeps as text, parsed; any other text as it is."""
    if not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


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
    calls = tool_calls(value, column=column)
    if calls:
        message["tool_calls"] = calls
    if message["content"] is None and isinstance(value.get("refusal"), str):
        message["content"] = value["refusal"]
    if role == "function" and "tool_call_id" not in message and "name" in message:
        message["tool_call_id"] = f"call_{message['name']}"
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
    kind = value.get("type", "text") if isinstance(value, dict) else type(value).__name__
    if isinstance(value, dict) and kind in TEXT_PARTS:
        text = value.get("refusal") if kind == "refusal" else value.get("text")
        if isinstance(text, str):
            return text
    raise BadRow(f"A message holds a part of type {str(kind)[:40]!r}; only text can be used.", column=column)


def tool_calls(message: dict[str, Any], *, column: str) -> list[dict[str, Any]]:
    """The calls of an assistant message in OpenAI's shape: arguments as JSON text. The older ``function_call`` is one too."""
    calls = message.get("tool_calls")
    if not calls and isinstance(message.get("function_call"), dict):
        called = message["function_call"]
        calls = [{"id": f"call_{called.get('name')}", "type": "function", "function": called}]
    if not calls:
        return []
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        raise BadRow("'tool_calls' is not a list of objects.", column=column)
    return [_call(call, column=column) for call in calls]


def _call(call: dict[str, Any], *, column: str) -> dict[str, Any]:
    call = without_nulls(call)
    function = call.get("function")
    if isinstance(function, dict) and not isinstance(function.get("arguments", ""), str):
        call = {**call, "function": {**function, "arguments": text_value(function["arguments"])}}
    return dict(storable(call, column=column))


def without_nulls(value: Any) -> Any:
    """A value without the null fields of its objects: Arrow writes every field that any row has."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def storable(value: Any, *, column: str) -> Any:
    """The value itself; raises :class:`BadRow` when JSON has no form for it (bytes, infinite numbers)."""
    try:
        canonical_json(value)
    except (ValueError, TypeError, RecursionError):
        raise BadRow(f"'{column}' holds bytes, or a number that is infinite.", column=column) from None
    return value


def parse_tools(value: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools that a conversation could use, in OpenAI's shape, from ``tools`` (a list, perhaps as JSON text) or the older
    ``functions``; raises :class:`BadRow` when they are neither."""
    tools: Any = value.get("tools") or value.get("functions")
    if isinstance(tools, str):
        tools = from_text(tools)
        if isinstance(tools, str):
            if tools.strip():
                raise BadRow("'tools' is text that is not JSON.", column="tools")
            return []
    if not tools:
        return []
    if isinstance(tools, dict):
        tools = [tools]
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise BadRow("'tools' is not a list of objects.", column="tools")
    tools = [tool if "function" in tool or "type" in tool else {"type": "function", "function": tool} for tool in tools]
    return list(storable(without_nulls(tools), column="tools"))


def base_meta(value: dict[str, Any], line: int) -> dict[str, Any]:
    """What every format keeps beside the messages: the place in the file, the tools, whether calls could be parallel."""
    meta: dict[str, Any] = {"source": {"line": line}}
    tools = parse_tools(value)
    if tools:
        meta["tools"] = tools
    if tools and isinstance(value.get("parallel_tool_calls"), bool):
        meta["parallel_tool_calls"] = value["parallel_tool_calls"]
    return meta


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


def last_answer(messages: list[Message], *, column: str) -> Message:
    """The message that ends a list, which must be the assistant's."""
    if messages[-1]["role"] != "assistant":
        raise BadRow(f"'{column}' ends with a {messages[-1]['role']} message, not an assistant's.", column=column)
    return messages[-1]


def text_value(value: Any) -> str:
    """A cell or JSON value as text: strings as they are, null as nothing, the rest as JSON."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    try:
        return canonical_json(value)
    except (ValueError, TypeError, RecursionError):
        if isinstance(value, bytes):
            raise BadRow("A cell holds bytes that are not text (a picture or sound, perhaps).") from None
        raise BadRow("A number is infinite or not a number.") from None


def tag_list(value: Any) -> list[str]:
    """Tags from a list or from one text; blanks and repeats are left out."""
    items = value if isinstance(value, list) else [value]
    tags = [text_value(item).strip() for item in items]
    return list(dict.fromkeys(tag for tag in tags if tag))
