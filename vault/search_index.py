"""Which rows hold a text: an index of words that answers for any piece of text, exactly as a scan would.

Text is cut into tokens: runs of letters, digits and underscores; every letter of a script that sets no spaces (Chinese,
Japanese, Korean, Thai…) and every other non-ASCII sign (emoji) is a token of its own. A text that is searched for is cut the
same way. If it is one token, the rows that hold it are the rows of all tokens it is a piece of. If it is several, the first
must end a token, the last must begin one, those between must be whole; what is left is looked up in the text itself.
What holds no token (``?!``) is looked up in the text of all rows.

On disk, an index is a folder of segments, each for some hundred thousand consecutive rows, so that building one takes a
bounded memory: its tokens (one a line), for each token its rows (``int32``, ascending), and the lower-cased text in
compressed blocks.
"""

from __future__ import annotations

import json
import mmap
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
TOKEN = re.compile(rf"[^\W{SPACELESS}]+|[^\s\x00-\x7f]")
POSTINGS = 6_000_000
"""A segment is closed when this many (token, row) pairs are in memory: about 150 MB."""
TERMS = 600_000
BLOCK_ROWS = 128
BLOCK_BYTES = 65_536
MANY = 500
"""From this many matching tokens on, all pairs of a segment are looked at in one go instead of token by token."""


class _Block(NamedTuple):
    start: int
    size: int
    raw: int
    first: int
    rows: int


# --- building ----------------------------------------------------------------------------------------------------------


class IndexWriter:
    """Writes an index below ``folder``: :meth:`add` the lower-cased text of every row in order, then :meth:`close`.

    In a ``with`` statement no file stays open when something goes wrong in between.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rows = 0
        self._segments: list[dict[str, int]] = []
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._text_file.close()

    def _begin(self) -> None:
        self._terms: defaultdict[str, int] = defaultdict(count().__next__)
        self._ids: list[int] = []
        self._done: list[npt.NDArray[np.int32]] = []
        self._lengths: list[int] = []
        self._pairs = 0
        self._first = self._rows
        self._texts: list[bytes] = []
        self._bytes = 0
        self._blocks: list[_Block] = []
        self._text_file = (self._folder / f"{len(self._segments)}.text").open("wb")

    def add(self, text: str) -> None:
        """The text of the next row."""
        tokens = dict.fromkeys(TOKEN.findall(text))  # in their order: the same rows make the same files
        self._ids.extend(map(self._terms.__getitem__, tokens))
        self._lengths.append(len(tokens))
        self._pairs += len(tokens)
        raw = text.encode("utf-8", "surrogatepass")
        self._texts.append(raw)
        self._bytes += len(raw)
        self._rows += 1
        if len(self._texts) >= BLOCK_ROWS or self._bytes >= BLOCK_BYTES:
            self._write_block()
        if len(self._ids) >= 100_000:
            self._done.append(np.array(self._ids, dtype=np.int32))
            self._ids.clear()
        if self._pairs >= POSTINGS or len(self._terms) >= TERMS:
            self._end()
            self._begin()

    def _write_block(self) -> None:
        import pyarrow as pa

        if not self._texts:
            return
        # A null character ends each row, and stands for itself nowhere: a text that is searched for holds none.
        raw = b"\0".join(text.replace(b"\0", b" ") for text in self._texts) + b"\0"
        packed = pa.compress(raw, codec="lz4", asbytes=True)
        rows = len(self._texts)
        self._blocks.append(_Block(self._text_file.tell(), len(packed), len(raw), self._rows - rows, rows))
        self._text_file.write(packed)
        self._texts.clear()
        self._bytes = 0

    def _end(self) -> None:
        self._write_block()
        self._text_file.close()
        number, rows = len(self._segments), self._rows - self._first
        ids = np.concatenate([*self._done, np.array(self._ids, dtype=np.int32)])
        owners = np.repeat(np.arange(self._first, self._rows, dtype=np.int32), self._lengths)
        counts = np.bincount(ids, minlength=len(self._terms)).astype(np.int64)
        np.save(self._folder / f"{number}.rows.npy", owners[np.argsort(ids, kind="stable")])
        np.save(self._folder / f"{number}.ends.npy", np.cumsum(counts))
        terms = "\n" + "".join(f"{term}\n" for term in self._terms)
        (self._folder / f"{number}.terms").write_bytes(terms.encode("utf-8", "surrogatepass"))
        np.save(self._folder / f"{number}.blocks.npy", np.array(self._blocks, dtype=np.int64).reshape(-1, 5))
        self._segments.append({"first": self._first, "rows": rows})

    def close(self) -> None:
        """Write what is left, and the list of segments last."""
        self._end()
        (self._folder / "index.json").write_text(json.dumps({"rows": self._rows, "segments": self._segments}))


def write_index(folder: Path, texts: Iterable[str]) -> None:
    """The index of lower-cased ``texts``, in the order of the rows."""
    with IndexWriter(folder) as writer:
        for text in texts:
            writer.add(text)
        writer.close()


# --- asking ------------------------------------------------------------------------------------------------------------


class SearchIndex:
    """An index on disk. Files are mapped, not read: what is asked often stays in the system's cache."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / "index.json").read_text())
        self.rows: int = about["rows"]
        self._segments = [_Segment(folder, number) for number in range(len(about["segments"]))]

    def holding(self, text: str) -> Mask:
        """For every row whether its lower-cased text holds this piece of text (lower-cased here)."""
        wanted = text.lower()
        mask: Mask = np.zeros(self.rows, dtype=bool)
        for segment in self._segments:
            segment.mark(wanted, mask)
        return mask


class _Segment:
    def __init__(self, folder: Path, number: int) -> None:
        self._path = folder
        self._number = number

    def _load(self, name: str) -> Any:
        return np.load(self._path / f"{self._number}.{name}.npy", mmap_mode="r")

    @cached_property
    def _terms(self) -> bytes:
        return (self._path / f"{self._number}.terms").read_bytes()

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each token's line starts."""
        return np.flatnonzero(np.frombuffer(self._terms, dtype=np.uint8) == 10) + 1

    @cached_property
    def _postings(self) -> npt.NDArray[np.int32]:
        return self._load("rows")  # type: ignore[no-any-return]

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.asarray(self._load("ends"))

    @cached_property
    def _blocks(self) -> npt.NDArray[np.int64]:
        return np.asarray(self._load("blocks"))

    @cached_property
    def _text(self) -> mmap.mmap | bytes:
        with (self._path / f"{self._number}.text").open("rb") as source:
            return mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if len(self._blocks) else b""

    def mark(self, wanted: str, mask: Mask) -> None:
        """Set what ``mask`` says of this segment's rows."""
        if not len(self._blocks):
            return
        pieces = TOKEN.findall(wanted)
        if pieces == [wanted]:
            self._mark_terms(wanted.encode("utf-8", "surrogatepass"), mask)
            return
        candidates: Mask | None = None
        for position, piece in enumerate(pieces):
            whole_start = position > 0 or not wanted.startswith(piece)
            whole_end = position < len(pieces) - 1 or not wanted.endswith(piece)
            line = "\n" * whole_start + piece + "\n" * whole_end
            found: Mask = np.zeros(len(mask), dtype=bool)
            self._mark_terms(line.encode("utf-8", "surrogatepass"), found)
            candidates = found if candidates is None else candidates & found
        self._verify(wanted.encode("utf-8", "surrogatepass"), candidates, mask)

    def _mark_terms(self, line: bytes, mask: Mask) -> None:
        """Mark the rows of every token whose line holds ``line``."""
        places = [found.start() for found in re.finditer(re.escape(line), self._terms)]
        if not places:
            return
        # A match may begin with the newline before its token.
        at = np.array(places, dtype=np.int64) + line.startswith(b"\n")
        terms = np.unique(np.searchsorted(self._starts, at, side="right") - 1)
        if len(terms) < MANY:
            for term in terms.tolist():
                mask[self._postings[self._ends[term - 1] if term else 0 : self._ends[term]]] = True
            return
        chosen: Mask = np.zeros(len(self._ends), dtype=bool)
        chosen[terms] = True
        mask[self._postings[np.repeat(chosen, np.diff(self._ends, prepend=0))]] = True

    def _verify(self, wanted: bytes, candidates: Mask | None, mask: Mask) -> None:
        """Mark those candidates (None: all rows) whose text really holds ``wanted``."""
        for first, text in self._read_blocks(candidates):
            if wanted not in text:
                continue
            # Row by row, since a row that holds it ten times is one row.
            holding = [wanted in row for row in text.split(b"\0")[:-1]]
            mask[first : first + len(holding)] |= holding

    def _read_blocks(self, candidates: Mask | None) -> Iterator[tuple[int, bytes]]:
        import pyarrow as pa

        blocks = self._blocks
        if candidates is not None:
            chosen = np.flatnonzero(candidates)
            blocks = blocks[np.unique(np.searchsorted(blocks[:, 3], chosen, side="right") - 1)]
        for start, size, raw, first, _ in blocks.tolist():
            yield first, pa.decompress(self._text[start : start + size], raw, codec="lz4", asbytes=True)
