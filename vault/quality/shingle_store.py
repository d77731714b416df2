"""The shingle sets of many texts in a temporary file: four bytes a shingle on disk, sixteen bytes a text in memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from vault.quality.shingles import I64, U32, U64, WORD

PAIR_ELEMENTS = 2_000_000
"""Shingles looked at at once when pairs are compared: bounds the memory, about 40 bytes each."""
BATCH_ELEMENTS = 1_000_000
"""Shingles read at once in a pass over all sets."""
REMAP_ELEMENTS = 32_000_000
"""Shingles looked up before the file is mapped anew, so that its pages do not pile up in this process."""
SAMPLE_TEXTS = 20_000
SAMPLE_ELEMENTS = 4_000_000


class ShingleStore:
    """Written once (:meth:`append`, then :meth:`seal`), then read. The file vanishes with this object."""

    def __init__(self, *, scratch: Path | None = None) -> None:
        self._file: IO[Any] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (lives as long as this object)
        weakref.finalize(self, self._file.close)
        self._written: list[I64] = []
        self.counts: I64 = np.empty(0, dtype=np.int64)
        self._starts: I64 = self.counts
        self._hashes: U32 = np.empty(0, dtype=np.uint32)
        self._looked_up = 0

    def append(self, hashes: U32, counts: I64) -> None:
        """Add the sets of the next texts, as ``shingles.shingle`` gives them."""
        self._file.write(hashes.data)
        self._written.append(counts)

    def seal(self) -> None:
        """Make the sets readable; nothing can be added any more."""
        self.counts = np.concatenate([self.counts, *self._written])
        self._written = []
        self._starts = np.cumsum(self.counts) - self.counts
        self._file.flush()
        self._map()

    def _map(self) -> None:
        self._looked_up = 0
        if len(self.counts):
            self._hashes = np.memmap(self._file, dtype=np.uint32, mode="r")

    def batches(self) -> Iterator[tuple[U32, I64]]:
        """All sets in order, about ``BATCH_ELEMENTS`` shingles at once (more when a single text has more)."""
        self._file.seek(0)
        ends = np.cumsum(self.counts)
        begin = 0
        while begin < len(ends):
            before = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + BATCH_ELEMENTS, side="right")))
            yield np.fromfile(self._file, dtype=np.uint32, count=int(ends[end - 1] - before)), self.counts[begin:end]
            begin = end

    def common(self, share: float) -> U32:
        """The shingles that at least this share of the texts have, ascending, counted on evenly spaced texts."""
        chosen = np.unique(np.linspace(0, len(self.counts) - 1, SAMPLE_TEXTS).astype(np.int64))
        fitting = np.cumsum(self.counts[chosen])
        step = max(1, -(-int(fitting[-1]) // SAMPLE_ELEMENTS))
        chosen = chosen[::step]
        hashes = self._gather(chosen).astype(np.uint32)
        values, times = np.unique(hashes, return_counts=True)
        return values[times >= share * len(chosen)]

    def similarities(self, left: I64, right: I64) -> npt.NDArray[np.float64]:
        """The exact Jaccard similarity of pairs of texts, given by their positions."""
        result = np.zeros(len(left), dtype=np.float64)
        ends = np.cumsum(self.counts[left] + self.counts[right])
        begin = 0
        while begin < len(left):
            before = ends[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + PAIR_ELEMENTS, side="right")))
            result[begin:end] = self._similarities(left[begin:end], right[begin:end])
            begin = end
        return result

    def _similarities(self, left: I64, right: I64) -> npt.NDArray[np.float64]:
        keyed = np.concatenate([self._gather(left), self._gather(right)])
        keyed.sort()
        shared = keyed[1:][keyed[1:] == keyed[:-1]] >> WORD
        both = np.bincount(shared.astype(np.int64), minlength=len(left))
        similarities: npt.NDArray[np.float64] = both / (self.counts[left] + self.counts[right] - both)
        return similarities

    def _gather(self, texts: I64) -> U64:
        """The sets of these texts, each hash with the place of its text in the high word."""
        counts = self.counts[texts]
        ends = np.cumsum(counts)
        positions = np.arange(ends[-1]) + np.repeat(self._starts[texts] - (ends - counts), counts)
        place = np.repeat(np.arange(len(texts), dtype=np.uint64), counts)
        keyed: U64 = (place << WORD) | self._hashes[positions]
        self._looked_up += len(positions)
        if self._looked_up > REMAP_ELEMENTS:
            self._map()
        return keyed


def without(hashes: U32, counts: I64, common: U32) -> tuple[U32, I64]:
    """The sets less the ``common`` shingles (ascending). A set that consists of nothing else stays as it is."""
    if not len(common):
        return hashes, counts
    place = np.minimum(np.searchsorted(common, hashes), len(common) - 1)
    kept = common[place] != hashes
    row = np.repeat(np.arange(len(counts)), counts)
    left = np.bincount(row[kept], minlength=len(counts))
    kept |= (left == 0)[row]
    return hashes[kept], np.where(left == 0, counts, left)
