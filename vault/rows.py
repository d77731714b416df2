"""THE row: one prompt, what the teacher answered, what a person says is right; and its one form on disk.

A dataset is a folder holding ``rows.parquet`` (zstd, the search text Snappy; 20,000-row groups). Columns: ``_rid`` (dense int64, the row's
position), ``id``, ``prompt``, ``completion``, ``reference``, ``soft``, ``tags``, ``meta`` (the last six as JSON text, null
where absent) and ``_search`` (lower-cased text of prompt, completion and reference).

The field names are those of the conversational prompt-completion format used by Transformers and TRL.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypedDict

from studio.lib.canonical import fingerprint

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_FILE = "rows.parquet"
ROW_GROUP = 20_000
COLUMNS = ("_rid", "id", "prompt", "completion", "reference", "soft", "tags", "meta", "_search")
DICTIONARIES = ["completion", "reference", "soft", "tags"]
"""Columns that often repeat a value; a dictionary of the others would be thrown away after it was made."""
SORTED = ["_rid", "id"]
"""Columns whose smallest and largest value a reader can use to skip row groups."""
COMPRESSION = {name: "snappy" if name == "_search" else "zstd" for name in COLUMNS}
"""The search text says again what other columns say: it is written and scanned fast rather than packed tight."""

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Made once: ``json.dumps`` makes one at every call."""


class Message(TypedDict, total=False):
    """One chat message. ``role`` is system, user, assistant or tool; ``tool_calls`` keeps the OpenAI shape."""

    role: str
    content: str | None
    name: str
    tool_calls: list[dict[str, Any]]
    tool_call_id: str


class SoftAnswer(TypedDict):
    """One alternative answer and its probability (0..1)."""

    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Row:
    """``prompt``: chat messages up to the answer. ``completion``: the assistant message to learn. ``reference``: the gold
    assistant message. ``soft``: alternatives with probabilities. ``meta``: teacher, model, usage, cost, source, reject…"""

    id: str
    prompt: list[Message]
    completion: Message | None = None
    reference: Message | None = None
    soft: list[SoftAnswer] | None = None
    tags: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def completion_text(self) -> str | None:
        """The teacher's answer as text, or None when there is none."""
        return text_of(self.completion)

    @property
    def reference_text(self) -> str | None:
        """The gold answer as text, or None when there is none."""
        return text_of(self.reference)

    @property
    def user_text(self) -> str:
        """The last user message: what a person reads to know what was asked."""
        return next((m.get("content") or "" for m in reversed(self.prompt) if m.get("role") == "user"), "")

    def rejected(self, *, by: str, reason: str) -> Row:
        """This row with the step and the reason that dropped it kept in ``meta["reject"]``."""
        return replace(self, meta={**self.meta, "reject": {"by": by, "reason": reason}})


def text_of(message: Message | None) -> str | None:
    """A message's text; tool calls are shown as canonical JSON when there is no text."""
    if message is None:
        return None
    content = message.get("content")
    if not content and message.get("tool_calls"):
        return json.dumps(message["tool_calls"], ensure_ascii=False, sort_keys=True)
    return content or ""


def assistant(text: str) -> Message:
    """An assistant message with this text."""
    return {"role": "assistant", "content": text}


def prompt_id(prompt: list[Message]) -> str:
    """The id of a row that brings none: 16 hex digits of the hash of its prompt."""
    return fingerprint(prompt)[:16]


def normalise(text: str) -> str:
    """Text for comparing answers: NFKC, case-folded, punctuation and underscores as spaces, spaces collapsed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    spaced = "".join(" " if unicodedata.category(c)[0] in "PSZC" else c for c in folded)
    return " ".join(spaced.split())


def to_json(row: Row) -> dict[str, Any]:
    """The row as plain JSON values (what goes to JSONL and to child processes)."""
    return {
        "id": row.id,
        "prompt": row.prompt,
        "completion": row.completion,
        "reference": row.reference,
        "soft": row.soft,
        "tags": row.tags,
        "meta": row.meta,
    }


def from_json(value: dict[str, Any]) -> Row:
    """The inverse of :func:`to_json`."""
    return Row(
        id=value["id"],
        prompt=value["prompt"],
        completion=value.get("completion"),
        reference=value.get("reference"),
        soft=value.get("soft"),
        tags=value.get("tags") or [],
        meta=value.get("meta") or {},
    )


def search_text(row: Row) -> str:
    """Lower-cased text of everything a person would search for in a row."""
    parts = [m.get("content") or "" for m in row.prompt]
    parts += [row.completion_text or "", row.reference_text or ""]
    return "\n".join(p for p in parts if p).lower()


def _dump(value: Any) -> str | None:
    return None if value is None else _ENCODER.encode(value)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table of all columns but ``_rid``, JSON as text."""
    import pyarrow as pa

    records = [
        (
            row.id,
            *(_dump(v) for v in (row.prompt, row.completion, row.reference, row.soft, row.tags, row.meta)),
            search_text(row),
        )
        for row in rows
    ]
    columns = zip(*records, strict=True) if records else [()] * len(COLUMNS[1:])
    return pa.table([pa.array(column, pa.string()) for column in columns], names=COLUMNS[1:])


class RowWriter:
    """Writes tables of rows to ``folder/rows.parquet``, numbered from 0. The same rows give the same bytes, however they come
    in tables. The file is complete only after ``close``; a caller publishes it afterwards. Memory: one row group."""

    def __init__(self, folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        folder.mkdir(parents=True, exist_ok=True)
        self._schema = pa.schema([("_rid", pa.int64()), *((name, pa.string()) for name in COLUMNS[1:])])
        self._writer = pq.ParquetWriter(
            folder / ROWS_FILE,
            self._schema,
            compression=dict(COMPRESSION),
            use_dictionary=DICTIONARIES,
            write_statistics=SORTED,
        )
        self._pending: list[pa.Table] = []
        self._waiting = 0
        self.count = 0

    def add(self, table: pa.Table) -> None:
        """Take rows: a table of all columns but ``_rid``."""
        if not table.num_rows:
            return
        self._pending.append(table)
        self._waiting += table.num_rows
        while self._waiting >= ROW_GROUP:
            self._flush(ROW_GROUP)

    def _flush(self, size: int) -> None:
        import numpy as np
        import pyarrow as pa

        whole = pa.concat_tables(self._pending) if self._pending else self._schema.remove(0).empty_table()
        group = whole.slice(0, size).combine_chunks()
        rids = pa.array(np.arange(self.count, self.count + size, dtype=np.int64))
        self._writer.write_table(
            pa.Table.from_arrays([rids, *group.columns], schema=self._schema), row_group_size=ROW_GROUP
        )
        self.count += size
        self._waiting -= size
        self._pending = [whole.slice(size)] if self._waiting else []

    def close(self) -> None:
        """Write what is left and the footer."""
        try:
            if self._waiting or not self.count:
                self._flush(self._waiting)
        finally:
            self._writer.close()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        # The half-written file is thrown away by the caller; closing it would only flush more onto a disk that may be full.
        with suppress(Exception):
            self._writer.close()


def write_rows(folder: Path, rows: Iterable[Row]) -> int:
    """Write ``rows`` to ``folder/rows.parquet`` and return how many there were. Memory: one row group.

    The folder is made when missing. The file is complete only when this returns; a caller publishes it afterwards.
    """
    source = iter(rows)
    with RowWriter(folder) as writer:
        while batch := list(islice(source, ROW_GROUP)):
            writer.add(table_of(batch))
    return writer.count


def decode(record: dict[str, Any]) -> Row:
    """A row from one Parquet record (JSON text columns)."""

    def load(name: str) -> Any:
        return None if record[name] is None else json.loads(record[name])

    return Row(
        id=record["id"],
        prompt=load("prompt"),
        completion=load("completion"),
        reference=load("reference"),
        soft=load("soft"),
        tags=load("tags") or [],
        meta=load("meta") or {},
    )


def read_rows(folder: Path) -> Iterator[Row]:
    """Every row of a dataset folder in order. Memory: one row group."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / ROWS_FILE) as source:
        for batch in source.iter_batches(batch_size=2_000, columns=list(COLUMNS[1:-1])):
            for record in batch.to_pylist():
                yield decode(record)


def count_rows(folder: Path) -> int:
    """How many rows a dataset folder holds, from the file's footer."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / ROWS_FILE) as source:
        return int(source.metadata.num_rows)


def write_jsonl(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON lines (the form child processes read) and return how many there were."""
    count = 0
    with path.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(to_json(row), ensure_ascii=False) + "\n")
            count += 1
    return count
