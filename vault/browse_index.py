"""What the row browser needs of a version to answer at once, made from it in one pass by a worker.

The folder holds ``columns.parquet`` (every field as a plain column, DuckDB filters there), ``order-<n>.npy`` (positions sorted by
a field), ``rows.dat`` (rows to be read one by one), ``search/`` (which rows hold a text) and ``about.json``, written last: counts
and what is where. Everything in it can be made again; the browser works without it, slower.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from vault.query.sources import ABOUT_FILE, COLUMNS_FILE, LABEL_CHARS, leaves
from vault.row_blocks import RowBlockWriter
from vault.rows import COLUMNS, ROWS_FILE, Row, decode
from vault.search_index import IndexWriter

NAME = "browse-1"
"""Its name among the derivations."""

BATCH = 2_000
GROUP = 20_000
MOST_PATHS = 48
"""More fields below ``meta`` than this are asked in the version's own file."""

MOST_ORDERS = 16
MOST_LABELS = 100_000
"""Answers are counted one by one up to here; beyond, they are no labels."""

SHOWN_COUNTS = 100
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Beat = Callable[[int, int, str], None]
Record = dict[str, Any]


def index_rows(rows: Path, out: Path, *, params: Mapping[str, Any], beat: Beat) -> dict[str, Any]:
    """Index the dataset folder ``rows`` into ``out`` and say how large it became. Memory: some hundred megabytes at most."""
    paths, complete = meta_paths(rows, beat=beat)
    counts = _Counts()
    done, total = 0, 0
    with _Columns(out, paths) as columns, RowBlockWriter(out) as blocks, IndexWriter(out / "search") as search:
        for batch, total in _batches(rows, COLUMNS):
            for record in batch:
                row = decode(record)
                columns.add(row)
                counts.add(row)
                blocks.add([record[name] for name in COLUMNS[1:8]], row)
                search.add(record["_search"] or "")
            done += len(batch)
            beat(done, total, "Indexing rows")
        columns.flush()
        blocks.close()
        search.close()
    orders = _write_orders(out, columns.names, beat=lambda: beat(done, total, "Sorting"))
    about = {"rows": done, "paths": columns.paths, "complete": complete, "orders": orders, **counts.as_json()}
    (out / ABOUT_FILE).write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
    size = sum(item.stat().st_size for item in out.rglob("*") if item.is_file())
    return {"rows": done, "bytes": size}


def _batches(rows: Path, columns: tuple[str, ...]) -> Iterator[tuple[list[Record], int]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(rows / ROWS_FILE) as source:
        total = int(source.metadata.num_rows)
        for batch in source.iter_batches(batch_size=BATCH, columns=list(columns)):
            yield batch.to_pylist(), total


def meta_paths(rows: Path, *, beat: Beat) -> tuple[dict[str, bool], bool]:
    """The commonest paths below ``meta`` and whether all their values are numbers; and whether these are all paths."""
    seen: Counter[str] = Counter()
    texts: set[str] = set()
    done = 0
    for batch, total in _batches(rows, ("meta",)):
        for record in batch:
            for path, value in leaves(json.loads(record["meta"] or "{}")):
                seen[path] += 1
                if path not in texts and value is not None and not _is_number(value):
                    texts.add(path)
        done += len(batch)
        beat(0, total, "Looking for fields")
        if len(seen) > 20 * MOST_PATHS:
            # Every row has keys of its own: the commonest so far are enough.
            break
    kept = dict(seen.most_common(MOST_PATHS))
    return {path: path not in texts for path in sorted(kept)}, len(kept) == len(seen)


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and bool(NUMBER.fullmatch(_as_text(value) or ""))


def _as_text(value: Any) -> str | None:
    """A value as DuckDB's ``json_extract_string`` gives it."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Columns:
    """Writes ``columns.parquet``."""

    def __init__(self, out: Path, paths: dict[str, bool]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        text, whole, flag = pa.string(), pa.int32(), pa.bool_()
        self.paths = {path: f"m{number}" for number, path in enumerate(paths)}
        fields = [
            ("_rid", whole),
            ("id", text),
            ("prompt", text),
            ("system", text),
            ("answer", text),
            ("reference", text),
        ]
        fields += [("prompt_chars", whole), ("answer_chars", whole)]
        fields += [("has_answer", flag), ("has_reference", flag), ("differs", flag), ("tags", pa.list_(text))]
        fields += [(self.paths[path], text) for path in paths]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(out / COLUMNS_FILE, self._schema, compression="lz4")
        self._records: list[tuple[Any, ...]] = []
        self._rid = 0
        self._bytes = 0
        self.names: dict[str, tuple[str, bool]] = {
            "prompt": ("prompt_chars", True),
            "answer": ("answer_chars", True),
            "label": ("answer", False),
        } | {f"meta.{path}": (self.paths[path], numbers) for path, numbers in paths.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def add(self, row: Row) -> None:
        """The next row."""
        contents = [message.get("content") for message in row.prompt]
        prompt = "\n".join(text for text in contents if text is not None)
        answer = row.completion.get("content") if row.completion else None
        reference = row.reference.get("content") if row.reference else None
        first = row.prompt[0] if row.prompt else {}
        values = dict(leaves(row.meta))
        self._records.append(
            (
                self._rid,
                row.id,
                prompt,
                first.get("content") if first.get("role") == "system" else None,
                answer,
                reference,
                sum(len(text) for text in contents if text),
                None if answer is None else len(answer),
                row.completion is not None,
                row.reference is not None,
                row.completion is not None and row.reference is not None and answer != reference,
                row.tags,
                *(_as_text(values.get(path)) for path in self.paths),
            )
        )
        self._rid += 1
        self._bytes += len(prompt) + len(answer or "") + len(reference or "")
        if len(self._records) == GROUP or self._bytes > 64_000_000:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        import pyarrow as pa

        columns = list(zip(*self._records, strict=True)) if self._records else [()] * len(self._schema)
        arrays = [pa.array(c, type=f.type) for c, f in zip(columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._records.clear()
        self._bytes = 0


class _Counts:
    """Totals, labels and tags."""

    def __init__(self) -> None:
        self._totals = Counter[str]()
        self._labels = Counter[str]()
        self._tags = Counter[str]()
        self._answers: set[int] = set()

    def add(self, row: Row) -> None:
        """The next row."""
        self._tags.update(set(row.tags))
        self._totals["rows"] += 1
        self._totals["references"] += row.reference is not None
        if row.completion is None:
            return
        answer = row.completion.get("content")
        self._totals["completions"] += 1
        self._totals["differing"] += row.reference is not None and answer != row.reference.get("content")
        if answer is None:
            return
        self._answers.add(hash(answer))
        if len(answer) <= LABEL_CHARS and (answer in self._labels or len(self._labels) < MOST_LABELS):
            self._labels[answer] += 1

    def as_json(self) -> dict[str, Any]:
        """What ``about.json`` keeps of them."""
        totals = {name: self._totals[name] for name in ("rows", "completions", "references", "differing")}
        return {
            "totals": totals,
            "labels": _commonest(self._labels),
            "distinct": len(self._answers),
            "tags": _commonest(self._tags),
        }


def _commonest(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:SHOWN_COUNTS]


def _write_orders(out: Path, names: dict[str, tuple[str, bool]], *, beat: Callable[[], None]) -> dict[str, Any]:
    """Sort the positions by every field that a table can be sorted by; the number of rows with a value in each."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    orders: dict[str, Any] = {}
    for number, (name, (column, numbers)) in enumerate(list(names.items())[:MOST_ORDERS]):
        beat()
        values = pq.read_table(out / COLUMNS_FILE, columns=[column])[column]
        if numbers and values.type == pa.string():
            values = pc.cast(values, pa.float64())
        elif not numbers:
            values = _cut(values)
        order = pc.sort_indices(values, sort_keys=[("", "ascending")])
        np.save(out / f"order-{number}.npy", order.to_numpy(zero_copy_only=False).astype(np.int32))
        orders[name] = {"file": number, "values": len(values) - values.null_count}
    return orders


def _cut(values: Any) -> Any:
    """Texts to be sorted: their first 200 characters are enough, and keep the memory small."""
    import pyarrow.compute as pc

    return pc.utf8_slice_codeunits(values, 0, LABEL_CHARS)
