"""A row as its page shows it: messages laid out, tool calls taken apart, the difference from the reference, where it came from."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.utils.safestring import SafeString, mark_safe

from vault import markdown
from vault.rows import Message, Row, to_json
from vault.word_diff import Piece, compare

SHOWN = 20_000
"""Characters of a text that are shown at first."""

SHOWN_AT_MOST = 1_000_000
"""Characters of a text that are shown on the reader's word; more is for a download."""

DIFFED = 100_000
"""Characters of the longer text up to which two texts are compared word by word."""

RAW_BYTES = 100_000
PROVENANCE = ("teacher", "model", "cost_usd", "at", "latency_ms", "finish_reason", "usage")
"""What has a line of its own among a row's facts; the rest of ``meta`` is listed below it."""


@dataclass(frozen=True)
class ToolCall:
    """What a model wanted to be called."""

    name: str
    arguments: Any
    """Parsed JSON, or the text when it is none."""
    id: str = ""


@dataclass(frozen=True)
class Shown:
    """One message. ``html``: safe Markdown; ``json``: its text was JSON; else ``text`` as it is. ``rest``: characters left out."""

    role: str
    text: str = ""
    html: SafeString | None = None
    json: Any = None
    is_json: bool = False
    rest: int = 0
    chars: int = 0
    name: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str = ""


def show_message(message: Message, *, whole: bool = False) -> Shown:
    """A message laid out; with ``whole`` up to a million characters of it."""
    content = message.get("content")
    text = content if isinstance(content, str) else "" if content is None else json.dumps(content, ensure_ascii=False)
    limit = SHOWN_AT_MOST if whole else SHOWN
    kept = text[:limit]
    parsed, is_json = (None, False) if len(text) > limit else _as_json(text)
    html = None
    if not is_json and len(kept) <= markdown.LONGEST:
        html = mark_safe(markdown.render(kept))  # noqa: S308 - its own HTML is escaped by the renderer
    return Shown(
        role=str(message.get("role") or ""),
        text=kept.replace("\0", "\ufffd"),
        html=html,
        json=parsed,
        is_json=is_json,
        rest=len(text) - len(kept),
        chars=len(text),
        name=str(message.get("name") or ""),
        tool_calls=[_tool_call(call) for call in message.get("tool_calls") or []],
        tool_call_id=str(message.get("tool_call_id") or ""),
    )


def _as_json(text: str) -> tuple[Any, bool]:
    """The value of a text that is a JSON object or list."""
    stripped = text.strip()
    if not stripped or stripped[0] not in "{[" or stripped[-1] not in "}]":
        return None, False
    try:
        return json.loads(stripped), True
    except (ValueError, RecursionError):
        return None, False


def _tool_call(call: Any) -> ToolCall:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ToolCall("", call)
    given = function.get("arguments")
    parsed, is_json = _as_json(given) if isinstance(given, str) else (given, True)
    return ToolCall(str(function.get("name") or ""), parsed if is_json else given, str(call.get("id") or ""))


def show_row(row: Row, *, whole: bool = False) -> dict[str, Any]:
    """What the row's page needs, by name."""
    answer, reference = row.completion_text, row.reference_text
    differs = answer is not None and reference is not None and answer != reference
    source = row.meta.get("source")
    raw = json.dumps(to_json(row), ensure_ascii=False, indent=2)
    named = (*PROVENANCE, "source", "tools", "reject")
    listed = {k: _brief(v) for k, v in row.meta.items() if k not in named}
    return {
        "row": row,
        "prompt": [show_message(message, whole=whole) for message in row.prompt],
        "answer": show_message(row.completion, whole=whole) if row.completion else None,
        "reference": show_message(row.reference, whole=whole) if row.reference else None,
        "differs": differs,
        "pieces": diff(answer or "", reference or "") if differs else [],
        "tools": _tools(row.meta.get("tools")),
        "source": source if isinstance(source, dict) else {},
        "provenance": {name: row.meta[name] for name in PROVENANCE if row.meta.get(name) not in (None, "", {}, [])},
        "reject": row.meta.get("reject"),
        "other_meta": listed,
        "raw": raw if len(raw) <= RAW_BYTES else "",
        "raw_bytes": len(raw.encode("utf-8", "replace")),
    }


def _brief(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def diff(answer: str, reference: str) -> list[Piece]:
    """From the reference to the answer; empty when they are too long to be compared here."""
    if max(len(answer), len(reference)) > DIFFED:
        return []
    return compare(reference, answer)


def _tools(given: Any) -> list[dict[str, Any]]:
    """The tools a prompt offered: name, description, parameters."""
    found = []
    for tool in given if isinstance(given, list) else []:
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if isinstance(function, dict):
            found.append(
                {
                    "name": str(function.get("name") or "tool"),
                    "description": str(function.get("description") or ""),
                    "parameters": function.get("parameters"),
                }
            )
    return found
