"""CSV and TSV records with their line numbers; a broken record costs itself, not the rest of the file."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from vault.readers.base import BadRow, ReaderError, RowError, excerpt
from vault.readers.text import LINE_LIMIT, Line, detect_encoding, lines, read_head, refuse_binary

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar"}
REREAD_LIMIT = 64 << 20
"""How much text may be read a second time after quotes that do not close, before such stretches are skipped whole."""

csv.field_size_limit(LINE_LIMIT)


class Record(NamedTuple):
    """One record, the line it starts on, and its fields."""

    line: int
    fields: list[str]
    text: str


class _Feed:
    """Lines for ``csv.reader`` that remembers what the current record took, so a broken one can be handed back."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._again: deque[Line] = deque()
        self._reread = 0
        self._size = 0
        self.taken: list[Line] = []

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self.taken.append(line)
        if line.problem:
            raise BadRow(line.problem)
        self._size += len(line.text)
        if self._size > LINE_LIMIT:
            raise csv.Error("unexpected end of data")
        return line.text

    def start(self) -> None:
        """A new record begins."""
        self.taken.clear()
        self._size = 0

    def give_back(self) -> None:
        """Read again from the second line of the record that failed."""
        rest = self.taken[1:]
        self._reread += sum(len(line.text) for line in rest)
        if self._reread <= REREAD_LIMIT:
            self._again.extendleft(reversed(rest))


def records(path: Path, *, encoding: str, delimiter: str) -> Iterator[Record | RowError]:
    """Every record that is not blank, or why it could not be read. Memory: one record of at most 16 MiB."""
    feed = _Feed(lines(path, encoding=encoding))
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.start()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (BadRow, csv.Error) as error:
            yield _failed(feed, error)
            feed.give_back()
            continue
        first = feed.taken[0]
        if any(field.strip() for field in fields):
            yield Record(first.number, fields, first.text)


def _failed(feed: _Feed, error: Exception) -> RowError:
    first, last = feed.taken[0], feed.taken[-1]
    shown = excerpt(first.text)
    if isinstance(error, BadRow):
        return RowError(last.number if len(feed.taken) == 1 else first.number, "", error.reason, shown)
    text = str(error)
    if "unexpected end" in text:
        return RowError(first.number, "", "A quote that opens on this line is never closed.", shown)
    if "expected after" in text:
        where = "" if first is last else f" (the quoted field that began here went wrong on line {last.number})"
        return RowError(first.number, "", f"Text after a closing quote{where}; double a quote inside a field.", shown)
    return RowError(first.number, "", f"Not readable as CSV: {text}.", shown)


def sniff_delimiter(head: str) -> str:
    """The delimiter that splits the first lines into the same number of fields, the most fields winning."""
    sample = head.splitlines(keepends=True)
    if len(sample) > 1 and not head.endswith(("\n", "\r")):
        sample = sample[:-1]
    best, best_score = ",", (0.0, 0)
    for delimiter in DELIMITERS:
        widths = _widths(sample[:200], delimiter)
        if not widths or widths[0] < 2:
            continue
        score = (sum(w == widths[0] for w in widths) / len(widths), widths[0])
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _widths(sample: list[str], delimiter: str) -> list[int]:
    widths = []
    try:
        for fields in csv.reader(sample, delimiter=delimiter):
            if fields:
                widths.append(len(fields))
    except csv.Error:
        return widths
    return widths


class Table(NamedTuple):
    """How to read one delimited file: its codec, delimiter and column names (made unique)."""

    encoding: str
    delimiter: str
    names: list[str]


def open_table(path: Path, *, encoding: str = "auto", delimiter: str = "auto", header: bool = True) -> Table:
    """Find a file's encoding, delimiter and column names; raises :class:`ReaderError` when there are none."""
    head = read_head(path)
    refuse_binary(head, path.name)
    codec = detect_encoding(path, wanted=encoding).name
    if delimiter == "auto":
        delimiter = sniff_delimiter(head.decode(codec, "replace"))
    first = next(records(path, encoding=codec, delimiter=delimiter), None)
    if first is None:
        raise ReaderError(f"{path.name} holds no rows.", action="Choose a file that holds rows.")
    if isinstance(first, RowError):
        raise ReaderError(
            f"Line {first.line} of {path.name} should name the columns and cannot be read: {first.reason}",
            action="Mend the first line and upload the file again.",
        )
    names = first.fields if header else [""] * len(first.fields)
    return Table(codec, delimiter, unique(names))


def unique(names: list[str]) -> list[str]:
    """Column names without blanks, braces or repeats."""
    found: list[str] = []
    for index, raw in enumerate(names, start=1):
        base = raw.strip().replace("{", "(").replace("}", ")") or f"column {index}"
        name, count = base, 1
        while name in found:
            count += 1
            name = f"{base} ({count})"
        found.append(name)
    return found


def table_rows(
    path: Path, table: Table, *, header: bool = True
) -> Iterator[tuple[int, dict[str, str], str] | RowError]:
    """``(line, column → cell, text)`` of each record after the header; a ragged record is an error with both counts."""
    width = len(table.names)
    source = records(path, encoding=table.encoding, delimiter=table.delimiter)
    if header:
        next(source, None)
    for record in source:
        if isinstance(record, RowError):
            yield record
            continue
        if len(record.fields) != width:
            had = f"{len(record.fields)} field{'s' if len(record.fields) != 1 else ''}"
            reason = f"The line has {had}, but there are {width} columns."
            yield RowError(record.line, "", reason, excerpt(record.text))
            continue
        yield record.line, dict(zip(table.names, record.fields, strict=True)), record.text
