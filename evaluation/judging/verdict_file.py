"""A judge's verdicts on disk: ``judge-1.parquet`` beside a report's items, one record a verdict, in the order of the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from evaluation.judging.bench import Verdict
from vault.query import ask

GROUP = 5_000
NAMES = tuple(field.name for field in fields(Verdict))
KINDS = {"rid": "int64", "score": "int8", "by_order": "bool", "repaired": "bool", "cut": "bool"}


def file_of(folder: Path, number: int) -> Path:
    """The file of a report's judge; they are numbered from 1."""
    return folder / f"judge-{number}.parquet"


def write_verdicts(path: Path, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Write the verdicts as they pass through. Memory: one row group. The file is complete when they are used up."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"int64": pa.int64(), "int8": pa.int8(), "bool": pa.bool_()}
    schema = pa.schema([(name, kinds[KINDS[name]] if name in KINDS else pa.string()) for name in NAMES])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[dict[str, Any]] = []
        for verdict in verdicts:
            held.append(asdict(verdict))
            if len(held) == GROUP:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held = []
            yield verdict
        writer.write_table(pa.Table.from_pylist(held, schema=schema))


def read_verdicts(path: Path, *, columns: tuple[str, ...] = NAMES) -> Iterator[dict[str, Any]]:
    """Every verdict as plain values. Memory: one batch."""
    import pyarrow.parquet as pq

    if not path.exists():
        return
    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(GROUP, columns=list(columns)):
            yield from batch.to_pylist()


def verdicts_on(path: Path, rid: int, *, root: Path) -> list[dict[str, Any]]:
    """The verdicts on one row."""
    if not path.exists():
        return []
    shown = ", ".join(f'"{name}"' for name in NAMES)
    sql = f"SELECT {shown} FROM read_parquet(?) WHERE rid = ?"  # noqa: S608 -- our own columns
    return [dict(zip(NAMES, record, strict=True)) for record in ask(sql, [str(path), rid], root=root)]


def scores_of(path: Path, items: list[str], *, root: Path) -> dict[str, int]:
    """Item → the judge's grade, for the items among these that it graded."""
    if not path.exists():
        return {}
    sql = (
        "SELECT item, max(score) FROM read_parquet(?) "
        "WHERE status = 'asked' AND other = '' AND item IN (SELECT unnest(?)) GROUP BY item"
    )
    return {str(item): int(score) for item, score in ask(sql, [str(path), items], root=root)}


def verdicts_of(path: Path, items: list[str], *, root: Path) -> dict[str, dict[str, Any]]:
    """Item → one verdict with its reason, row and candidate, for the items among these that were graded."""
    if not path.exists() or not items:
        return {}
    shown = ", ".join(f'"{name}"' for name in NAMES)
    sql = (
        f"SELECT {shown} FROM read_parquet(?) "  # noqa: S608 -- our own columns
        "WHERE status = 'asked' AND other = '' AND item IN (SELECT unnest(?)) ORDER BY rid"
    )
    found = [dict(zip(NAMES, record, strict=True)) for record in ask(sql, [str(path), items], root=root)]
    return {str(verdict["item"]): verdict for verdict in found}
