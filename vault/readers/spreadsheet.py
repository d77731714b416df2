"""XLSX sheets as records. The workbook is judged before it is parsed: how large its parts unpack, how long one row is.

openpyxl reads the sheet row by row; XML entities are refused by defusedxml, which it uses when that is installed.
"""

from __future__ import annotations

import datetime
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import defusedxml

from vault.readers.base import ReaderError, RowError, excerpt
from vault.readers.delimited import unique
from vault.readers.zipped import BROKEN, open_zip

CHUNK = 1 << 20
SHEET_BYTES = 4 << 30
"""Largest unpacked sheet. It is read as a stream."""
TEXTS_BYTES = 128 << 20
TEXTS = 2_000_000
"""Limits of the table of shared texts, which is held in memory."""
OTHER_BYTES = 8 << 20
"""Largest unpacked part of any other kind (styles, names of the sheets…)."""
ROW_BYTES = 16 << 20
WRONG = (*BROKEN, zlib.error, EOFError, ParseError, defusedxml.DefusedXmlException, KeyError, TypeError, IndexError,
         AttributeError, AssertionError, LookupError, ArithmeticError, MemoryError, RecursionError)  # fmt: skip
"""What openpyxl lets through when a workbook is not as it should be."""


def sheet_names(path: Path, *, sheet: str, header: bool) -> list[str]:
    """The names of a sheet's columns: its first row that is not blank, or numbers."""
    for _, cells in _rows(path, sheet):
        return _names(cells, header=header)
    return []


def sheet_records(path: Path, *, sheet: str, header: bool) -> Iterator[tuple[int, dict[str, Any], str] | RowError]:
    """``(row number, fields, "")`` of a sheet's rows; blank rows are passed over, missing cells are null."""
    names: list[str] | None = None
    for line, cells in _rows(path, sheet):
        if names is None:
            names = _names(cells, header=header)
            if header:
                continue
        extra = [cell for cell in cells[len(names) :] if cell is not None]
        if extra:
            shown = excerpt(" | ".join(str(cell)[:80] for cell in cells if cell is not None))
            yield RowError(line, "", f"The row has a cell beyond the {len(names)} columns that have a name.", shown)
            continue
        cells += [None] * (len(names) - len(cells))
        yield line, dict(zip(names, cells, strict=False)), ""


def _names(cells: list[Any], *, header: bool) -> list[str]:
    while cells and cells[-1] is None:
        cells.pop()
    return unique(["" if cell is None or not header else str(cell) for cell in cells])


def _rows(path: Path, sheet: str) -> Iterator[tuple[int, list[Any]]]:
    """``(row number, cells)`` of every row that is not blank. Raises :class:`ReaderError` for a workbook that can't be read."""
    from openpyxl import load_workbook

    _judge(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of styles and extensions that it leaves out: no row depends on them.
            book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except WRONG as error:
        raise _broken(path, error) from None
    try:
        yield from _walk(path, _choose(book, sheet, path))
    finally:
        book.close()


def _choose(book: Any, sheet: str, path: Path) -> Any:
    sheets = {found.title: found for found in book.worksheets}
    if not sheets:
        raise ReaderError(f"{path.name} holds no sheet with cells.", action="Choose a workbook with a table in it.")
    if not sheet:
        return next(iter(sheets.values()))
    if sheet not in sheets:
        names = ", ".join(list(sheets)[:20])
        raise ReaderError(f"There is no sheet '{sheet}' in {path.name}.", action=f"Choose one of: {names}.")
    return sheets[sheet]


def _walk(path: Path, sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """The rows of one sheet as they are stored, whatever size the sheet says it has."""
    sheet.reset_dimensions()
    rows = sheet.iter_rows(values_only=True)
    line = 0
    while True:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                cells = next(rows, None)
        except WRONG as error:
            raise _broken(path, error) from None
        if cells is None:
            return
        line += 1
        values = [_plain(cell) for cell in cells]
        if any(value is not None for value in values):
            yield line, values


def _plain(cell: Any) -> Any:
    """A cell as JSON has values: whole numbers without a fraction, dates as ISO 8601, blank text as nothing."""
    if cell is None or isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        return int(cell) if cell.is_integer() and abs(cell) < 1e15 else cell
    if isinstance(cell, datetime.datetime):
        midnight = cell.time() == datetime.time() and cell.tzinfo is None
        return cell.date().isoformat() if midnight else cell.isoformat()
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    text = str(cell)
    return text if text.strip() else None


def _judge(path: Path) -> None:
    """Raise :class:`ReaderError` for a workbook that unpacks to more than can be read safely.

    Every part is unpacked once and thrown away: the sizes that an archive gives are its own word only.
    """
    with open_zip(path) as book:
        for entry in book.infolist():
            name = entry.filename.lower()
            if not name.endswith((".xml", ".rels")):
                continue  # Pictures and the like are never opened.
            limit = SHEET_BYTES if "worksheets/" in name else TEXTS_BYTES if "sharedstrings" in name else OTHER_BYTES
            try:
                reason = _judge_part(book, entry, limit)
            except (*BROKEN, zlib.error, EOFError) as error:
                raise _broken(path, error) from None
            if reason:
                raise ReaderError(
                    f"{path.name} can't be read safely: {reason}.", action="Save the sheet as CSV and upload that."
                )


def _judge_part(book: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> str:
    """What is wrong with the size of one part, or an empty string."""
    if entry.flag_bits & 1:
        return "it is encrypted; save it without a password"
    size = texts = since = 0
    tail = b""
    with book.open(entry) as part:
        while chunk := part.read(CHUNK):
            size += len(chunk)
            if size > limit:
                return f"its part {entry.filename[:80]!r} unpacks to more than {limit >> 20:,} MB"
            joined = tail + chunk
            texts += joined.count(b"<si") - tail.count(b"<si")
            last = max(joined.rfind(b"<row"), joined.rfind(b"<si"))
            since = len(joined) - last if last >= 0 else since + len(chunk)
            tail = joined[-4:]
            if since > ROW_BYTES + CHUNK and limit > OTHER_BYTES:
                return f"one row of it is longer than {ROW_BYTES >> 20} MB"
            if texts > TEXTS:
                return f"it holds more than {TEXTS:,} different texts"
    return ""


def _broken(path: Path, error: Exception) -> ReaderError:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return ReaderError(
        f"{path.name} is a damaged spreadsheet: {reason.rstrip('.')}.",
        action="Open it, save it again, or save it as CSV.",
    )
