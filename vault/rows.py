"""THE row: one prompt, what the teacher answered, what a person says is right; and its one form on disk.

A dataset is a folder holding ``rows.parquet`` (zstd, 20,000-row groups). Columns: ``_rid`` (dense int64, the row's
position), ``id``, ``prompt``, ``completion``, ``reference``, ``soft``, ``tags``, ``meta`` (the last six as JSON text, null
where absent) and ``_search`` (lower-cased text of prompt, completion and reference).

The field names are those of the conversational prompt-completion format used by Transformers and TRL.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

from studio.lib.canonical import fingerprint

ROWS_FILE = "rows.parquet"
ROW_GROUP = 20_000
COLUMNS = ("_rid", "id", "prompt", "completion", "reference", "soft", "tags", "meta", "_search")


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
    if content is None and message.get("tool_calls"):
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
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_rows(folder: Path, rows: Iterable[Row]) -> int:
    """Write ``rows`` to ``folder/rows.parquet`` and return how many there were. Memory: one row group.

    The folder is made when missing. The file is complete only when this returns; a caller publishes it afterwards.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    text = pa.string()
    schema = pa.schema([("_rid", pa.int64()), *((name, text) for name in COLUMNS[1:])])
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with pq.ParquetWriter(folder / ROWS_FILE, schema, compression="zstd") as writer:
        batch: list[tuple[Any, ...]] = []

        def flush() -> None:
            columns = list(zip(*batch, strict=True)) if batch else [()] * len(COLUMNS)
            arrays = [pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=ROW_GROUP)
            batch.clear()

        for row in rows:
            fields = (row.prompt, row.completion, row.reference, row.soft, row.tags, row.meta)
            batch.append((count, row.id, *(_dump(v) for v in fields), search_text(row)))
            count += 1
            if len(batch) == ROW_GROUP:
                flush()
        if batch or count == 0:
            flush()
    return count


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
