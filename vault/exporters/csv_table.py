"""CSV that people open in a spreadsheet, and that no spreadsheet executes.

A cell that a spreadsheet would take for a formula gets an apostrophe before it. Coming back, the apostrophe goes: the rule is
undone exactly, since a cell that starts with apostrophes and then a formula gets one more too.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from vault.exporters.base import LeftOut, RowExporter, ignore, joined
from vault.rows import Message, Row

COLUMNS = ("id", "system", "prompt", "completion", "reference", "tags", "messages")
FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
PLAIN = (["user"], ["system", "user"])


def guard(cell: str) -> str:
    """A cell that a spreadsheet shows as text: one that could be a formula gets an apostrophe before it."""
    return "'" + cell if FORMULA.match(cell) else cell


def unguard(cell: str) -> str:
    """The inverse of :func:`guard`."""
    return cell[1:] if GUARDED.match(cell) else cell


class Csv(RowExporter):
    """A row a line: system prompt, question, answer, reference, tags. Longer conversations stand in ``messages`` as JSON."""

    label: ClassVar[str] = "CSV"
    description: ClassVar[str] = "For spreadsheets. Cells can be edited there and come back as the next version."
    carries: ClassVar[str] = "id, prompt, completion, reference and tags, as texts."
    leaves_out: ClassVar[str] = "rows whose answer or reference calls tools"
    suffix: ClassVar[str] = "csv"
    content_type: ClassVar[str] = "text/csv; charset=utf-8"
    reader: ClassVar[str] = "columns"
    reader_params: ClassVar[Mapping[str, Any]] = {
        "prompt": "{prompt}",
        "system_column": "system",
        "completion": "completion",
        "reference": "reference",
        "id": "id",
        "tags": ["tags"],
        "messages": "messages",
        "guarded": True,
        "delimiter": "comma",
    }

    def misfit(self, row: Row) -> str:
        """See :meth:`RowExporter.misfit`."""
        answers = [m for m in (row.completion, row.reference) if m is not None]
        if any(m.get("tool_calls") or m.get("content") is None for m in answers):
            return "Its answer or reference calls tools, which is no text."
        if any(set(m) - {"role", "content"} for m in answers):
            return "Its answer or reference carries more than a role and text."
        return ""

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(row.id, row.prompt, row.completion, row.reference, tags=row.tags)

    def chunks(self, rows: Iterable[Row], *, left_out: LeftOut = ignore) -> Iterator[bytes]:
        """See :meth:`RowExporter.chunks`."""
        return joined(self._lines(rows, left_out))

    def _lines(self, rows: Iterable[Row], left_out: LeftOut) -> Iterator[bytes]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow(COLUMNS)
        for row in self.fitting(rows, left_out):
            yield _taken(buffer)
            writer.writerow([guard(cell) for cell in cells(row)])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def cells(row: Row) -> list[str]:
    """The row as cells of :data:`COLUMNS`, not guarded yet. ``messages`` is empty where question and system prompt say it all."""
    system = "\n".join(m.get("content") or "" for m in row.prompt if m.get("role") == "system")
    return [
        row.id,
        system,
        row.user_text,
        row.completion_text or "",
        row.reference_text or "",
        json.dumps(row.tags, ensure_ascii=False) if row.tags else "",
        "" if _is_plain(row.prompt) else json.dumps(row.prompt, ensure_ascii=False),
    ]


def _is_plain(prompt: list[Message]) -> bool:
    """Whether the columns ``system`` and ``prompt`` alone give the prompt back."""
    return [m.get("role") for m in prompt] in PLAIN and all(
        set(m) == {"role", "content"} and (m.get("content") or "").strip() for m in prompt
    )
