"""What a row exporter is: it writes rows in a foreign format, and says exactly what of a row the format carries."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

from vault.rows import Message, Row

CHUNK = 1 << 16
"""About how many bytes are handed on at once."""

LeftOut = Callable[[Row, str], None]
"""``f(row, reason)``: told of every row that the format can't carry."""


def ignore(row: Row, reason: str) -> None:
    """For callers who know already that every row fits, or who counted before."""


class RowExporter(ABC):
    """Base class of all row exporters. An exporter keeps no state: one object can write many files.

    ``carries`` is the sentence for people, :meth:`carried` the same as code: reading an exported file with ``reader`` and
    ``reader_params`` gives ``carried(row)`` of every row that fits, in order, apart from ``meta["source"]``.
    """

    label: ClassVar[str]
    description: ClassVar[str]
    carries: ClassVar[str]
    suffix: ClassVar[str] = "jsonl"
    content_type: ClassVar[str] = "application/jsonl; charset=utf-8"
    reader: ClassVar[str]
    reader_params: ClassVar[Mapping[str, Any]] = {}
    leaves_out: ClassVar[str] = ""
    """Which rows don't fit, in words; empty when all do."""

    def misfit(self, row: Row) -> str:
        """Why the format can't carry this row; empty when it can."""
        return ""

    @abstractmethod
    def carried(self, row: Row) -> Row:
        """The row as it comes back."""

    @abstractmethod
    def chunks(self, rows: Iterable[Row], *, left_out: LeftOut = ignore) -> Iterator[bytes]:
        """The file in pieces. Rows that don't fit are told to ``left_out`` and not written. Memory: about 64 KB, or one row."""

    def fitting(self, rows: Iterable[Row], left_out: LeftOut) -> Iterator[Row]:
        """The rows that fit."""
        for row in rows:
            reason = self.misfit(row)
            if reason:
                left_out(row, reason)
            else:
                yield row


class JsonLines(RowExporter):
    """One JSON object a line."""

    @abstractmethod
    def record(self, row: Row) -> dict[str, Any]:
        """The row as the format spells it."""

    def chunks(self, rows: Iterable[Row], *, left_out: LeftOut = ignore) -> Iterator[bytes]:
        """See :meth:`RowExporter.chunks`."""
        lines = (json.dumps(self.record(row), ensure_ascii=False) + "\n" for row in self.fitting(rows, left_out))
        return joined(line.encode() for line in lines)


def joined(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def without_source(meta: dict[str, Any]) -> dict[str, Any]:
    """A row's facts without its place in the file it came from, which is another one after coming back."""
    return {key: value for key, value in meta.items() if key != "source"}


def kept_meta(row: Row) -> dict[str, Any]:
    """The facts that chat formats keep beside the messages: the tools, and whether calls could be parallel."""
    if not row.meta.get("tools"):
        return {}
    return {key: row.meta[key] for key in ("tools", "parallel_tool_calls") if key in row.meta}


def conversation(row: Row) -> list[Message]:
    """The prompt and, when there is one, the answer."""
    return [*row.prompt, *([row.completion] if row.completion else [])]


def ends_open(row: Row) -> str:
    """Why a row without an answer whose prompt ends with an assistant message can't be told from one with that answer."""
    if row.completion is None and row.prompt and row.prompt[-1].get("role") == "assistant":
        return "It has no answer and its prompt ends with an assistant message, which would be taken for the answer."
    return ""
