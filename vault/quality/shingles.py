"""Texts as sets of shingles (short runs of characters), hashed, on disk; and the exact Jaccard similarity of two of them.

Two texts are alike when they share most of their shingles: |A ∩ B| / |A ∪ B| (Jaccard; Broder, "On the resemblance and
containment of documents", 1997). A shingle is ``LETTERS`` characters of the folded text; from a Chinese, Japanese or Korean
character on it is ``IDEOGRAPHS`` characters, since one of those says as much as half a word. Case and the amount of white
space do not count; signs do, because "3 + 4" is not "3 - 4".

A shingle is kept as a 32-bit hash: two different shingles of a pair of 100-character texts are taken for one with a
probability of about 0.000002.
"""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

LETTERS = 5
IDEOGRAPHS = 2
PAIR_ELEMENTS = 2_000_000
"""Shingles looked at at once when pairs are compared: bounds the memory, about 40 bytes each."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINAL = np.uint64(0xFF51AFD7ED558CCD)
_WORD = np.uint64(32)

U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def fold(text: str) -> str:
    """The text as it is compared: NFKC, case-folded, white space collapsed, a space at both ends, at least ``LETTERS`` long."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return f" {' '.join(text.casefold().split())} ".ljust(LETTERS)


def shingle(folded: Sequence[str]) -> tuple[U32, I64]:
    """The shingle sets of folded texts: all hashes, text after text, ascending and distinct within each; and their counts."""
    lengths = np.fromiter(map(len, folded), dtype=np.int64, count=len(folded))
    if not len(lengths):
        return np.empty(0, dtype=np.uint32), lengths
    codes = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    hashes, width = _runs(codes)
    row = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))
    keyed = ((row << _WORD) | hashes)[left >= width]
    keyed.sort()
    first = np.ones(len(keyed), dtype=np.bool_)
    np.not_equal(keyed[1:], keyed[:-1], out=first[1:])
    keyed = keyed[first]
    counts = np.bincount((keyed >> _WORD).astype(np.int64), minlength=len(lengths))
    return keyed.astype(np.uint32), counts


def _runs(codes: U32) -> tuple[U64, npt.NDArray[np.int64]]:
    """For each position the hash of the run of characters that begins there, and how many characters it has."""
    wide = codes.astype(np.uint64)
    padded = np.concatenate([wide, np.zeros(LETTERS, dtype=np.uint64)])
    width = np.full(len(codes), LETTERS, dtype=np.int64)
    ideographs = _ideographs(codes)
    some = bool(ideographs.any())
    rolling = wide.copy()
    short = rolling
    for offset in range(1, LETTERS):
        rolling = rolling * _MULTIPLIER + padded[offset : offset + len(codes)]
        if some and offset == IDEOGRAPHS - 1:
            short = rolling
    if some:
        rolling = np.where(ideographs, short, rolling)
        width[ideographs] = IDEOGRAPHS
    rolling ^= rolling >> _WORD
    rolling *= _FINAL
    return rolling >> _WORD, width


def _ideographs(codes: U32) -> Mask:
    if not len(codes) or codes.max() < 0x3040:
        return np.zeros(len(codes), dtype=np.bool_)
    blocks = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
    inside: Mask = np.logical_or.reduce([(codes >= low) & (codes <= high) for low, high in blocks])
    return inside


def jaccard(left: str, right: str) -> float:
    """How alike two texts are, 0 to 1."""
    hashes, counts = shingle([fold(left), fold(right)])
    shared = len(np.intersect1d(hashes[: counts[0]], hashes[counts[0] :], assume_unique=True))
    return float(shared / (counts.sum() - shared))


class ShingleStore:
    """The shingle sets of many texts in a temporary file that vanishes with this object. Four bytes a shingle on disk, eight
    bytes a text in memory."""

    def __init__(self, *, scratch: Path | None = None) -> None:
        self._file: IO[Any] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115  (lives as long as this object)
        self._counts: list[I64] = []
        self.counts: I64 = np.empty(0, dtype=np.int64)
        self._starts: I64 = self.counts
        self._hashes: U32 = np.empty(0, dtype=np.uint32)

    def append(self, hashes: U32, counts: I64) -> None:
        """Add the sets of the next texts, as :func:`shingle` gives them."""
        self._file.write(hashes.data)
        self._counts.append(counts)

    def close_writing(self) -> None:
        """Make the sets readable; nothing can be added any more."""
        self.counts = np.concatenate([self.counts, *self._counts])
        self._counts = []
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.counts)[:-1]])
        self._file.flush()
        if self.counts.sum():
            self._hashes = np.memmap(self._file, dtype=np.uint32, mode="r")

    def similarities(self, left: I64, right: I64) -> npt.NDArray[np.float64]:
        """The exact Jaccard similarity of pairs of texts, given by their positions."""
        result = np.zeros(len(left), dtype=np.float64)
        sizes = np.cumsum(self.counts[left] + self.counts[right])
        begin = 0
        while begin < len(left):
            before = sizes[begin - 1] if begin else 0
            end = max(begin + 1, int(np.searchsorted(sizes, before + PAIR_ELEMENTS, side="right")))
            result[begin:end] = self._similarities(left[begin:end], right[begin:end])
            begin = end
        return result

    def _similarities(self, left: I64, right: I64) -> npt.NDArray[np.float64]:
        keyed = np.concatenate([self._gather(left), self._gather(right)])
        keyed.sort()
        shared = keyed[1:][keyed[1:] == keyed[:-1]] >> _WORD
        both = np.bincount(shared.astype(np.int64), minlength=len(left))
        similarities: npt.NDArray[np.float64] = both / (self.counts[left] + self.counts[right] - both)
        return similarities

    def _gather(self, texts: I64) -> U64:
        """The sets of these texts, each hash with the place of its text in the high word."""
        counts = self.counts[texts]
        ends = np.cumsum(counts)
        positions = np.arange(ends[-1]) + np.repeat(self._starts[texts] - (ends - counts), counts)
        place = np.repeat(np.arange(len(texts), dtype=np.uint64), counts)
        keyed: U64 = (place << _WORD) | self._hashes[positions]
        return keyed
