"""Texts that are nearly the same, among a million in minutes: MinHash proposes pairs, exact Jaccard similarity decides.

Every pair that is reported was compared exactly, so there are no false ones; of the pairs at the threshold at most 0.2 %
are missed by the bands (``minhash.RECALL``), and fewer above it. The same texts in the same order give the same answer.

Memory for a million texts: about 350 MB (keys and marks of the signatures); shingles wait in a temporary file.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.quality.minhash import Signer, bands_for
from vault.quality.shingles import I64, U32, Mask, ShingleStore, fold, shingle

Beat = Callable[[int, int, str], None]
"""``beat(done, total, note)``: progress in texts; called often, may raise to stop the work."""

BATCH = 2_000
BATCH_CHARS = 1_000_000
SMALL = 32
"""In a band's bucket of at most so many texts each is compared with each."""
ROUNDS = 64
"""In a larger bucket, texts are compared with the leaders of at most so many groups."""
BUDGET = 20_000_000
"""Most comparisons by signature in one band."""
_COMPARED = 65_536


@dataclass(frozen=True)
class Groups:
    """``group``: for each text the smallest position in its group, or -1 when it is alone. Groups are the connected parts of
    the graph whose edges are pairs at or above the threshold: within a group, two texts may be less alike than that."""

    group: I64

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.group[self.group >= 0]))

    def members(self) -> Iterator[I64]:
        """The positions in each group, groups in the order of their first text."""
        inside = np.flatnonzero(self.group >= 0)
        ordered = inside[np.argsort(self.group[inside], kind="stable")]
        if len(ordered):
            yield from np.split(ordered, np.flatnonzero(np.diff(self.group[ordered])) + 1)


def find_groups(
    texts: Iterable[str],
    *,
    threshold: float = 0.8,
    beat: Beat | None = None,
    seed: int = 0,
    scratch: Path | None = None,
) -> Groups:
    """Group the texts whose Jaccard similarity is at least ``threshold`` (above 0, at most 1), directly or through others.

    ``texts`` is read once. ``scratch`` is where the temporary file goes (default: the system's place for those).
    """
    return NearDuplicates(texts, threshold=threshold, beat=beat, seed=seed, scratch=scratch).groups()


class NearDuplicates:
    """Texts, ready to be grouped or matched. Reading and signing happens when it is made."""

    def __init__(
        self,
        texts: Iterable[str],
        *,
        threshold: float = 0.8,
        beat: Beat | None = None,
        seed: int = 0,
        scratch: Path | None = None,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"A similarity threshold is above 0 and at most 1, not {threshold}.")
        self.threshold = threshold
        self._beat = beat or (lambda done, total, note: None)
        self._store = ShingleStore(scratch=scratch)
        self._signer = Signer(bands_for(threshold), seed=seed)
        self._keys, self._marks = self._read(texts)
        hashes = self._signer.bands.hashes
        self._least_marks = (threshold - 4.5 * (threshold * (1 - threshold) / hashes) ** 0.5) * hashes

    def __len__(self) -> int:
        return len(self._keys)

    def _read(self, texts: Iterable[str]) -> tuple[U32, npt.NDArray[np.uint8]]:
        """Sign all texts, on as many threads as there are cores (at most four): the work is NumPy's and needs no lock."""
        total = len(texts) if isinstance(texts, Sequence) else 0
        keys: list[U32] = []
        marks: list[npt.NDArray[np.uint8]] = []
        done = 0

        def collect(future: Future[Any]) -> None:
            nonlocal done
            hashes, counts, batch_keys, batch_marks = future.result()
            self._store.append(hashes, counts)
            keys.append(batch_keys)
            marks.append(batch_marks)
            done += len(counts)
            self._beat(done, max(done, total), "reading")

        threads = min(4, os.cpu_count() or 1)
        waiting: deque[Future[Any]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            try:
                for batch in batches(texts):
                    waiting.append(pool.submit(self._sign, batch))
                    if len(waiting) > threads:
                        collect(waiting.popleft())
                while waiting:
                    collect(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()
        self._store.close_writing()
        bands = self._signer.bands
        return (
            np.concatenate([np.empty((0, bands.bands), dtype=np.uint32), *keys]),
            np.concatenate([np.empty((0, bands.hashes), dtype=np.uint8), *marks]),
        )

    def _sign(self, batch: list[str]) -> tuple[U32, I64, U32, npt.NDArray[np.uint8]]:
        hashes, counts = shingle(batch)
        return hashes, counts, *self._signer.sign(hashes, counts)

    def groups(self) -> Groups:
        """All groups of near-duplicates."""
        parent = np.arange(len(self), dtype=np.int64)
        alive = self._join_copies(parent)
        bands = self._signer.bands.bands
        for band in range(bands):
            members = alive[np.argsort(self._keys[alive, band], kind="stable")]
            self._join_band(members, self._keys[members, band], parent=parent, note=f"comparing {band + 1} of {bands}")
        everyone = roots(parent, np.arange(len(self), dtype=np.int64))
        sizes = np.bincount(everyone, minlength=len(self))
        return Groups(np.where(sizes[everyone] > 1, everyone, -1))

    def _join_copies(self, parent: I64) -> I64:
        """Join texts with equal shingles, and return the first of each: the others need no further look."""
        key = np.zeros(len(self), dtype=np.uint64)
        for band in range(self._keys.shape[1]):
            key = (key ^ self._keys[:, band]) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(31)
        members = np.argsort(key, kind="stable")
        bounds = (
            np.flatnonzero(np.concatenate([[True], key[members][1:] != key[members][:-1]])) if len(self) else members
        )
        leader = np.repeat(members[bounds], np.diff(np.append(bounds, len(self))))
        pairs = np.flatnonzero(leader != members)
        same = np.zeros(len(self), dtype=np.bool_)
        for begin in range(0, len(pairs), _COMPARED):
            self._beat(begin, len(pairs), "comparing copies")
            at = pairs[begin : begin + _COMPARED]
            same[at] = self._store.similarities(leader[at], members[at]) == 1.0
        parent[members[same]] = leader[same]
        return np.sort(members[~same])

    def _join_band(self, members: I64, keys: U32, *, parent: I64, note: str) -> None:
        """Join what is alike among texts that share a key; ``members`` are sorted by key."""
        bucket = np.concatenate([[0], np.cumsum(keys[1:] != keys[:-1])]) if len(keys) else np.empty(0, dtype=np.int64)
        sizes = np.bincount(bucket)
        spent = 0
        for small in (True, False):
            chosen = (sizes > 1) & ((sizes <= SMALL) == small)
            inside = chosen[bucket] if len(bucket) else np.empty(0, dtype=np.bool_)
            texts, where = members[inside], bucket[inside]
            for _ in range(SMALL if small else ROUNDS):
                if not len(texts) or spent > BUDGET:
                    break
                self._beat(len(self), len(self), note)
                spent += len(texts)
                texts, where = self._lead(texts, where, parent=parent, exhaustive=small)

    def _lead(self, texts: I64, bucket: I64, *, parent: I64, exhaustive: bool) -> tuple[I64, I64]:
        """Compare the first text of each bucket with the others, join, and return the texts still to be compared."""
        begins = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
        sizes = np.diff(np.append(begins, len(texts)))
        leader = np.repeat(texts[begins], sizes)
        apart = roots(parent, leader) != roots(parent, texts)
        left, right = leader[apart], texts[apart]
        alike = self.alike(left, right)
        join(parent, left[alike], right[alike])
        root = roots(parent, texts)
        done = leader == texts if exhaustive else roots(parent, leader) == root
        texts, bucket, root = texts[~done], bucket[~done], root[~done]
        if not len(texts):
            return texts, bucket
        begins = np.flatnonzero(np.concatenate([[True], bucket[1:] != bucket[:-1]]))
        sizes = np.diff(np.append(begins, len(texts)))
        open_ = np.repeat(np.minimum.reduceat(root, begins) != np.maximum.reduceat(root, begins), sizes)
        return texts[open_], bucket[open_]

    def alike(self, left: I64, right: I64) -> Mask:
        """Which pairs of texts are at least ``threshold`` alike. The signatures sort out what is far from it first (they would
        be wrong about one pair at the threshold in 300,000)."""
        result = np.zeros(len(left), dtype=np.bool_)
        for begin in range(0, len(left), _COMPARED):
            a, b = left[begin : begin + _COMPARED], right[begin : begin + _COMPARED]
            few, many = (
                np.minimum(self._store.counts[a], self._store.counts[b]),
                np.maximum(self._store.counts[a], self._store.counts[b]),
            )
            likely = np.flatnonzero(few >= self.threshold * many - 1e-9)
            shared = (self._marks[a[likely]] == self._marks[b[likely]]).sum(axis=1)
            likely = likely[shared >= self._least_marks]
            result[begin + likely] = self._store.similarities(a[likely], b[likely]) >= self.threshold - 1e-12
        return result


def batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts, folded, in lists of at most ``BATCH`` texts and about ``BATCH_CHARS`` characters."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(fold(text))
        size += len(batch[-1])
        if len(batch) == BATCH or size > BATCH_CHARS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def roots(parent: I64, texts: I64) -> I64:
    """The root of each text in a forest in which a parent is never larger than its child; shortens the paths."""
    found = parent[texts]
    while True:
        further = parent[found]
        if np.array_equal(further, found):
            parent[texts] = found
            return found
        found = further


def join(parent: I64, left: I64, right: I64) -> None:
    """Join the trees of each pair; the smaller root stays."""
    while len(left):
        a, b = roots(parent, left), roots(parent, right)
        apart = a != b
        left, right, a, b = left[apart], right[apart], a[apart], b[apart]
        np.minimum.at(parent, np.maximum(a, b), np.minimum(a, b))
