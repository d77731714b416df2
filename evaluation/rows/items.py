"""Every held-out row beside every candidate's answer, on disk: ``items.parquet`` of a report.

``marks.parquet`` (:mod:`evaluation.rows.marks`), ``previews.dat`` (:mod:`evaluation.rows.previews`) and ``search/`` (:mod:`vault.search_index`)
lie beside it and are made of it.

One record per row: ``_rid``, ``id``, ``prompt`` (JSON), ``question`` (the last user message), ``teacher``, ``reference``,
``target`` (normalised right answer), ``_search``; and for each candidate ``C``: ``C__answer`` (the one that counts),
``C__text``, ``C__label``, ``C__confidence``, ``C__latency_ms``, ``C__judge`` (a judge's grade, 0..1), ``C__error``, ``C__asked``, ``C__agrees`` and ``C__correct``
(null where there is nothing to compare with), ``C__key`` (the answer, normalised) and ``C__measures`` (JSON: what single metrics say
of the answer, see :mod:`evaluation.rows.measures`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evaluation.candidates.predictions import Candidate
from evaluation.figures.scoring import Channel, answer_of, channels_of
from evaluation.metrics.base import answer_key, keyed, same_answer
from evaluation.report.notes import target_of_row
from evaluation.rows.columns import COMMON, FLAGS, ITEMS_FILE, NUMBERS, SEARCH_FOLDER, TEXTS, column
from evaluation.rows.marks import write_marks
from evaluation.rows.measures import Measures
from evaluation.rows.previews import PreviewWriter
from vault.rows import Row
from vault.search_index import IndexWriter

__all__ = ["ITEMS_FILE", "column", "record_of", "write_items"]

ROW_GROUP = 2_000
"""Opening one row decodes one group of every column."""

NOT_SHOWN = {"prompt", "target", "_search"}
"""Columns that a table of rows has no use for."""


def record_of(
    row: Row, candidates: Sequence[tuple[Candidate, Channel]], measures: Measures | None = None
) -> dict[str, Any]:
    """One row of ``items.parquet`` without its ``_rid``."""
    target = target_of_row(row)
    record: dict[str, Any] = {
        "id": row.id,
        "prompt": json.dumps(row.prompt, ensure_ascii=False),
        "question": row.user_text,
        "teacher": row.completion_text,
        "reference": row.reference_text,
        "target": None if target is None else answer_key(target),
        "tags": json.dumps(row.tags, ensure_ascii=False),
    }
    said = [row.user_text, row.completion_text or "", row.reference_text or ""]
    for candidate, channel in candidates:
        prediction = candidate.answers.get(row.id)
        asked = candidate.was_asked(row.id)
        answer = answer_of(prediction, channel=channel)
        error = (prediction.error if prediction else None) or (
            "It gave no answer." if asked and answer is None else None
        )
        agrees = (
            None
            if row.completion is None or candidate.kind == "teacher"
            else same_answer(answer, row.completion_text or "")
        )
        correct = None if row.reference is None else same_answer(answer, row.reference_text or "")
        values = {
            "answer": answer,
            "text": prediction.text if prediction else None,
            "label": prediction.label if prediction else None,
            "error": error,
            "key": keyed(answer),
            "measures": (measures or {}).get(candidate.name, {}).get(row.id),
            "confidence": prediction.confidence if prediction else None,
            "latency_ms": prediction.latency_ms if prediction else None,
            "judge": prediction.judge if prediction else None,
            "asked": asked,
            "agrees": agrees if asked else None,
            "correct": correct if asked else None,
        }
        record |= {column(candidate.name, field): value for field, value in values.items()}
        said.append(answer or "")
    record["_search"] = "\n".join(part for part in said if part).lower()
    return record


def hidden_columns(names: Sequence[str]) -> set[str]:
    """Columns that the previews leave out."""
    return NOT_SHOWN | {column(name, field) for name in names for field in ("key", "measures")}


def write_items(
    path: Path, rows: Sequence[Row], candidates: Sequence[Candidate], measures: Measures | None = None
) -> int:
    """Write ``items.parquet`` and, beside it, what makes its pages quick (marks, previews, search). Returns how many rows it holds.

    Memory: one row group, and the search's tokens (at most about 150 MB).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with_channels = [(c, channels_of(c)[0]) for c in candidates]
    fields = [pa.field("_rid", pa.int64()), *(pa.field(name, pa.string()) for name in COMMON)]
    for candidate in candidates:
        kinds = ((TEXTS, pa.string()), (NUMBERS, pa.float64()), (FLAGS, pa.bool_()))
        fields += [pa.field(column(candidate.name, name), kind) for names, kind in kinds for name in names]
    schema = pa.schema(fields)
    hidden = hidden_columns([c.name for c in candidates])
    with (
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
        PreviewWriter(path.parent) as previews,
        IndexWriter(path.parent / SEARCH_FOLDER) as search,
    ):
        for start in range(0, max(len(rows), 1), ROW_GROUP):
            group = rows[start : start + ROW_GROUP]
            records = [{"_rid": start + i, **record_of(row, with_channels, measures)} for i, row in enumerate(group)]
            writer.write_table(pa.Table.from_pylist(records, schema=schema))
            for record in records:
                previews.add({name: value for name, value in record.items() if name not in hidden})
                search.add(record["_search"])
        search.close()
    write_marks(path.parent, [c.name for c in candidates])
    return len(rows)
