"""Whether an answer stops in the middle. Pure rules over the text and the provider's word."""

from __future__ import annotations

import json
import re

CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "MAX_TOKENS"})
"""Finish reasons with which a provider says that the limit ended the answer."""
WHOLE = frozenset({"stop", "end_turn", "stop_sequence", "eos", "tool_calls", "function_call", "tool_use", "STOP"})
SHORTEST = 160
"""Characters below which prose is not judged by its last sign: labels, titles and fragments end as they like."""
LONG = 320
"""Characters from which prose that ends in a word without a full stop counts as cut; people forget full stops, too."""

_FENCE = re.compile(r"^\s*(```|~~~)", re.MULTILINE)
_OPEN_END = re.compile(
    r"[,;:(\[{–—-]$|\b(?:and|or|the|a|an|of|to|with|in|for|und|oder|der|die|das|et|ou|le|la|de|y|o|el|e)$"
)
_LIST_ITEM = re.compile(r"^\s*(?:[-*+•#>|]|\d+[.)])")


def is_truncated(text: str, finish_reason: str | None = None) -> bool:
    """Whether the answer was cut off. The provider's ``finish_reason`` decides where there is one; else the text does:

    an open code fence, JSON that ends before it closes, or prose of ``SHORTEST`` characters or more whose last paragraph
    ends without an end (a comma, an open bracket, a bare conjunction; from ``LONG`` characters on also a word without a
    full stop after full sentences).
    """
    if finish_reason in CUT:
        return True
    if finish_reason in WHOLE:
        return False
    body = text.rstrip()
    if not body:
        return False
    if len(_FENCE.findall(body)) % 2:
        return True
    if body.lstrip()[0] in "{[":
        return is_open_json(body.lstrip())
    if len(body) < SHORTEST:
        return False
    last = body.rsplit("\n", 1)[-1].strip()
    if _OPEN_END.search(last.lower()):
        return last != "---" and not last.startswith("```")
    return len(body) >= LONG and ends_inside_sentence(last)


def ends_inside_sentence(line: str) -> bool:
    """Whether a line of full sentences ends in a word that no sign closes. List items, headings, tables and
    addresses may end so."""
    if _LIST_ITEM.match(line) or len(line) < 80:
        return False
    last = line.rsplit(" ", 1)[-1]
    return last.isalpha() and re.search(r"[.!?]\s", line[:-1]) is not None


def is_open_json(text: str) -> bool:
    """Whether text that begins like JSON ends while brackets or quotes are still open. Other faults are not a cut."""
    try:
        json.JSONDecoder().raw_decode(text)
    except (json.JSONDecodeError, RecursionError):
        return _depth(text) > 0
    return False


def _depth(text: str) -> int:
    """Brackets open at the end of the text; an open string counts as one."""
    depth, quoted, skip = 0, False, False
    for sign in text:
        if skip:
            skip = False
        elif quoted:
            skip = sign == "\\"
            quoted = sign != '"'
        elif sign == '"':
            quoted = True
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
    return depth + quoted
