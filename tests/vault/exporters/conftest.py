"""Rows as readers make them, for properties over every format."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from vault.rows import Message, Row

LETTERS = st.characters(exclude_categories=("Cs",), exclude_characters="\0\x85")
PIECES = st.sampled_from(
    [
        "=1+1",
        "'",
        "''=x",
        "-",
        "@x",
        "+49",
        "\t",
        '"',
        ",",
        ";",
        "\n",
        "\r\n",
        "\r",
        "null",
        "{",
        "[1]",
        "{x}",
        "ق",
        "👋",
        "<b>",
        "é",
        " ",
    ]
)
ANY_TEXT = st.one_of(st.text(LETTERS, max_size=20), st.lists(PIECES, max_size=4).map("".join))
TEXT = ANY_TEXT.filter(lambda text: text.strip() != "")
WORD = st.one_of(st.text(LETTERS, min_size=1, max_size=10), PIECES).map(str.strip).filter(bool)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.one_of(
    st.dictionaries(WORD, JSON, max_size=3).map(
        lambda v: json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    ),
    st.dictionaries(WORD, JSON, max_size=2).map(json.dumps),
    ANY_TEXT,
)


@st.composite
def calls(draw: Any) -> list[dict[str, Any]]:
    """One or two tool calls in OpenAI's shape."""
    return [
        {
            "id": f"c{draw(st.integers(0, 99))}",
            "type": "function",
            "function": {"name": draw(WORD), "arguments": draw(ARGUMENTS)},
        }
        for _ in range(draw(st.integers(1, 2)))
    ]


@st.composite
def said(draw: Any, *, blank: bool = True, tools: bool = True) -> Message:
    """An assistant message: text, calls, or both."""
    kind = draw(st.sampled_from(["text", "text", "calls", "both"])) if tools else "text"
    message: Message = {"role": "assistant", "content": None if kind == "calls" else draw(ANY_TEXT if blank else TEXT)}
    if kind != "text":
        message["tool_calls"] = draw(calls())
    return message


@st.composite
def prompts(draw: Any) -> list[Message]:
    """Chat messages up to the answer, at least one of them asked."""
    found: list[Message] = []
    if draw(st.booleans()):
        found.append({"role": "system", "content": draw(ANY_TEXT)})
    for _ in range(draw(st.integers(0, 2))):
        found.append({"role": "user", "content": draw(ANY_TEXT)})
        found.append(draw(said()))
        if found[-1].get("tool_calls"):
            result: Message = {"role": "tool", "content": draw(ANY_TEXT)}
            if draw(st.booleans()):
                result["tool_call_id"] = found[-1]["tool_calls"][0]["id"]
            found.append(result)
    if draw(st.integers(0, 5)):
        asked: Message = {"role": "user", "content": draw(TEXT)}
        if not draw(st.integers(0, 5)):
            asked["name"] = draw(WORD)
        found.append(asked)
    elif not any(m["role"] in {"user", "tool"} and (m.get("content") or "").strip() for m in found):
        found.append({"role": "user", "content": "asked"})
    return found


TOOL = st.fixed_dictionaries({"type": st.just("function"), "function": st.fixed_dictionaries({"name": WORD})})


@st.composite
def metas(draw: Any) -> dict[str, Any]:
    """What is known of a row beside its messages; tools as OpenAI has them."""
    found: dict[str, Any] = draw(st.dictionaries(WORD, JSON, max_size=2))
    for name in ("tools", "parallel_tool_calls", "source", "non_preferred"):
        found.pop(name, None)
    if draw(st.integers(0, 3)) == 0:
        found["tools"] = draw(st.lists(TOOL, min_size=1, max_size=2))
        if draw(st.booleans()):
            found["parallel_tool_calls"] = draw(st.booleans())
    return found


@st.composite
def rows(draw: Any) -> Row:
    """A row as a reader could have made it."""
    soft = st.lists(st.fixed_dictionaries({"text": ANY_TEXT, "probability": st.floats(0, 1)}), max_size=3)
    return Row(
        id=draw(WORD),
        prompt=draw(prompts()),
        completion=draw(st.none() | said(blank=False)),
        reference=draw(st.none() | said(blank=False, tools=draw(st.booleans()))),
        soft=draw(st.none() | soft),  # type: ignore[arg-type]
        tags=draw(st.lists(WORD, max_size=3, unique=True)),
        meta=draw(metas()),
    )
