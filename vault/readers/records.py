"""Every file as records: JSON lines, JSON, Parquet, Arrow, spreadsheets and delimited text look alike to the formats above.

A path is one file, or a folder of them. What a file is, its bytes say, never its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from vault.readers import arrow, delimited, json_stream, jsonl, spreadsheet
from vault.readers.base import BadRow, ReaderError, RowError, excerpt
from vault.readers.folder import Part, parts
from vault.readers.text import read_head, refuse_binary
from vault.readers.zipped import document_kind
from vault.rows import Row

Form = Literal["jsonl", "json", "parquet", "arrow", "xlsx", "delimited"]
DELIMITERS = {"comma": ",", "tab": "\t", "semicolon": ";", "bar": "|"}
SAMPLE = 200


@dataclass(frozen=True)
class Options:
    """How to read what the bytes leave open. ``delimiter`` is a name of :data:`DELIMITERS` or "auto"; ``sheet`` the name of
    a spreadsheet's sheet (empty: the first)."""

    encoding: str = "auto"
    delimiter: str = "auto"
    header: bool = True
    sheet: str = ""


class Record(NamedTuple):
    """One record: the line (or table row) it starts on, its fields, and its text as the file spells it (may be empty)."""

    line: int
    value: dict[str, Any]
    text: str
    part: Part

    def problem(self, bad: BadRow) -> RowError:
        """The error row for what is wrong with this record."""
        return RowError(self.line, bad.column, bad.reason, excerpt(self.text or shown(self.value)), self.part.name)


def shown(value: dict[str, Any]) -> str:
    """A record that has no text of its own, for the table of problems."""
    return " | ".join(str(cell)[:80] for cell in islice(value.values(), 6) if cell is not None)


def form_of(path: Path) -> Form:
    """What a file is, by its first bytes; raises :class:`ReaderError` for an empty file and for what holds no rows."""
    head = read_head(path)
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    if head.startswith(b"PK\x03\x04"):
        kind = document_kind(path)
        if kind == "xlsx":
            return "xlsx"
        if kind:
            raise ReaderError(f"{path.name} is {kind}.", action="Save it as XLSX or CSV and upload that.")
    refuse_binary(head, path.name)
    if json_stream.looks_like_array(head):
        return "json"
    if jsonl.first_object(head) is None:
        return "delimited"
    return "json" if json_stream.spans_lines(head, whole=path.stat().st_size <= len(head)) else "jsonl"


def read_part(part: Part, options: Options) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """``(line, fields, text)`` of every record of one file, or why one could not be read."""
    form = form_of(part.path)
    if form == "jsonl":
        return jsonl.objects(part.path, encoding=options.encoding)
    if form == "json":
        return json_stream.objects(part.path, encoding=options.encoding)
    if form == "parquet":
        return arrow.parquet_records(part.path)
    if form == "arrow":
        return arrow.arrow_records(part.path)
    if form == "xlsx":
        return spreadsheet.sheet_records(part.path, sheet=options.sheet, header=options.header)
    table = delimited.open_table(
        part.path,
        encoding=options.encoding,
        delimiter=DELIMITERS.get(options.delimiter, "auto"),
        header=options.header,
    )
    return delimited.table_rows(part.path, table, header=options.header)


def records(path: Path, options: Options) -> Iterator[Record | RowError]:
    """Every record of a file or folder in order."""
    for part in parts(path):
        for item in read_part(part, options):
            if isinstance(item, RowError):
                yield replace(item, file=part.name) if part.name else item
            else:
                yield Record(*item, part)


def first_record(path: Path) -> dict[str, Any] | None:
    """The first record of a file (or of a folder's first file); None for plain cells, whose columns a person must map.

    The first line of JSON lines may be broken or longer than 64 KiB: then the names that look like its keys, with empty
    values of their kind.
    """
    part = parts(path)[0]
    form = form_of(part.path)
    if form in ("delimited", "xlsx"):
        return None
    if form == "jsonl":
        return jsonl.first_object(read_head(part.path))
    found = (item for item in read_part(part, Options()) if not isinstance(item, RowError))
    first = next(found, None)
    return first[1] if first else None


def column_names(path: Path, options: Options) -> list[str]:
    """The names of the fields: a table's columns, or the keys of the first 200 objects."""
    part = parts(path)[0]
    form = form_of(part.path)
    if form == "delimited":
        delimiter = DELIMITERS.get(options.delimiter, "auto")
        return delimited.open_table(
            part.path, encoding=options.encoding, delimiter=delimiter, header=options.header
        ).names
    if form == "xlsx":
        return spreadsheet.sheet_names(part.path, sheet=options.sheet, header=options.header)
    if form in ("parquet", "arrow"):
        return arrow.column_names(part.path)
    found: dict[str, None] = {}
    for item in islice(read_part(part, options), SAMPLE):
        if not isinstance(item, RowError):
            found.update(dict.fromkeys(item[1]))
    return list(found)


def rows_from(
    path: Path, *, encoding: str, make: Callable[[dict[str, Any], int], list[Row]], options: Options | None = None
) -> Iterator[Row | RowError]:
    """The rows that ``make(fields, line)`` builds of each record; its :class:`BadRow` becomes a :class:`RowError`."""
    for record in records(path, options or Options(encoding=encoding)):
        if isinstance(record, RowError):
            yield record
            continue
        try:
            found = make(record.value, record.line)
        except BadRow as bad:
            yield record.problem(bad)
            continue
        for row in found:
            if record.part.name:
                row.meta["source"]["part"] = record.part.name
                if record.part.split:
                    row.meta["split"] = record.part.split
            yield row
