"""JSON lines: one object a line, each problem with its line and position."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vault.readers.base import BadRow, RowError, excerpt
from vault.readers.text import detect_encoding, lines

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def decode_head(head: bytes) -> str:
    """A file's head as text, whatever Unicode encoding it has; letters that are none are left out."""
    if head[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return head.decode("utf-32", "ignore")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "ignore")
    if b"\0" in head[:200]:
        return head.decode("utf-16-be" if head[:1] == b"\0" else "utf-16-le", "ignore")
    return head.decode("utf-8-sig", "ignore")


def first_object(head: bytes) -> dict[str, Any] | None:
    """The first line of a file's head as a JSON object, or None when it is not one."""
    text = decode_head(head).lstrip()
    if not text.startswith("{"):
        return None
    try:
        value = json.JSONDecoder().raw_decode(text)[0]
    except (ValueError, RecursionError):
        return _keys_of_a_cut_line(text)
    return value if isinstance(value, dict) else None


def _keys_of_a_cut_line(text: str) -> dict[str, Any] | None:
    """What is known of an object whose line is longer than the head, or is broken: the names that look like keys."""
    names = re.findall(r'[{,]\s*"([^"\\]{1,80})"\s*:\s*(["\[{]?)', text[:20_000])
    kinds: dict[str, Any] = {'"': "", "[": [], "{": {}}
    found: dict[str, Any] = {}
    for name, opening in names:
        found.setdefault(name, kinds.get(opening, 0))
    return found or None


def objects(path: Path, *, encoding: str) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """``(line, object, text)`` of every line that is not blank, or why it is not a JSON object."""
    found = detect_encoding(path, wanted=encoding)
    for line in lines(path, encoding=found.name):
        if line.problem:
            yield RowError(line.number, "", line.problem, excerpt(line.text))
            continue
        text = line.text.strip()
        if not text:
            continue
        try:
            yield line.number, parse_object(text), text
        except BadRow as bad:
            yield RowError(line.number, bad.column, bad.reason, excerpt(text))


def parse_object(text: str, *, line: int = 1, column: int = 1) -> dict[str, Any]:
    """A text as a JSON object of values that can be stored; raises :class:`BadRow` otherwise.

    ``line`` and ``column``: where the text begins in its file, for messages about text of several lines.
    """
    try:
        value = json.loads(text, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        place = str(error.colno if error.lineno > 1 else error.colno + column - 1)
        below = f" on line {line + error.lineno - 1}" if error.lineno > 1 else ""
        raise BadRow(f"Broken JSON{below} at position {place}: {error.msg}.", column=place) from None
    except RecursionError:
        raise BadRow("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise BadRow(f"Broken JSON: {error}.") from None
    if not isinstance(value, dict):
        raise BadRow(f"The line is a JSON {_kind(value)}, not an object in braces.")
    check_value(value, text)
    return value


def check_value(value: Any, text: str) -> None:
    """Raise :class:`BadRow` for characters in ``value`` that can't be stored; ``text`` is its JSON."""
    if "\\u0000" in text and _holds_null(value):
        raise BadRow("A null character (\\u0000) in a value.")
    if SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise BadRow("Half of a surrogate pair (\\ud800–\\udfff) in a value: not a character.") from None


def no_constant(name: str) -> Any:
    """Refuse NaN and the infinities, which Python would read."""
    raise ValueError(f"{name} is not JSON")


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "value")


def _holds_null(value: Any) -> bool:
    """Whether a text in the value, or a name, has a null character. The six characters that spell its escape are no null."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "\0" in item:
                return True
        elif isinstance(item, dict):
            todo += [*item, *item.values()]
        elif isinstance(item, list):
            todo += item
    return False
