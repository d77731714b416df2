"""OpenAI fine-tuning files: ``{"messages": [...]}`` a line, with ``tools`` where there are any.

Shape: OpenAI's guide to supervised fine-tuning. Nothing else stands in a line, since their checks refuse other keys.
"""

from __future__ import annotations

from typing import Any, ClassVar

from vault.exporters.base import JsonLines, conversation, ends_open, kept_meta
from vault.rows import Row, prompt_id


class OpenAIJsonl(JsonLines):
    """Prompt and answer as one conversation."""

    label: ClassVar[str] = "OpenAI JSON lines"
    description: ClassVar[str] = "Chats as OpenAI's fine-tuning, and nearly everything else, reads them."
    carries: ClassVar[str] = "prompt, completion, tools. The id is made from the prompt again."
    leaves_out: ClassVar[str] = "rows without an answer whose prompt ends with an assistant message"
    reader: ClassVar[str] = "openai_chat"

    def misfit(self, row: Row) -> str:
        """See :meth:`RowExporter.misfit`."""
        return ends_open(row)

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(prompt_id(row.prompt), row.prompt, row.completion, meta=kept_meta(row))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        return {"messages": conversation(row), **kept_meta(row)}
