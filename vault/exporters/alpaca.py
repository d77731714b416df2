"""Alpaca instructions with LLaMA-Factory's ``system`` and ``history``."""

from __future__ import annotations

from typing import Any, ClassVar

from vault.exporters.base import JsonLines, kept_meta
from vault.rows import Message, Row


class AlpacaJsonl(JsonLines):
    """The last user message is the instruction, what was said before it the history."""

    label: ClassVar[str] = "Alpaca"
    description: ClassVar[str] = "Instruction, input and output, with system and history where a row has them."
    carries: ClassVar[str] = "id, prompt, completion, tags, tools, for rows of plain questions and answers."
    leaves_out: ClassVar[str] = "rows with tool calls, and prompts that are not question, answer, question in turn"
    reader: ClassVar[str] = "alpaca"

    def misfit(self, row: Row) -> str:
        """See :meth:`RowExporter.misfit`."""
        turns = _turns(row.prompt)
        if any(m.get("tool_calls") or m.get("content") is None for m in (*row.prompt, *_answer(row))):
            return "A message calls tools."
        if any(set(m) - {"role", "content"} for m in (*row.prompt, *_answer(row))):
            return "A message carries more than a role and text."
        wanted = ["user", "assistant"] * (len(turns) // 2) + ["user"]
        if [m["role"] for m in turns] != wanted:
            return "Its prompt is not question, answer, question in turn."
        if not (turns[-1].get("content") or "").strip():
            return "Its last question is blank."
        if len(turns) < len(row.prompt) and not (row.prompt[0].get("content") or "").strip():
            return "Its system prompt is blank."
        return ""

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(row.id, row.prompt, row.completion, tags=row.tags, meta=kept_meta(row))

    def record(self, row: Row) -> dict[str, Any]:
        """See :meth:`JsonLines.record`."""
        turns = _turns(row.prompt)
        texts = [m.get("content") or "" for m in turns]
        found: dict[str, Any] = {
            "id": row.id,
            "instruction": texts[-1],
            "input": "",
            "output": row.completion_text or "",
        }
        if len(turns) < len(row.prompt):
            found["system"] = row.prompt[0].get("content")
        if len(texts) > 1:
            found["history"] = [list(pair) for pair in zip(texts[:-1:2], texts[1:-1:2], strict=True)]
        return found | {"tags": row.tags, **kept_meta(row)}


def _turns(prompt: list[Message]) -> list[Message]:
    """The prompt without its system message."""
    return prompt[1:] if prompt and prompt[0]["role"] == "system" else prompt


def _answer(row: Row) -> list[Message]:
    return [row.completion] if row.completion else []
