"""JSON that is not JSON lines: one array of records, an object that holds them, or objects one after another.

The file is read in pieces and each record is parsed alone, so memory is bounded by one record; a broken record costs itself.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vault.readers.base import BadRow, ReaderError, RowError, excerpt
from vault.readers.jsonl import check_value, decode_head, no_constant, parse_object
from vault.readers.text import CHUNK, LINE_LIMIT, detect_encoding, read_head

SPACE = re.compile(r"[ \t\r\n\ufeff]*+")
BODY = re.compile(r'(?:[^"\\]++|\\.)*+', re.DOTALL)
MARK = re.compile(r'["\[\]{}]')
PLAIN = re.compile(r"[^,\]}\s]*+")
ARRAY = re.compile(r"\s*\[\s*[\[{\]]")
SUSPECT = re.compile("[\udc80-\udcff]")
SAMPLE = 20
DECODER = json.JSONDecoder(parse_constant=no_constant)

HOLDERS = ("data", "rows", "records", "items", "examples", "entries", "train")
"""Names under which an object keeps its records."""
FIELDS = {"messages", "conversations", "conversation", "prompt", "completion", "chosen", "rejected", "choices", "input"}
"""Lists of objects that are part of one record and hold none."""


def looks_like_array(head: bytes) -> bool:
    """Whether a file begins as a JSON array of objects (or of arrays, which are then refused one by one)."""
    return ARRAY.match(decode_head(head)) is not None


def spans_lines(head: bytes, *, whole: bool) -> bool:
    """Whether a file that begins with ``{`` is JSON over several lines, or one object that holds the records.

    ``whole``: ``head`` is all of the file.
    """
    text = decode_head(head).lstrip()
    first, _, rest = text.partition("\n")
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        if first.rstrip().endswith(("{", "[", ",", ":")) and (not whole or _is_whole(text)):
            return True
        follows = next((line.strip() for line in rest.split("\n") if line.strip()), "")
        return bool(follows) and not follows.startswith("{") and _goes_on(text, first)
    return whole and not rest.strip() and shape_of(text).kind != "sequence"


def _is_whole(text: str) -> bool:
    """Whether a text begins with a complete JSON value."""
    try:
        json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def _goes_on(text: str, first: str) -> bool:
    """Whether the object that begins the text is still open where its first line ends, outside a string."""
    window = Window(iter(()), text=first)
    return window.find_end() < 0 and not window.in_string


class Shape(NamedTuple):
    """Where an object keeps its records: "holder" (in the array ``key``), "mapping" (each value is one), "sequence" (it is
    one itself, perhaps with others after it), "by_column" (each value is a column: not readable)."""

    kind: str
    key: str = ""


def shape_of(text: str) -> Shape:
    """The shape of the object that ``text`` begins with; ``text`` may be cut off anywhere."""
    window = Window(iter(()), text=text)
    window.peek()
    window.advance(window.pos + 1)
    kinds: dict[str, str] = {}
    keys: list[set[str]] = []
    while window.peek() == '"':
        start = window.pos
        end = window.find_end()
        if end < 0:
            break
        try:
            key = json.loads(window.text[start:end])
        except ValueError:
            break
        window.advance(end)
        if window.peek() != ":":
            break
        window.advance(window.pos + 1)
        opening = window.peek()
        if opening in "[{" and opening:
            after = SPACE.match(window.text, window.pos + 1)
            opening += window.text[after.end() : after.end() + 1] if after else ""
        kinds.setdefault(str(key), opening)
        end = window.find_end()
        if end < 0:
            break
        if opening.startswith("{") and len(keys) < SAMPLE:
            keys.append(_keys(window.text[window.pos : end]))
        window.advance(end)
        if window.peek() != ",":
            break
        window.advance(window.pos + 1)
    return _judge(kinds, keys)


def _keys(text: str) -> set[str]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return set()
    return set(value) if isinstance(value, dict) else set()


def _judge(kinds: dict[str, str], keys: list[set[str]]) -> Shape:
    """The shape of an object, from how each of its values begins and the keys of those that are objects."""
    lists = [key for key, kind in kinds.items() if kind == "[{" and key not in FIELDS]
    named = [key for key in HOLDERS if key in lists]
    if named:
        return Shape("holder", named[0])
    if len(kinds) == 1 and lists:
        return Shape("holder", lists[0])
    openings = {kind[:1] for kind in kinds.values()}
    alike = len(keys) > 1 and all(2 * len(own & keys[0]) >= len(own | keys[0]) > 0 for own in keys)
    if openings == {"{"} and alike:
        return Shape("by_column" if "0" in keys[0] else "mapping")
    if openings == {"["} and len(kinds) > 1 and not FIELDS & set(kinds):
        return Shape("by_column")
    return Shape("sequence")


class Window:
    """A sliding view of a long text: what is before ``pos`` is forgotten. ``line`` counts from 1."""

    def __init__(self, source: Iterator[str], *, text: str = "") -> None:
        self._source = source
        self.text = text
        self.pos = 0
        self.line = 1
        self._line_at = 0
        self._base = 0
        self._reset()

    def _reset(self) -> None:
        self._scan, self._depth, self.in_string = self.pos, 0, False

    def more(self) -> bool:
        """Read another piece; False at the end of the file."""
        piece = next(self._source, "")
        if not piece:
            return False
        self._base += self.pos
        self.text = self.text[self.pos :] + piece
        self._scan -= self.pos
        self.pos = 0
        return True

    def advance(self, to: int) -> None:
        """Move ``pos`` forward to ``to``."""
        self.line += self.text.count("\n", self.pos, to)
        last = self.text.rfind("\n", self.pos, to)
        if last >= 0:
            self._line_at = self._base + last + 1
        self.pos = to
        self._reset()

    def column(self) -> int:
        """The position of ``pos`` in its line, from 1."""
        return self._base + self.pos - self._line_at + 1

    def peek(self) -> str:
        """The next character that is no white space, ``pos`` standing on it; empty at the end of the file."""
        while True:
            match = SPACE.match(self.text, self.pos)
            if match and match.end() > self.pos:
                self.advance(match.end())
            if self.pos < len(self.text):
                return self.text[self.pos]
            if not self.more():
                return ""

    def find_end(self) -> int:
        """Where the value at ``pos`` ends by its brackets and quotes, or -1 when that is not in the text read so far.

        Called again after :meth:`more`, it goes on where it stopped.
        """
        while self._scan < len(self.text):
            if self.in_string:
                match = BODY.match(self.text, self._scan)
                self._scan = match.end() if match else len(self.text)
                if self.text[self._scan : self._scan + 1] != '"':
                    return -1
                self._scan += 1
                self.in_string = False
                if self._depth == 0:
                    return self._scan
                continue
            if self._depth == 0 and self.text[self._scan] not in '"[{':
                match = PLAIN.match(self.text, self._scan)
                end = match.end() if match else len(self.text)
                return max(end, self.pos + 1) if end < len(self.text) else -1
            match = MARK.search(self.text, self._scan)
            if match is None:
                self._scan = len(self.text)
                return -1
            self._scan = match.end()
            mark = match.group()
            self.in_string = mark == '"'
            self._depth += (mark in "[{") - (mark in "]}")
            if self._depth <= 0 and not self.in_string:
                return self._scan
        return -1

    def drop(self) -> None:
        """Forget the text that :meth:`find_end` has been through, in the midst of a value that is too long to keep."""
        scan, depth, inside = self._scan, self._depth, self.in_string
        self.advance(scan)
        self._depth, self.in_string = depth, inside


class Value(NamedTuple):
    """One value of the file: where it starts, its text, what is wrong with it as a whole (empty when nothing), and the value
    itself where that is known already."""

    line: int
    column: int
    text: str
    problem: str = ""
    parsed: Any = None


def take(window: Window) -> Value:
    """The value at ``pos``, which is passed. Memory: at most 16 MiB of text and one piece more."""
    line, column = window.line, window.column()
    try:
        parsed, end = DECODER.raw_decode(window.text, window.pos)
    except (ValueError, RecursionError):
        pass  # It is broken, or goes on in the next piece: its brackets tell.
    else:
        if end < len(window.text) and end - window.pos <= LINE_LIMIT:
            text = window.text[window.pos : end]
            window.advance(end)
            return Value(line, column, text, parsed=parsed)
    size = 0
    while (end := window.find_end()) < 0:
        if len(window.text) - window.pos > LINE_LIMIT or size:
            size += len(window.text) - window.pos
            window.drop()
        if not window.more():
            rest = window.text[window.pos :]
            window.advance(len(window.text))
            if re.fullmatch(PLAIN, rest):
                return Value(line, column, rest)
            return Value(line, column, rest[:400], "The file ends in the middle of this record.")
    text = window.text[window.pos : end] if not size else ""
    size += end - window.pos
    window.advance(end)
    if size > LINE_LIMIT:
        return Value(line, column, text[:400], f"The record is too long: over {LINE_LIMIT:,} characters.")
    return Value(line, column, text)


def _pieces(path: Path, encoding: str) -> Iterator[str]:
    """The decoded text, 1 MiB at a time; bytes that are not letters become half surrogates, refused later with their record."""
    wide = encoding.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(encoding)("replace" if wide else "surrogateescape")
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)


def objects(path: Path, *, encoding: str) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """``(line, object, text)`` of every record, or why it is none. Raises :class:`ReaderError` for JSON without records."""
    codec = detect_encoding(path, wanted=encoding).name
    window = Window(piece for piece in _pieces(path, codec) if piece)
    opening = window.peek()
    if opening == "[":
        yield from _array(window)
        if window.peek():
            yield RowError(window.line, str(window.column()), "There is more text after the end of the array.")
        return
    shape = shape_of(decode_head(read_head(path)))
    if shape.kind == "by_column":
        raise ReaderError(
            f"{path.name} is written column by column, not record by record.",
            action='Write one object a row, for example with pandas: to_json(file, orient="records", lines=True).',
        )
    if shape.kind == "sequence":
        while window.peek():
            yield _record(take(window))
        return
    yield from _object(window, shape)


def _array(window: Window) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """The elements of the array at ``pos``."""
    window.advance(window.pos + 1)
    while True:
        mark = window.peek()
        if mark == "]":
            window.advance(window.pos + 1)
            return
        if not mark:
            yield RowError(window.line, str(window.column()), "The file ends before the array does: it was cut off.")
            return
        if mark in ",:}":
            yield RowError(window.line, str(window.column()), f"A record should begin here, not '{mark}'.")
            window.advance(window.pos + 1)
            continue
        yield _record(take(window))
        mark = window.peek()
        if mark == ",":
            window.advance(window.pos + 1)
        elif mark and mark != "]":
            yield RowError(window.line, str(window.column()), f"A comma is missing before '{_shown(mark)}'.")


def _shown(text: str) -> str:
    """Text for a message: bytes that are no letters as the sign for them."""
    return SUSPECT.sub("\ufffd", text)


def _object(window: Window, shape: Shape) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """The records inside the object at ``pos``: the array under ``shape.key``, or each of its values."""
    window.advance(window.pos + 1)
    while window.peek() == '"':
        named = take(window)
        try:
            key = str(json.loads(named.text))
        except ValueError:
            key = named.text
        if named.problem or window.peek() != ":":
            break
        window.advance(window.pos + 1)
        opening = window.peek()
        if shape.kind == "holder" and key == shape.key and opening == "[":
            yield from _array(window)
        elif opening:
            value = take(window)
            if shape.kind == "mapping":
                yield _record(value, name=key)
            elif value.problem:
                yield RowError(value.line, str(value.column), value.problem, excerpt(_shown(value.text[:400])))
        if window.peek() == ",":
            window.advance(window.pos + 1)
    if window.peek() != "}":
        yield RowError(window.line, str(window.column()), "Broken JSON: the rest of the file can't be read.")


def _record(value: Value, *, name: str = "") -> tuple[int, dict[str, Any], str] | RowError:
    """A value as a record. ``name`` is its id when it has none of its own."""
    bad = value.problem
    byte = SUSPECT.search(value.text) if not bad else None
    if byte:
        bad = f"Byte 0x{ord(byte.group()) - 0xDC00:02X} is not a letter in this file's encoding."
    if bad:
        return RowError(value.line, str(value.column), bad, excerpt(_shown(value.text[:400])))
    try:
        if isinstance(value.parsed, dict):
            found = value.parsed
            check_value(found, value.text)
        else:
            found = parse_object(value.text, line=value.line, column=value.column)
    except BadRow as error:
        return RowError(value.line, error.column, error.reason, excerpt(value.text))
    inner = found.get("row")
    if isinstance(inner, dict) and "row_idx" in found:
        found = inner
    if name:
        found.setdefault("id", name)
    return value.line, found, value.text
