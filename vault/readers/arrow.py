"""Parquet, Arrow IPC (files and streams) and Feather as records, one small batch at a time."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vault.readers.base import BadRow, ReaderError, RowError, excerpt
from vault.readers.delimited import unique
from vault.readers.text import LINE_LIMIT, read_head

Found = Iterator[tuple[int, dict[str, Any], str] | RowError]

BATCH = 1_000
BATCH_BYTES = 32 << 20
"""About how much of a file is decoded at once."""
BATCH_LIMIT = 384 << 20
"""The most that a compressed record batch of an Arrow file may unpack to: it can't be read in smaller pieces."""
UNREADABLE = object()


@contextmanager
def damaged(path: Path, what: str) -> Iterator[None]:
    """Turn whatever the library says about a broken file into a :class:`ReaderError`."""
    import pyarrow as pa

    try:
        yield
    except ReaderError:
        raise
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        MemoryError,
        OverflowError,
    ) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ReaderError(
            f"{path.name} is a damaged {what} file: {reason.rstrip('.')}.", action="Write or download the file again."
        ) from None


def parquet_records(path: Path) -> Found:
    """``(row number, fields, "")`` of a Parquet file. Memory: about 32 MB decoded, and the file's pages in use."""
    import pyarrow.parquet as pq

    with damaged(path, "Parquet"), pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as source:
        line = 0
        for group in range(source.metadata.num_row_groups):
            facts = source.metadata.row_group(group)
            if facts.total_byte_size > 8 * LINE_LIMIT * max(1, facts.num_rows):
                raise ReaderError(
                    f"{path.name} holds rows of {facts.total_byte_size // max(1, facts.num_rows):,} bytes each.",
                    action="Rows of such a size are no text to learn from; choose the columns with text and write it again.",
                )
            size = max(1, min(BATCH, BATCH_BYTES * max(1, facts.num_rows) // max(1, facts.total_byte_size)))
            for batch in source.iter_batches(batch_size=size, row_groups=[group], use_threads=False):
                yield from _batch_records(batch, line)
                line += batch.num_rows


def arrow_records(path: Path) -> Found:
    """``(row number, fields, "")`` of an Arrow IPC file or stream (Feather 2 and the files of ``save_to_disk`` are these).

    Every batch is checked before it is read. Memory: one record batch, of at most 384 MB.
    """
    import pyarrow as pa

    is_file = read_head(path).startswith(b"ARROW1")
    with damaged(path, "Arrow"), pa.memory_map(str(path)) as mapped:
        reader = pa.ipc.open_file(mapped) if is_file else pa.ipc.open_stream(mapped)
        batches = (reader.get_batch(n) for n in range(reader.num_record_batches)) if is_file else iter(reader)
        line = 0
        for batch in batches:
            if batch.nbytes > max(BATCH_LIMIT, path.stat().st_size):
                raise ReaderError(
                    f"{path.name} holds a batch of {batch.nbytes:,} bytes; the limit is {BATCH_LIMIT:,}.",
                    action="Write it again in smaller batches, or as Parquet.",
                )
            batch.validate(full=True)
            for start in range(0, batch.num_rows, BATCH):
                piece = batch.slice(start, BATCH)
                yield from _batch_records(piece, line)
                line += piece.num_rows


def column_names(path: Path) -> list[str]:
    """The names of the columns of a Parquet or Arrow file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    head = read_head(path)
    with damaged(path, "Parquet" if head.startswith(b"PAR1") else "Arrow"):
        if head.startswith(b"PAR1"):
            return unique(pq.read_schema(path).names)
        with pa.memory_map(str(path)) as mapped:
            source = pa.ipc.open_file(mapped) if head.startswith(b"ARROW1") else pa.ipc.open_stream(mapped)
            return unique(source.schema.names)


def _batch_records(batch: Any, before: int) -> Found:
    """The rows of one batch; a cell that is no value of its type costs its row."""
    names = unique(batch.schema.names)
    columns = [_values(batch.column(index)) for index in range(batch.num_columns)]
    for offset in range(batch.num_rows):
        line = before + offset + 1
        record: dict[str, Any] = {}
        try:
            for name, column in zip(names, columns, strict=True):
                record[name] = _plain(column[offset], name)
        except BadRow as bad:
            yield RowError(line, bad.column, bad.reason, excerpt(" | ".join(str(v)[:80] for v in record.values())))
            continue
        yield line, record, ""


def _values(column: Any) -> list[Any]:
    """A column's Python values; those that Python can't hold become :data:`UNREADABLE`."""
    import pyarrow as pa

    unreadable = (pa.ArrowException, ValueError, OverflowError, ImportError, TypeError, KeyError)
    try:
        return list(column.to_pylist())
    except unreadable:
        found = []
        for index in range(len(column)):
            try:
                found.append(column[index].as_py())
            except unreadable:
                found.append(UNREADABLE)
        return found


def _plain(value: Any, name: str) -> Any:
    """A value as JSON has them: dates as ISO 8601, missing numbers as null, bytes as text where they are UTF-8."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        if len(value) > LINE_LIMIT:
            raise BadRow(
                f"The value is too long: {len(value):,} characters, and the limit is {LINE_LIMIT:,}.", column=name
            )
        if "\0" in value:
            raise BadRow("A null character in a value.", column=name)
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, list | tuple):
        if value and all(isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) for item in value):
            return {key: _plain(item, name) for key, item in value}
        return [_plain(item, name) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item, name) for key, item in value.items()}
    if value is UNREADABLE:
        raise BadRow(
            "A value that is not valid for its column (letters that are not UTF-8, or a date out of range).",
            column=name,
        )
    if isinstance(value, bytes):
        try:
            return _plain(value.decode("utf-8"), name)
        except UnicodeDecodeError:
            return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f") if value.is_finite() and abs(value.adjusted()) < 400 else None
    return str(value)
