"""JSON lines: one object a line, each problem with its line and position."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vault.readers.base import BadRow, ReaderError, RowError, excerpt
from vault.readers.text import detect_encoding, lines, read_head, refuse_binary
from vault.rows import Row

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def first_object(head: bytes) -> dict[str, Any] | None:
    """The first line of a file's head as a JSON object, or None when it is not one."""
    wide = b"\0" in head[:200]
    text = head.decode(
        ("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-le") if wide else "utf-8-sig", "ignore"
    )
    text = text.lstrip()
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
    head = read_head(path)
    refuse_binary(head, path.name)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        raise ReaderError(
            f"{path.name} is one JSON array, not JSON lines.",
            action="Write one object a line, for example with: jq -c '.[]' file.json > file.jsonl",
        )
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


def parse_object(text: str) -> dict[str, Any]:
    """One line as a JSON object of values that can be stored; raises :class:`BadRow` otherwise."""
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadRow(f"Broken JSON at position {error.colno}: {error.msg}.", column=str(error.colno)) from None
    except RecursionError:
        raise BadRow("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise BadRow(f"Broken JSON: {error}.") from None
    if not isinstance(value, dict):
        raise BadRow(f"The line is a JSON {_kind(value)}, not an object in braces.")
    if "\\u0000" in text and "\0" in json.dumps(value, ensure_ascii=False).replace("\\u0000", "\0"):
        raise BadRow("A null character (\\u0000) in a value.")
    if SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise BadRow("Half of a surrogate pair (\\ud800–\\udfff) in a value: not a character.") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _kind(value: Any) -> str:
    names = {list: "array", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), "value")


def rows_from(path: Path, *, encoding: str, make: Callable[[dict[str, Any], int], Row]) -> Iterator[Row | RowError]:
    """Rows that ``make(object, line)`` builds; its :class:`BadRow` becomes a :class:`RowError`."""
    for item in objects(path, encoding=encoding):
        if isinstance(item, RowError):
            yield item
            continue
        line, value, text = item
        try:
            yield make(value, line)
        except BadRow as bad:
            yield RowError(line, bad.column, bad.reason, excerpt(text))
