"""Rows of a version read in order without holding them: a million-row file in the memory of one stretch of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vault.editing.changes import FIELDS
from vault.editing.positions import Positions
from vault.rows import ROWS_FILE


def read_records(folder: Path, rids: Positions) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(position, columns)`` of the rows at these sorted positions. Row groups that hold none of them are not read."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / ROWS_FILE) as source:
        start = 0
        for group in range(source.num_row_groups):
            rows = source.metadata.row_group(group).num_rows
            low, high = rids.searchsorted((start, start + rows))
            if low < high:
                wanted = rids[low:high]
                table = source.read_row_group(group, columns=list(FIELDS)).take(wanted - start)
                yield from zip(wanted.tolist(), table.to_pylist(), strict=True)
            start += rows
