"""A report folder made anew with a judge's grades in it; everything else is taken over as it is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.rows.columns import ITEMS_FILE, column
from evaluation.rows.items import hidden_columns
from evaluation.rows.marks import MARKS_FILE, write_marks
from evaluation.rows.previews import DATA_FILE, PLACES_FILE, PreviewWriter
from vault import store

MADE_ANEW = frozenset({ITEMS_FILE, MARKS_FILE, DATA_FILE, PLACES_FILE, "report.json", store.MANIFEST})

Grades = Mapping[str, Mapping[int, float]]
"""Candidate → row → a figure of 0..1."""


def take_over(source: Path, target: Path) -> None:
    """Copy what a judge does not change: whatever lies in the folder but the items and what is made of them."""
    for item in sorted(source.rglob("*")):
        name = item.relative_to(source)
        if item.is_file() and str(name) not in MADE_ANEW:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item, target / name)


def grade_items(source: Path, target: Path, *, names: list[str], judge: Grades, measure: Grades) -> None:
    """Write the items of ``source`` into ``target`` with the grades as ``C__judge`` and, beside them, what the verdict's measure
    gives the same answers as ``C__measure``; then marks and previews. Memory: one row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {column(name, "judge"): judge.get(name, {}) for name in names}
    columns |= {column(name, "measure"): figures for name, figures in measure.items()}
    hidden = hidden_columns(names)
    with pq.ParquetFile(source / ITEMS_FILE) as items:
        schema = items.schema_arrow
        for name in columns:
            if name not in schema.names:
                schema = schema.append(pa.field(name, pa.float64()))
        with (
            pq.ParquetWriter(target / ITEMS_FILE, schema, compression="zstd") as writer,
            PreviewWriter(target) as previews,
        ):
            for group in range(items.num_row_groups):
                table = items.read_row_group(group)
                rids: list[int] = table.column("_rid").to_pylist()
                for name, figures in columns.items():
                    values: Any = pa.array([figures.get(rid) for rid in rids], pa.float64())
                    if name in table.column_names:
                        table = table.set_column(table.column_names.index(name), name, values)
                    else:
                        table = table.append_column(name, values)
                writer.write_table(table.select(schema.names))
                for record in table.to_pylist():
                    previews.add({name: value for name, value in record.items() if name not in hidden})
    write_marks(target, names)
