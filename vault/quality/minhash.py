"""MinHash signatures and their bands: which texts are worth comparing, without comparing each with each.

The smallest of a set's hashes under a random order is the same for two sets with a probability equal to their Jaccard
similarity (Broder 1997). ``rows`` such minima make a band; sets of similarity s share at least one of ``bands`` bands with
probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", ch. 3). A random order is
h → a·h mod 2³² with an odd a drawn by seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vault.quality.shingles import I64, U32

HASHES = 192
"""Most minima a signature has."""
RECALL = 0.998
"""Least probability with which a pair exactly at the threshold shares a band."""
CHUNK = 65_536
"""Hashes worked on at once: they stay in a core's cache."""
SEED = 20_260

_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Bands:
    """How a signature is cut: ``bands`` bands of ``rows`` minima."""

    bands: int
    rows: int

    @property
    def hashes(self) -> int:
        """Minima a signature has."""
        return self.bands * self.rows

    def probability(self, similarity: float) -> float:
        """That two texts of this similarity share a band."""
        return float(1 - (1 - similarity**self.rows) ** self.bands)


def bands_for(threshold: float) -> Bands:
    """The longest bands, so the fewest pairs to look at, that still find ``RECALL`` of the pairs at the threshold."""
    choices = [Bands(HASHES // rows, rows) for rows in range(1, HASHES // 4)]
    good = [choice for choice in choices if choice.probability(threshold) >= RECALL]
    return good[-1] if good else choices[0]


class Signer:
    """Makes signatures of shingle sets. The same seed gives the same signatures on every machine."""

    def __init__(self, bands: Bands, *, seed: int = 0) -> None:
        self.bands = bands
        draw = np.random.default_rng([SEED, seed])
        self._factors = draw.integers(0, 2**32, size=bands.hashes, dtype=np.uint32) | np.uint32(1)

    def least_shared(self, threshold: float) -> float:
        """How many equal minima a pair at the threshold has at least, but for one in 300,000 (4.5 standard deviations)."""
        hashes = self.bands.hashes
        return float((threshold - 4.5 * (threshold * (1 - threshold) / hashes) ** 0.5) * hashes)

    def sign(self, hashes: U32, counts: I64) -> tuple[U32, npt.NDArray[np.uint8]]:
        """``(keys, marks)`` of sets as :func:`vault.quality.shingles.shingle` gives them: one key a band, and the low byte
        of every minimum (two equal minima have equal marks, two others one time in 256). Shapes: texts × bands, texts × hashes."""
        minima = np.empty((self.bands.hashes, len(counts)), dtype=np.uint32)
        starts = np.cumsum(counts) - counts
        row = 0
        while row < len(counts):
            end = max(row + 1, int(np.searchsorted(starts, starts[row] + CHUNK)))
            stop = starts[end] if end < len(counts) else len(hashes)
            self._minima(hashes[starts[row] : stop], starts[row:end] - starts[row], out=minima[:, row:end])
            row = end
        return self._keys(minima), minima.astype(np.uint8).T.copy()

    def _minima(self, hashes: U32, starts: I64, *, out: U32) -> None:
        ordered = np.empty_like(hashes)
        for place, factor in enumerate(self._factors):
            np.multiply(hashes, factor, out=ordered)
            np.minimum.reduceat(ordered, starts, out=out[place])

    def _keys(self, minima: U32) -> U32:
        keys = np.empty((minima.shape[1], self.bands.bands), dtype=np.uint32)
        for band in range(self.bands.bands):
            key = np.full(minima.shape[1], band, dtype=np.uint64)
            for minimum in minima[band * self.bands.rows : (band + 1) * self.bands.rows]:
                key = (key ^ minimum) * _MIX
                key ^= key >> np.uint64(29)
            keys[:, band] = key >> np.uint64(32)
        return keys
