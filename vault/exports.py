"""Rows on their way out: JSON lines that come back as the same rows, and CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vault.rows import Row, read_rows, to_json

Format = Literal["jsonl", "csv"]
FORMATS: tuple[Format, ...] = ("jsonl", "csv")
CSV_COLUMNS = ("id", "system", "prompt", "completion", "reference", "tags", "messages")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guard(cell: str) -> str:
    """A cell that a spreadsheet shows as text: one that could be a formula gets an apostrophe before it."""
    return "'" + cell if cell.startswith(FORMULA) else cell


def csv_record(row: Row) -> list[str]:
    """The row as cells of :data:`CSV_COLUMNS`. ``messages`` is the whole prompt as JSON."""
    system = "\n".join(m.get("content") or "" for m in row.prompt if m.get("role") == "system")
    cells = (
        row.id,
        system,
        row.user_text,
        row.completion_text or "",
        row.reference_text or "",
        ", ".join(row.tags),
        json.dumps(row.prompt, ensure_ascii=False),
    )
    return [guard(cell) for cell in cells]


def lines(folder: Path, wanted: Format) -> Iterator[str]:
    """A dataset folder as the lines of a file, each with its line end. Memory: one row group."""
    if wanted == "jsonl":
        for row in read_rows(folder):
            yield json.dumps(to_json(row), ensure_ascii=False) + "\n"
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer)

    def record(cells: list[str]) -> str:
        writer.writerow(cells)
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    yield record(list(CSV_COLUMNS))
    for row in read_rows(folder):
        yield record(csv_record(row))
