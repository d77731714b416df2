"""Rows as a table shows them, to be read fifty at a time from anywhere in a report: small compressed blocks.

Parquet is read in groups of rows, which is far too much for a page whose rows lie all over the report. Here a page of fifty costs at
most fifty blocks of 32 rows. Long texts are cut; a row that is opened is read whole from ``items.parquet``.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import numpy as np

DATA_FILE, PLACES_FILE = "previews.dat", "previews.npy"
BLOCK_ROWS = 32
CUT = 600
"""Characters of a text that a table shows at most."""


class PreviewWriter:
    """Writes both files into ``folder``: :meth:`add` every row in order, then :meth:`close` (or leave the ``with``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / DATA_FILE).open("wb")
        self._lines: list[str] = []
        self._blocks: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()

    def add(self, record: Mapping[str, Any]) -> None:
        """The next row."""
        short = {k: v[:CUT] if isinstance(v, str) else v for k, v in record.items() if v is not None}
        self._lines.append(json.dumps(short, ensure_ascii=False, separators=(",", ":")))
        if len(self._lines) == BLOCK_ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._lines:
            raw = "\n".join(self._lines).encode("utf-8", "surrogatepass")
            self._blocks.append((self._file.tell(), len(raw)))
            self._file.write(pa.compress(raw, codec="zstd", asbytes=True))
            self._lines.clear()

    def close(self) -> None:
        """Write what is left, and where every block begins."""
        self._flush()
        ends = [*self._blocks, (self._file.tell(), 0)]
        self._file.close()
        np.save(self._folder / PLACES_FILE, np.array(ends, dtype=np.int64))


class Previews:
    """Reads what :class:`PreviewWriter` wrote. Safe between threads."""

    def __init__(self, folder: Path) -> None:
        self._places = np.load(folder / PLACES_FILE)
        with (folder / DATA_FILE).open("rb") as source:
            self._data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if len(self._places) > 1 else b""

    def rows(self, rids: Sequence[int]) -> Iterator[dict[str, Any]]:
        """The rows at these positions, in this order; what a row has not is missing."""
        import pyarrow as pa

        held: dict[int, list[bytes]] = {}
        for rid in rids:
            block, line = divmod(rid, BLOCK_ROWS)
            if block not in held:
                start, raw = self._places[block].tolist()
                packed = self._data[start : int(self._places[block + 1][0])]
                held[block] = pa.decompress(packed, raw, codec="zstd", asbytes=True).split(b"\n")
            yield json.loads(held[block][line].decode("utf-8", "surrogatepass"))


@lru_cache(maxsize=16)
def open_previews(folder: Path) -> Previews | None:
    """The previews of a report folder, or None for a report that has none."""
    return Previews(folder) if (folder / PLACES_FILE).exists() else None
