from __future__ import annotations

import datetime
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook

from vault.readers import spreadsheet
from vault.readers.base import ReaderError, RowError
from vault.readers.records import form_of
from vault.readers.spreadsheet import sheet_names, sheet_records


def book(path: Path, *rows: tuple[object, ...]) -> Path:
    made = Workbook()
    for row in rows:
        made.active.append(list(row))
    made.save(path)
    return path


def rewrite(path: Path, part: str, content: bytes, **options: int) -> Path:
    """The workbook with one part replaced."""
    with zipfile.ZipFile(path) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    parts[part] = content
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name, data in parts.items():
            target.writestr(name, data)
    return path


def all_of(path: Path, **options: object) -> list[object]:
    return list(sheet_records(path, **{"sheet": "", "header": True, **options}))  # type: ignore[arg-type]


def test_cells_become_what_json_has(tmp_path: Path) -> None:
    when = datetime.datetime(2026, 1, 2, 3, 4)
    path = book(tmp_path / "a.xlsx", ("a", "b", "c"), (1.0, when, True), (None, None, None), (" ", "x", 2.5))
    assert form_of(path) == "xlsx" and sheet_names(path, sheet="", header=True) == ["a", "b", "c"]
    assert all_of(path) == [
        (2, {"a": 1, "b": "2026-01-02T03:04:00", "c": True}, ""),
        (4, {"a": None, "b": "x", "c": 2.5}, ""),
    ]


def test_short_rows_are_filled_and_cells_without_a_name_are_reported(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ("a", "b"), ("x",), ("x", "y", "z"))
    first, problem = all_of(path)
    assert first == (2, {"a": "x", "b": None}, "")
    assert isinstance(problem, RowError) and problem.line == 3 and "beyond the 2 columns" in problem.reason


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    assert all_of(book(tmp_path / "a.xlsx", ("x", "y")), header=False) == [(1, {"column 1": "x", "column 2": "y"}, "")]


def test_a_sheet_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="no sheet 'Q'") as caught:
        all_of(book(tmp_path / "a.xlsx", ("x",)), sheet="Q")
    assert "Sheet" in caught.value.action


ENTITY = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>
<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1"><c t="inlineStr"><is>
<t>&b;</t></is></c></row></sheetData></worksheet>"""


def test_xml_entities_are_refused(tmp_path: Path) -> None:
    path = rewrite(book(tmp_path / "a.xlsx", ("x",)), "xl/worksheets/sheet1.xml", ENTITY)
    with pytest.raises(ReaderError, match="damaged spreadsheet"):
        all_of(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "SHEET_BYTES", 4 << 20)
    path = rewrite(book(tmp_path / "a.xlsx", ("x",)), "xl/worksheets/sheet1.xml", b"<row/>" * (1 << 20))
    assert path.stat().st_size < 64 << 10
    with pytest.raises(ReaderError, match="unpacks to more than 4 MB"):
        all_of(path)


def test_a_row_or_cell_without_end_is_not_parsed(tmp_path: Path) -> None:
    path = rewrite(book(tmp_path / "a.xlsx", ("x",)), "xl/worksheets/sheet1.xml", b"<row><c>" + b"y" * (20 << 20))
    with pytest.raises(ReaderError, match="longer than 16 MB"):
        all_of(path)


def test_a_sheet_that_lies_about_its_size_is_read_as_it_is(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ("a",), ("x",))
    with zipfile.ZipFile(path) as source:
        sheet = source.read("xl/worksheets/sheet1.xml")
    lying = sheet.replace(b'ref="A1:A2"', b'ref="A1:XFD1048576"')
    assert lying != sheet
    assert all_of(rewrite(path, "xl/worksheets/sheet1.xml", lying)) == [(2, {"a": "x"}, "")]


@pytest.mark.parametrize(
    "name,kind",
    [("word/document.xml", "Word document"), ("xl/workbook.bin", "XLSB"), ("ppt/presentation.xml", "PowerPoint")],
)
def test_other_office_files_are_named(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(name, "x")
    with pytest.raises(ReaderError, match=kind):
        form_of(path)


def test_a_cut_workbook_is_damaged(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ("x",))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ReaderError, match="cut off"):
        form_of(path)
