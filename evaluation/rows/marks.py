"""What pages ask of all rows of a report at once, small enough to be held in memory: ``marks.parquet`` beside ``items.parquet``.

Every filter and every comparison of two reports is arithmetic on these arrays; the texts are read only for the rows that are
shown. A report written before there were marks is read the slow way, from its items, once a process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.rows.columns import ITEMS_FILE, column

MARKS_FILE = "marks.parquet"
ASKED, FAILED, AGREES_KNOWN, AGREES, CORRECT_KNOWN, CORRECT = (1 << n for n in range(6))
"""Bits of a candidate's flags."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class CandidateMarks:
    """One candidate over all rows. ``key``: a number that is equal for equal answers, 0 for none, the same in every report.
    ``confidence`` and ``judge`` are 0..1, NaN where unknown, and None when no row has one. ``measure``: what the verdict's
    measure gives the answers that a judge graded, likewise."""

    flags: npt.NDArray[np.uint8]
    key: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float32] | None = None
    judge: npt.NDArray[np.float32] | None = None
    measure: npt.NDArray[np.float32] | None = None

    def has(self, bit: int) -> Mask:
        """Where a bit of the flags is set."""
        return np.asarray((self.flags & bit) != 0)

    @property
    def asked(self) -> Mask:
        """Rows that were put to it."""
        return self.has(ASKED)

    @property
    def failed(self) -> Mask:
        """Rows that it was asked and did not answer."""
        return self.has(FAILED)

    @property
    def judged(self) -> Mask:
        """Rows it was asked that have a reference or a teacher's answer."""
        return self.asked & self.has(AGREES_KNOWN | CORRECT_KNOWN)

    @property
    def right(self) -> Mask:
        """Right by the reference, or by the teacher where there is none."""
        return np.where(self.has(CORRECT_KNOWN), self.has(CORRECT), self.has(AGREES))

    @property
    def wrong(self) -> Mask:
        """Judged and not right; failures too."""
        return self.judged & ~self.right


@dataclass(frozen=True)
class Marks:
    """All rows of a report. ``identity``: equal in two reports for the same row with the same right answer, and only then.
    ``target``: positions in ``targets`` (right answers, normalised), -1 where unknown. ``length``: characters of the question."""

    identity: npt.NDArray[np.int64]
    target: npt.NDArray[np.int32]
    targets: Sequence[str]
    length: npt.NDArray[np.int32]
    candidates: Mapping[str, CandidateMarks]

    @property
    def rows(self) -> int:
        """How many rows the report has."""
        return len(self.identity)


def number_of(text: str | None) -> int:
    """A number that stands for a text in every report (64 bits of BLAKE2b, never 0), or 0 for None."""
    if text is None:
        return 0
    found = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)
    return found or 1


def write_marks(folder: Path, names: Sequence[str]) -> None:
    """Write ``marks.parquet`` from the ``items.parquet`` in ``folder``."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    marks = _from_items(folder, names)
    columns: dict[str, Any] = {
        "identity": marks.identity,
        "target": pa.DictionaryArray.from_arrays(
            pa.array(marks.target, mask=marks.target < 0), pa.array(list(marks.targets), pa.string())
        ),
        "length": marks.length,
    }
    for name, mine in marks.candidates.items():
        columns[column(name, "flags")] = mine.flags
        columns[column(name, "key")] = mine.key
        for field, values in (("confidence", mine.confidence), ("judge", mine.judge), ("measure", mine.measure)):
            if values is not None:
                columns[column(name, field)] = values
    pq.write_table(pa.table(columns), folder / MARKS_FILE, compression="zstd")


@lru_cache(maxsize=8)
def read_marks(folder: Path, names: tuple[str, ...]) -> Marks:
    """The marks of a report folder, remembered: a report never changes. Nobody may change the arrays."""
    if not (folder / MARKS_FILE).exists():
        return _from_items(folder, names)
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / MARKS_FILE) as source:
        table = source.read()
    target, targets = _codes(table.column("target"))
    has = set(table.column_names)

    def numbers(name: str) -> Any:
        return table.column(name).to_numpy() if name in has else None

    candidates = {
        name: CandidateMarks(
            *(numbers(column(name, field)) for field in ("flags", "key", "confidence", "judge", "measure"))
        )
        for name in names
        if column(name, "flags") in has
    }
    return Marks(numbers("identity"), target, targets, numbers("length"), candidates)


def _codes(values: Any) -> tuple[npt.NDArray[np.int32], list[str]]:
    """A column of texts as positions in the list of the different ones; -1 for null."""
    import pyarrow as pa

    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = values.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], values.type)
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, whole.dictionary.to_pylist()


def _from_items(folder: Path, names: Sequence[str]) -> Marks:
    import pyarrow.parquet as pq

    wanted = ("asked", "error", "agrees", "correct", "key", "confidence", "judge", "measure")
    with pq.ParquetFile(folder / ITEMS_FILE) as source:
        there = set(source.schema_arrow.names)
        own = [column(name, field) for name in names for field in wanted]
        table = source.read(columns=["id", "question", "target", *(c for c in own if c in there)])
    ids, targets = table.column("id").to_pylist(), table.column("target").to_pylist()
    identity = [number_of(f"{a}\0{b if b is not None else ''}") for a, b in zip(ids, targets, strict=True)]
    codes, spelled = _codes(table.column("target"))
    lengths = [len(text or "") for text in table.column("question").to_pylist()]
    return Marks(
        np.array(identity, dtype=np.int64),
        codes,
        spelled,
        np.array(lengths, dtype=np.int32),
        {name: _candidate(table, name) for name in names if column(name, "asked") in there},
    )


def _candidate(table: Any, name: str) -> CandidateMarks:
    import pyarrow as pa

    def truth(field: str) -> Mask:
        return np.asarray(table.column(column(name, field)).fill_null(False))

    def known(field: str) -> Mask:
        return np.asarray(table.column(column(name, field)).is_valid())

    def numbers(field: str) -> npt.NDArray[np.float32] | None:
        if column(name, field) not in table.column_names:
            return None
        values = table.column(column(name, field))
        if values.null_count == len(values):
            return None
        return np.asarray(values.cast(pa.float64()).fill_null(float("nan")), dtype=np.float32)

    flags = np.zeros(len(table), dtype=np.uint8)
    for bit, mask in (
        (ASKED, truth("asked")),
        (FAILED, known("error")),
        (AGREES_KNOWN, known("agrees")),
        (AGREES, truth("agrees")),
        (CORRECT_KNOWN, known("correct")),
        (CORRECT, truth("correct")),
    ):
        flags[mask] |= bit
    codes, texts = _codes(table.column(column(name, "key")))
    key = np.array([*(number_of(text) for text in texts), 0], dtype=np.int64)[codes]
    return CandidateMarks(flags, key, numbers("confidence"), numbers("judge"), numbers("measure"))


def places_in(marks: Marks, other: Marks) -> npt.NDArray[np.int32]:
    """For each row its position in ``other``, or -1 where the other report has no such row."""
    if not other.rows:
        return np.full(marks.rows, -1, dtype=np.int32)
    order = np.argsort(other.identity, kind="stable")
    sorted_ = other.identity[order]
    at = np.minimum(np.searchsorted(sorted_, marks.identity), other.rows - 1)
    return np.where(sorted_[at] == marks.identity, order[at], -1).astype(np.int32)


def fingerprint_of(marks: Marks) -> str:
    """Sixteen hex digits that are equal for the same rows with the same right answers, in any order."""
    return blake2b(np.sort(marks.identity).astype(">i8").tobytes(), digest_size=8).hexdigest()
