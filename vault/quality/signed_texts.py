"""Many texts with their MinHash signatures, ready to be compared: which of given pairs are alike, decided exactly."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vault.quality.minhash import Signer, bands_for
from vault.quality.shingle_store import ShingleStore, without
from vault.quality.shingles import I64, U32, Mask, fold, shingle

Beat = Callable[[int, int, str], None]
"""``beat(done, total, note)``: progress in texts; called often, may raise to stop the work."""

COMMON = 0.2
"""Shingles that at least this share of the texts have are not compared."""
FEW = 200
"""Among fewer texts than this everything is compared."""
BATCH = 2_000
BATCH_CHARS = 1_000_000
PAIRS = 65_536
"""Pairs compared at once."""

F64 = npt.NDArray[np.float64]
T = TypeVar("T")
R = TypeVar("R")


class SignedTexts:
    """Reads and signs ``texts`` (once, in order) when it is made; see :func:`vault.quality.near_duplicates.find_groups`.

    ``keys``: texts × bands; texts that may be alike share one. ``ignored``: share of the shingles that are not compared
    because many texts have them.
    """

    def __init__(
        self,
        texts: Iterable[str],
        *,
        threshold: float,
        beat: Beat | None = None,
        seed: int = 0,
        common: float | None = COMMON,
        scratch: Path | None = None,
    ) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"A similarity threshold is above 0 and at most 1, not {threshold}.")
        self.threshold = threshold
        self.beat: Beat = beat or (lambda done, total, note: None)
        total = len(texts) if isinstance(texts, Sequence) else 0
        raw = ShingleStore(scratch=scratch)
        done = 0
        for hashes, counts in in_parallel(shingle, batches(texts)):
            raw.append(hashes, counts)
            done += len(counts)
            self.beat(done, max(done, total), "reading")
        raw.seal()
        drop = raw.common(common) if common is not None and done >= FEW else np.empty(0, dtype=np.uint32)
        self._store = ShingleStore(scratch=scratch) if len(drop) else raw
        signer = Signer(bands_for(threshold), seed=seed)
        self._least = signer.least_shared(threshold)
        self.keys = np.empty((done, signer.bands.bands), dtype=np.uint32)
        self._marks = np.empty((done, signer.bands.hashes), dtype=np.uint8)
        self._sign(raw, signer=signer, drop=drop)
        whole = int(raw.counts.sum())
        self.ignored = 1 - int(self._store.counts.sum()) / whole if whole else 0.0

    def __len__(self) -> int:
        return len(self.keys)

    def _sign(self, raw: ShingleStore, *, signer: Signer, drop: U32) -> None:
        """Fill ``keys`` and marks from the raw sets; what is left of the sets goes to the store that is compared from."""

        def sign(batch: tuple[U32, I64]) -> tuple[U32, I64, U32, npt.NDArray[np.uint8]]:
            hashes, counts = without(*batch, drop)
            return hashes, counts, *signer.sign(hashes, counts)

        done = 0
        for hashes, counts, keys, marks in in_parallel(sign, raw.batches()):
            self.keys[done : done + len(counts)], self._marks[done : done + len(counts)] = keys, marks
            if self._store is not raw:
                self._store.append(hashes, counts)
            done += len(counts)
            self.beat(done, len(self), "signing")
        if self._store is not raw:
            self._store.seal()

    def alike(self, left: I64, right: I64) -> Mask:
        """Which pairs of texts are at least ``threshold`` alike.

        Sizes and signatures sort out what is far from it first; they would be wrong about one pair at the threshold in 300,000.
        """
        result = np.zeros(len(left), dtype=np.bool_)
        for begin in range(0, len(left), PAIRS):
            a, b = left[begin : begin + PAIRS], right[begin : begin + PAIRS]
            sizes = self._store.counts[a], self._store.counts[b]
            likely = np.flatnonzero(np.minimum(*sizes) >= self.threshold * np.maximum(*sizes) - 1e-9)
            shared = (self._marks[a[likely]] == self._marks[b[likely]]).sum(axis=1)
            likely = likely[shared >= self._least]
            result[begin + likely] = self.similarity(a[likely], b[likely]) >= self.threshold - 1e-12
        return result

    def similarity(self, left: I64, right: I64) -> F64:
        """The exact Jaccard similarity of pairs of texts, given by their positions."""
        return self._store.similarities(left, right)

    def fingerprints(self) -> npt.NDArray[np.uint64]:
        """One number a text, made of its whole signature: equal sets have equal ones."""
        mixed = np.zeros(len(self), dtype=np.uint64)
        for keys in self.keys.T:
            mixed = (mixed ^ keys) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(31)
        return mixed


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


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``map`` on as many threads as there are cores (at most four): NumPy works without the interpreter's lock.

    Results come in order; only a few items wait at a time.
    """
    threads = min(4, os.cpu_count() or 1)
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
