"""Parquet with real columns: messages as lists of structs, tags as a list of text. What `datasets` and DuckDB read at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from vault.exporters.base import LeftOut, RowExporter, ignore, without_source
from vault.rows import Message, Row

GROUP = 5_000
"""Rows in one group: what is held in memory."""


class Parquet(RowExporter):
    """Every field of a row as a typed column; ``meta`` as JSON text."""

    label: ClassVar[str] = "Parquet"
    description: ClassVar[str] = "Typed columns, compressed. For datasets, pandas, DuckDB, polars."
    carries: ClassVar[str] = "Every field. Of a tool call: its id, type, function name and arguments."
    suffix: ClassVar[str] = "parquet"
    content_type: ClassVar[str] = "application/vnd.apache.parquet"
    reader: ClassVar[str] = "prompt_completion"

    def carried(self, row: Row) -> Row:
        """See :meth:`RowExporter.carried`."""
        return Row(
            row.id,
            [_carried(message) for message in row.prompt],
            _carried(row.completion) if row.completion else None,
            _carried(row.reference) if row.reference else None,
            row.soft,
            row.tags,
            without_source(row.meta),
        )

    def chunks(self, rows: Iterable[Row], *, left_out: LeftOut = ignore) -> Iterator[bytes]:
        """See :meth:`RowExporter.chunks`. Memory: one group of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = Sink()
        schema = _schema()
        with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), schema, compression="zstd") as writer:
            batch: list[dict[str, Any]] = []
            for row in self.fitting(rows, left_out):
                batch.append(_record(row))
                if len(batch) == GROUP:
                    writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                    batch.clear()
                    yield sink.taken()
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        yield sink.taken()


class Sink:
    """A file that is only written to, and handed on in pieces."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._place = 0

    def write(self, data: Any) -> int:
        """Keep these bytes until they are taken."""
        self._pieces.append(bytes(data))
        self._place += len(self._pieces[-1])
        return len(self._pieces[-1])

    def tell(self) -> int:
        """Bytes written so far."""
        return self._place

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """The last bytes are still to be taken."""

    def taken(self) -> bytes:
        """What was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _schema() -> Any:
    import pyarrow as pa

    text = pa.string()
    function = pa.struct([("name", text), ("arguments", text)])
    call = pa.struct([("id", text), ("type", text), ("function", function)])
    message = pa.struct(
        [("role", text), ("content", text), ("name", text), ("tool_call_id", text), ("tool_calls", pa.list_(call))]
    )
    soft = pa.struct([("text", text), ("probability", pa.float64())])
    return pa.schema(
        [
            ("id", text),
            ("prompt", pa.list_(message)),
            ("completion", pa.list_(message)),
            ("reference", pa.list_(message)),
            ("soft", pa.list_(soft)),
            ("tags", pa.list_(text)),
            ("meta", text),
        ]
    )


def _record(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "prompt": [_carried(message) for message in row.prompt],
        "completion": [_carried(row.completion)] if row.completion else None,
        "reference": [_carried(row.reference)] if row.reference else None,
        "soft": row.soft,
        "tags": row.tags,
        "meta": json.dumps(row.meta, ensure_ascii=False),
    }


def _carried(message: Message) -> Message:
    """A message with only what the columns hold."""
    made: Message = {"role": message["role"], "content": message.get("content")}
    if "name" in message:
        made["name"] = message["name"]
    if "tool_call_id" in message:
        made["tool_call_id"] = message["tool_call_id"]
    if message.get("tool_calls"):
        made["tool_calls"] = [_call(call) for call in message["tool_calls"]]
    return made


def _call(call: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: call[key] for key in ("id", "type") if isinstance(call.get(key), str)}
    function = call.get("function")
    if isinstance(function, dict):
        found["function"] = {k: function[k] for k in ("name", "arguments") if isinstance(function.get(k), str)}
    return found
