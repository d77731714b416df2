from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from vault.row_blocks import CUT_CHARS, RowBlocks, RowBlockWriter
from vault.rows import COLUMNS, Row, assistant, decode, write_rows


def store_rows(folder: Path, rows: list[Row]) -> RowBlocks:
    write_rows(folder / "rows", rows)
    with RowBlockWriter(folder) as writer:
        for record in pq.read_table(folder / "rows" / "rows.parquet").to_pylist():
            writer.add([record[name] for name in COLUMNS[1:8]], decode(record))
        writer.close()
    return RowBlocks(folder)


def make_row(number: int, text: str = "hello") -> Row:
    return Row(
        f"r{number}",
        [{"role": "user", "content": f"{text} {number}\n\u2028 é 👋 \x00"}],
        assistant("yes") if number % 2 else None,
        tags=["t"] if number % 3 else [],
        meta={"n": number},
    )


def test_rows_are_read_one_by_one_in_any_order(tmp_path: Path) -> None:
    rows = [make_row(n) for n in range(100)]
    blocks = store_rows(tmp_path, rows)
    assert [blocks.row(n) for n in (0, 31, 32, 99)] == [rows[n] for n in (0, 31, 32, 99)]
    wanted = [99, 3, 50, 3, 0]
    assert [line.row for line in blocks.lines(wanted)] == [rows[n] for n in wanted]
    assert not any(line.cut for line in blocks.lines(wanted))


def test_a_large_row_is_cut_in_a_table_and_whole_when_opened(tmp_path: Path) -> None:
    rows = [make_row(0), make_row(1, "long " * 100_000), make_row(2)]
    blocks = store_rows(tmp_path, rows)
    (before, large, after) = blocks.lines([0, 1, 2])
    assert (before.cut, large.cut, after.cut) == (False, True, False)
    assert len(large.row.user_text) == CUT_CHARS and large.row.tags == ["t"] and large.row.completion_text == "yes"
    assert blocks.row(1) == rows[1] and blocks.row(2) == rows[2]


@pytest.mark.parametrize("count", [0, 1])
def test_few_rows_are_stored_too(tmp_path: Path, count: int) -> None:
    blocks = store_rows(tmp_path, [make_row(n) for n in range(count)])
    assert list(blocks.lines(range(count))) == [(n, make_row(n), False) for n in range(count)]
