"""What TRL's trainers read: conversational "prompt-completion" and conversational "language modeling".

Shapes: TRL's page on dataset formats and types.
"""

from __future__ import annotations

from typing import Any, ClassVar

from vault.exporters.base import JsonLines, conversation, ends_open, kept_meta
from vault.rows import Row, prompt_id


class TrlPromptCompletion(JsonLines):
    """Prompt and completion as two lists of messages: the loss is on the completion alone."""

    label: ClassVar[str] = "TRL prompt-completion"
    description: ClassVar[str] = "For SFTTrainer: the loss is taken on the completion."
    carries: ClassVar[str] = "prompt, completion, tools. The id is made from the prompt again."
    reader: ClassVar[str] = "prompt_completion"

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(prompt_id(row.prompt), row.prompt, row.completion, meta=kept_meta(row))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        completion = [row.completion] if row.completion else None
        return {"prompt": row.prompt, "completion": completion, **kept_meta(row)}


class TrlMessages(JsonLines):
    """Prompt and answer as one conversation, with the row's id and tags beside it."""

    label: ClassVar[str] = "TRL messages"
    description: ClassVar[str] = "For SFTTrainer: whole conversations, with the row's id and tags as further columns."
    carries: ClassVar[str] = "id, prompt, completion, tags, tools."
    leaves_out: ClassVar[str] = "rows without an answer whose prompt ends with an assistant message"
    reader: ClassVar[str] = "openai_chat"

    def misfit(self, row: Row) -> str:
        """See :meth:`RowExporter.misfit`."""
        return ends_open(row)

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(row.id, row.prompt, row.completion, tags=row.tags, meta=kept_meta(row))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        return {"id": row.id, "messages": conversation(row), "tags": row.tags, **kept_meta(row)}
