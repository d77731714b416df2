"""The next version's file from the present one and its operations: untouched rows are carried over as they lie, never decoded.

Memory: one row group and the operations' rows in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vault.editing.changes import FIELDS, Change, Record, dump, fold
from vault.rows import COLUMNS, ROW_GROUP, ROWS_FILE

Within = Callable[[int, int], Iterable[int]]
"""``f(low, high)``: the positions of an operation's rows in this stretch."""


@dataclass
class Outcome:
    """Rows kept, rows whose content changed, rows rejected; and the same by who did it."""

    kept: int = 0
    edited: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def rewrite(
    source: Path,
    target: Path,
    rejects: Path,
    operations: Sequence[tuple[Change, Within]],
    *,
    beat: Callable[[int], None],
) -> Outcome:
    """Write ``target/rows.parquet`` with the rows that stay and ``rejects/rows.parquet`` with those that leave.

    ``beat(rows done)`` is called after every row group. Rejected rows keep who and why in ``meta["reject"]``.
    """
    import pyarrow.parquet as pq

    outcome = Outcome()
    with (
        pq.ParquetFile(source / ROWS_FILE) as rows,
        GroupWriter(target, rows.schema_arrow) as kept,
        GroupWriter(rejects, rows.schema_arrow) as left,
    ):
        start = 0
        for group in range(rows.num_row_groups):
            table = rows.read_row_group(group)
            stay, leave = _apply(table, start, operations, outcome)
            kept.add(stay)
            left.add(leave)
            start += table.num_rows
            beat(start)
    outcome.kept = kept.rows
    return outcome


def _apply(table: Any, start: int, operations: Sequence[tuple[Change, Within]], outcome: Outcome) -> tuple[Any, Any]:
    """A row group's rows that stay and those that leave, with their changes."""
    import pyarrow as pa

    changes: dict[int, list[Change]] = {}
    for one, within in operations:
        for rid in within(start, start + table.num_rows):
            changes.setdefault(rid - start, []).append(one)
    if not changes:
        return table, table.slice(0, 0)
    touched = sorted(changes)
    new: dict[str, dict[int, str | None]] = {}
    rejected = []
    for place, texts in zip(touched, table.select(list(FIELDS)).take(touched).to_pylist(), strict=True):
        record = fold(Record(texts), changes[place])
        outcome.edited += record.edited is not None and record.rejected is None
        columns = _columns(record)
        if record.rejected is not None:
            rejected.append(place)
            outcome.rejected += 1
            outcome.reasons[record.rejected["reason"]] += 1
        for name, value in columns.items():
            new.setdefault(name, {})[place] = value
    for name, values in new.items():
        column = table.column(name).to_pylist()
        for place, value in values.items():
            column[place] = value
        table = table.set_column(COLUMNS.index(name), table.schema.field(name), pa.array(column, type=pa.string()))
    mask = [True] * table.num_rows
    for place in rejected:
        mask[place] = False
    return table.filter(pa.array(mask)), table.take(pa.array(rejected, type=pa.int64()))


def _columns(record: Record) -> Mapping[str, str | None]:
    columns = record.columns()
    if record.rejected is not None:
        columns["meta"] = dump({**(record.get("meta") or {}), "reject": record.rejected})
    return columns


class GroupWriter:
    """Writes tables one after the other as ``rows.parquet`` with dense positions, in row groups of 20,000 rows."""

    def __init__(self, folder: Path, schema: Any) -> None:
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        self._schema = schema.remove_metadata()
        self._writer = pq.ParquetWriter(folder / ROWS_FILE, self._schema, compression="zstd")
        self._waiting: list[Any] = []
        self._held = 0
        self.rows = 0

    def __enter__(self) -> GroupWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._write(all_of_it=True)
        self._writer.close()

    def add(self, table: Any) -> None:
        """Take rows; they are written when a row group is full."""
        if table.num_rows:
            self._waiting.append(table)
            self._held += table.num_rows
            self._write(all_of_it=False)

    def _write(self, *, all_of_it: bool) -> None:
        import numpy as np
        import pyarrow as pa

        while self._held >= ROW_GROUP or (all_of_it and (self._held or not self.rows)):
            whole = pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table()
            group, rest = whole.slice(0, ROW_GROUP), whole.slice(ROW_GROUP)
            numbers = pa.array(np.arange(self.rows, self.rows + group.num_rows, dtype=np.int64))
            group = group.set_column(0, self._schema.field(0), numbers).combine_chunks()
            self._writer.write_table(group.cast(self._schema), row_group_size=ROW_GROUP)
            self.rows += group.num_rows
            self._waiting, self._held = ([rest] if rest.num_rows else []), rest.num_rows
            if all_of_it and not self._held:
                return
