from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vault.readers import arrow
from vault.readers.arrow import arrow_records, column_names, parquet_records
from vault.readers.base import ReaderError, RowError
from vault.readers.openai_chat import OpenAIChat
from vault.readers.text import LINE_LIMIT

from .conftest import read


def test_values_become_what_json_has(tmp_path: Path) -> None:
    table = pa.table(
        {
            "f": pa.array([1.5, float("nan")]),
            "d": pa.array([datetime.date(2026, 1, 2), None]),
            "t": pa.array([datetime.datetime(2026, 1, 2, 3, 4), None], pa.timestamp("us", "UTC")),
            "n": pa.array([decimal.Decimal("1.50"), None]),
            "b": pa.array([b"caf\xc3\xa9", b"\xff"]),
            "m": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "s": pa.array([{"a": [1, None]}, None]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    [(_, first, _), (line, second, _)] = parquet_records(tmp_path / "t.parquet")
    assert first == {
        "f": 1.5,
        "d": "2026-01-02",
        "t": "2026-01-02T03:04:00+00:00",
        "n": "1.50",
        "b": "café",
        "m": {"k": 1},
        "c": "x",
        "s": {"a": [1, None]},
    }
    assert line == 2 and second["f"] is None and second["b"] == b"\xff"


def test_a_cell_that_is_no_value_costs_its_row(tmp_path: Path) -> None:
    words = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0"), pa.py_buffer(b"a\xffb")]
    )
    far = pa.array([0, 2**62, 0], pa.timestamp("us"))
    pq.write_table(pa.table({"w": words, "n": ["x", "y", "z\0"], "t": far}), tmp_path / "t.parquet")
    items = list(parquet_records(tmp_path / "t.parquet"))
    problems = [item for item in items if isinstance(item, RowError)]
    assert [(p.line, p.column) for p in problems] == [(2, "w"), (3, "n")]
    assert "null character" in problems[1].reason


def test_arrow_files_and_streams_are_read_in_batches(tmp_path: Path) -> None:
    table = pa.table({"a": list(range(2_500))})
    for name, make in (("f.arrow", pa.ipc.new_file), ("s.arrow", pa.ipc.new_stream)):
        with pa.OSFile(str(tmp_path / name), "wb") as sink, make(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=1_200)
        found = list(arrow_records(tmp_path / name))
        assert [(item[0], item[1]["a"]) for item in found if not isinstance(item, RowError)] == [
            (n + 1, n) for n in range(2_500)
        ]
        assert column_names(tmp_path / name) == ["a"]


def test_chats_in_parquet_lose_the_nulls_that_arrow_adds(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chats = [
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": None, "tool_calls": [call]}]},
        {"messages": [{"role": "user", "content": "y"}, {"role": "assistant", "content": "z", "tool_calls": None}]},
    ]
    pq.write_table(pa.Table.from_pylist(chats), tmp_path / "c.parquet")
    rows, problems = read(OpenAIChat(), tmp_path / "c.parquet")
    assert problems == []
    assert rows[0].completion == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert rows[1].completion == {"role": "assistant", "content": "z"}


def test_columns_with_one_name_stay_apart(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"]), tmp_path / "t.parquet")
    assert column_names(tmp_path / "t.parquet") == ["a", "a (2)"]
    [(_, record, _)] = parquet_records(tmp_path / "t.parquet")
    assert record == {"a": 1, "a (2)": 2}


@pytest.mark.parametrize("content", [b"PAR1", b"PAR1" + b"x" * 40 + b"PAR1", b"PAR1" + b"\0" * 400])
def test_a_damaged_parquet_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(ReaderError, match=r"bad\.parquet is a damaged Parquet file"):
        list(parquet_records(path))


def test_a_cut_arrow_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.arrow"
    path.write_bytes(b"ARROW1\0\0" + b"\0" * 64)
    with pytest.raises(ReaderError, match="damaged Arrow file"):
        list(arrow_records(path))


def test_a_cell_of_10_mb_is_a_row_and_one_over_the_limit_is_not(tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": ["a" * 10_000_000, "b" * (LINE_LIMIT + 1), "c"]}), tmp_path / "t.parquet")
    items = list(parquet_records(tmp_path / "t.parquet"))
    assert [item[0] for item in items if not isinstance(item, RowError)] == [1, 3]
    [problem] = [item for item in items if isinstance(item, RowError)]
    assert (problem.line, problem.column) == (2, "t") and "too long" in problem.reason


def test_a_row_as_large_as_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "LINE_LIMIT", 1 << 18)
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"t": ["a" * (4 << 20)]}), path, compression="zstd", use_dictionary=False)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(ReaderError, match="bytes each"):
        list(parquet_records(path))
