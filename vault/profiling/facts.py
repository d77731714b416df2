"""Row facts: what one pass tells of each row, in memory as columns of numbers and on disk as ``facts.parquet``.

In memory a row takes about 70 bytes, so that ten million rows fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.quality import pii

Ints = npt.NDArray[np.signedinteger[Any]]
Mask = npt.NDArray[np.bool_]

SCHEMA = {
    "_rid": "int64",
    "prompt_chars": "int32",
    "completion_chars": "int32",
    "tokens": "int32",
    "language": "text",
    "flags": "list of text",
    "exact_group": "int64",
    "near_group": "int64",
}
"""Columns of ``facts.parquet``. Groups are the smallest ``_rid`` of the group, null for a row that is alone."""
FLAGS = (
    "empty_answer",
    "refusal",
    "truncated",
    "label_conflict",
    "exact_duplicate",
    "near_duplicate",
    "near_label_conflict",
    *(pii.flag(kind) for kind in pii.KINDS),
)
"""Everything a row can be flagged with; a row's flags are one bit each, in this order."""
BIT = {flag: 1 << place for place, flag in enumerate(FLAGS)}
NONE = -1
"""Stands for null in a column of numbers."""
CHUNK = 20_000


@dataclass
class Facts:
    """One array a column, one entry a row. ``languages`` are indexes into ``codes``."""

    prompt_chars: Ints
    answer_chars: Ints
    tokens: Ints
    languages: Ints
    flags: Ints
    row_key: Ints
    """Hash of the whole prompt and the answer: equal for exact copies."""
    body_key: Ints
    """Hash of what was asked, without the system prompt."""
    prompt_key: Ints
    """Hash of the same without differences of case, punctuation and spacing."""
    label_key: Ints
    """Hash of the answer without the same differences, 0 for none."""
    answer_key: Ints
    """Hash of the answer to the letter, 0 for none."""
    codes: list[str]
    exact_group: Ints
    near_group: Ints

    def __len__(self) -> int:
        return len(self.flags)

    def mark(self, flag: str, rows: Mask) -> None:
        """Flag these rows (a mask)."""
        self.flags[rows] |= BIT[flag]

    def flagged(self, flag: str) -> Mask:
        """A mask of the rows with this flag."""
        found: Mask = (self.flags & BIT[flag]) != 0
        return found

    def any_of(self, family: str) -> Mask:
        """A mask of the rows with any flag of ``pii`` or ``secret``."""
        bits = sum(bit for flag, bit in BIT.items() if flag.startswith(f"{family}:"))
        found: Mask = (self.flags & bits) != 0
        return found


class Growing:
    """Columns that grow by batches: a list of small arrays each, joined at the end."""

    def __init__(self) -> None:
        self._parts: dict[str, list[Ints]] = {}

    def add(self, batch: dict[str, Iterable[int]]) -> None:
        """Append one batch to every column named."""
        for name, values in batch.items():
            self._parts.setdefault(name, []).append(np.fromiter(values, dtype=_type_of(name)))

    def facts(self, codes: Sequence[str]) -> Facts:
        """All batches as one."""
        names = [f.name for f in fields(Facts) if f.name not in ("codes", "exact_group", "near_group")]
        columns = {name: self._joined(name) for name in names}
        alone = [np.full(len(columns["flags"]), NONE, dtype=np.int64) for _ in range(2)]
        return Facts(**columns, codes=list(codes), exact_group=alone[0], near_group=alone[1])

    def _joined(self, name: str) -> Ints:
        parts = self._parts.pop(name, [])
        return np.concatenate(parts) if parts else np.empty(0, dtype=_type_of(name))


def _type_of(name: str) -> Any:
    """Lengths fit into four bytes, as they do on disk."""
    if name == "languages":
        return np.int16
    return np.int32 if name in ("prompt_chars", "answer_chars", "tokens") else np.int64


def write(path: Path, facts: Facts, *, beat: Callable[[int], None] | None = None) -> None:
    """Write ``facts.parquet``. ``beat(done)`` is called after each chunk of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _arrow(pa, told)) for name, told in SCHEMA.items()])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for start in range(0, max(len(facts), 1), CHUNK):
            part = slice(start, start + CHUNK)
            columns = [
                np.arange(start, min(start + CHUNK, len(facts)), dtype=np.int64),
                facts.prompt_chars[part],
                _with_nulls(pa, facts.answer_chars[part]),
                _with_nulls(pa, facts.tokens[part]),
                [facts.codes[n] for n in facts.languages[part].tolist()],
                [names_of(bits) for bits in facts.flags[part].tolist()],
                _with_nulls(pa, facts.exact_group[part]),
                _with_nulls(pa, facts.near_group[part]),
            ]
            arrays = [
                c if isinstance(c, pa.Array) else pa.array(c, type=f.type) for c, f in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=CHUNK)
            if beat is not None:
                beat(min(start + CHUNK, len(facts)))


def _arrow(pa: Any, told: str) -> Any:
    return {"int64": pa.int64(), "int32": pa.int32(), "text": pa.string()}.get(told) or pa.list_(pa.string())


def _with_nulls(pa: Any, values: Ints) -> Any:
    return pa.array(values, mask=values == NONE)


@cache
def names_of(bits: int) -> tuple[str, ...]:
    """The flags that are set."""
    return tuple(flag for place, flag in enumerate(FLAGS) if bits >> place & 1)
