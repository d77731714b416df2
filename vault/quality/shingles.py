"""Texts as sets of shingles (short runs of characters), hashed; and the Jaccard similarity of two texts.

Two texts are alike when they share most of their shingles: |A ∩ B| / |A ∪ B| (Jaccard; Broder, "On the resemblance and
containment of documents", 1997). A shingle is ``LETTERS`` characters of the folded text; from a Chinese, Japanese or Korean
character on it is ``IDEOGRAPHS`` characters, since one of those says as much as half a word. Case and the amount of white
space do not count; signs do, because "3 + 4" is not "3 - 4".

A shingle is kept as a 32-bit hash: two different shingles of a pair of 100-character texts are taken for one with a
probability of about 0.000002.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

LETTERS = 4
"""Measured on Banking77: of small edits (a typo, a word more or less, two words swapped) 0.8 finds 86 % with runs of 3, 70 %
with 4, 57 % with 5; unrelated texts of 20,000 characters on one topic come to 0.61 with 3, 0.45 with 4, 0.32 with 5."""
IDEOGRAPHS = 2

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_FINAL = np.uint64(0xFF51AFD7ED558CCD)
WORD = np.uint64(32)

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
    keyed = ((row << WORD) | hashes)[left >= width]
    keyed.sort()
    first = np.ones(len(keyed), dtype=np.bool_)
    np.not_equal(keyed[1:], keyed[:-1], out=first[1:])
    keyed = keyed[first]
    counts = np.bincount((keyed >> WORD).astype(np.int64), minlength=len(lengths))
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
    rolling ^= rolling >> WORD
    rolling *= _FINAL
    return rolling >> WORD, width


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
