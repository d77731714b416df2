"""Rows that can be read one by one: small compressed blocks with a table of where each begins.

Parquet is read in groups of 20,000 rows, which is far too much for the fifty rows of a page that lie all over a version. Here
a page costs fifty blocks of at most 32 rows. A row of more than 64 KB lies in its block with its texts cut, which is what a table
of rows shows, and whole in a block of its own.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from vault.rows import Message, Row, assistant

BLOCK_ROWS = 32
BLOCK_BYTES = 32_768
LARGE = 65_536
"""Bytes of JSON from which on a row is large."""

CUT_CHARS = 2_000


class StoredLine(NamedTuple):
    """A row at a position; ``cut``: only the beginnings of its texts are here."""

    rid: int
    row: Row
    cut: bool


def cut_row(id: str, prompt: str | None, answer: str | None, reference: str | None, tags: str | None) -> Row:
    """A large row as a table shows it: the beginnings of its texts, its tags, and nothing else."""

    def short(text: str | None) -> Message | None:
        return None if text is None else assistant(text[:CUT_CHARS])

    asked: Message = {"role": "user", "content": (prompt or "")[:CUT_CHARS]}
    return Row(id, [asked], short(answer), short(reference), tags=json.loads(tags or "[]"))


class RowBlockWriter:
    """Writes ``rows.dat`` into ``folder``: :meth:`add` every row in order, then :meth:`close`.

    In a ``with`` statement no file stays open when something goes wrong in between.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / "rows.dat").open("wb")
        self._lines: list[str] = []
        self._bytes = 0
        self._rows = 0
        self._blocks: list[tuple[int, int, int, int]] = []
        self._large: list[tuple[int, int, int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, fields: Sequence[str | None], row: Row) -> None:
        """The next row: its id and its six JSON texts as they lie in Parquet, and what they mean."""
        line = self._join(fields)
        if len(line) > LARGE:
            self._large.append((self._rows, *self._pack(line.encode("utf-8", "surrogatepass"))))
            small = cut_row(row.id, row.user_text, row.completion_text, row.reference_text, fields[5])
            line = "!" + self._join(
                [small.id, *map(_dump, (small.prompt, small.completion, small.reference, None)), fields[5], "{}"]
            )
        self._lines.append(line)
        self._bytes += len(line)
        self._rows += 1
        if len(self._lines) >= BLOCK_ROWS or self._bytes >= BLOCK_BYTES:
            self._flush()

    @staticmethod
    def _join(fields: Sequence[str | None]) -> str:
        return f"[{json.dumps(fields[0], ensure_ascii=False)},{','.join(text or 'null' for text in fields[1:])}]"

    def _pack(self, raw: bytes) -> tuple[int, int, int]:
        import pyarrow as pa

        packed = pa.compress(raw, codec="zstd", asbytes=True)
        start = self._file.tell()
        self._file.write(packed)
        return start, len(packed), len(raw)

    def _flush(self) -> None:
        if not self._lines:
            return
        raw = "\n".join(self._lines).encode("utf-8", "surrogatepass")
        self._blocks.append((self._rows - len(self._lines), *self._pack(raw)))
        self._lines.clear()
        self._bytes = 0

    def close(self) -> None:
        """Write what is left, and where everything lies."""
        self._flush()
        self._file.close()
        np.save(self._folder / "rows.blocks.npy", np.array(self._blocks, dtype=np.int64).reshape(-1, 4))
        np.save(self._folder / "rows.large.npy", np.array(self._large, dtype=np.int64).reshape(-1, 4))


class RowBlocks:
    """Reads what :class:`RowBlockWriter` wrote. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        self._blocks = np.load(folder / "rows.blocks.npy")
        self._large = {
            int(rid): (start, size, raw) for rid, start, size, raw in np.load(folder / "rows.large.npy").tolist()
        }
        with (folder / "rows.dat").open("rb") as source:
            self._data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if len(self._blocks) else b""

    @property
    def large(self) -> int:
        """How many rows are large."""
        return len(self._large)

    def _unpack(self, start: int, size: int, raw: int) -> bytes:
        import pyarrow as pa

        return pa.decompress(self._data[start : start + size], raw, codec="zstd", asbytes=True)  # type: ignore[no-any-return]

    def lines(self, rids: Sequence[int]) -> Iterator[StoredLine]:
        """The rows at these positions, in this order; large ones cut."""
        held: dict[int, list[bytes]] = {}
        for rid in rids:
            number = int(np.searchsorted(self._blocks[:, 0], rid, side="right")) - 1
            first, start, size, raw = self._blocks[number].tolist()
            if number not in held:
                held[number] = self._unpack(start, size, raw).split(b"\n")
            line = held[number][rid - first]
            yield StoredLine(rid, _row(line.removeprefix(b"!")), line.startswith(b"!"))

    def row(self, rid: int) -> Row:
        """The whole row at a position."""
        if rid in self._large:
            return _row(self._unpack(*self._large[rid]))
        return next(self.lines([rid])).row


def _dump(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _row(line: bytes) -> Row:
    id, prompt, completion, reference, soft, tags, meta = json.loads(line.decode("utf-8", "surrogatepass"))
    return Row(id, prompt, completion, reference, soft, tags or [], meta or {})
