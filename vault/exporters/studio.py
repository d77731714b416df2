"""The Studio's own JSON lines: every field of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from vault.exporters.base import JsonLines, without_source
from vault.rows import Row, to_json


class StudioJsonl(JsonLines):
    """A row a line, as the Studio keeps it; TRL reads it too (conversational prompt-completion with more columns)."""

    label: ClassVar[str] = "Studio JSON lines"
    description: ClassVar[str] = "Everything a row has. The format to move rows from one Studio to another."
    carries: ClassVar[str] = (
        "Every field: id, prompt, completion, reference, soft, tags, meta (its place in the file is new)."
    )
    reader: ClassVar[str] = "prompt_completion"

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return replace(row, meta=without_source(row.meta))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        return to_json(row)
