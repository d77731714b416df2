"""Texts that are nearly the same, among a million in minutes: MinHash proposes pairs, exact Jaccard similarity decides.

Every pair that is reported was compared exactly, so there are no false ones; of the pairs at the threshold at most 0.2 %
are missed by the bands (``minhash.RECALL``), and fewer above it. The same texts in the same order give the same answer.

What a fifth of the texts share (a prompt template, an instruction) says nothing about two of them and is not compared:
without this, all rows made with one template would be near-duplicates of each other.

Memory for a million texts: about 400 MB (keys and marks of the signatures); shingles wait in a temporary file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from vault.quality.shingles import I64, WORD, Mask
from vault.quality.signed_texts import COMMON, F64, PAIRS, Beat, SignedTexts

SMALL = 32
"""In a band's bucket of at most so many texts each is compared with each."""
ROUNDS = 64
"""In a larger bucket, texts are compared with the leaders of at most so many groups."""
BUDGET = 20_000_000
"""Most comparisons by signature in one band."""
MATCH_BUDGET = 50_000_000
"""The same when matching against held-back texts, where missing one is worse."""


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


class Nearest(NamedTuple):
    """``other``: for each text the position of the one it is a near-duplicate of, -1 for none. ``similarity``: 0 to 1.
    ``ignored``: share of the text that was not compared because many texts have it."""

    other: I64
    similarity: F64
    ignored: float


def find_groups(
    texts: Iterable[str],
    *,
    threshold: float = 0.8,
    beat: Beat | None = None,
    seed: int = 0,
    common: float | None = COMMON,
    scratch: Path | None = None,
) -> Groups:
    """Group the texts whose Jaccard similarity is at least ``threshold`` (above 0, at most 1), directly or through others.

    ``texts`` is read once. ``common``: share of the texts from which on a shingle is not compared, None to compare all.
    ``scratch``: where the temporary file goes (default: the system's place for those).
    """
    return _group(SignedTexts(texts, threshold=threshold, beat=beat, seed=seed, common=common, scratch=scratch))


def find_copies(
    texts: Iterable[str],
    *,
    rank: Callable[[], npt.ArrayLike],
    threshold: float = 0.8,
    beat: Beat | None = None,
    seed: int = 0,
    common: float | None = COMMON,
    scratch: Path | None = None,
) -> Nearest:
    """Which texts to drop so that no two near-duplicates stay, and for which text each of them goes.

    In each group the text of the lowest ``rank`` (an integer a text; ties: the earlier) stays, and what is directly alike to
    it goes for it; so on with the rest of the group. So a text never goes for one it is alike to only through others.
    ``rank`` is called after all texts were read.
    """
    signed = SignedTexts(texts, threshold=threshold, beat=beat, seed=seed, common=common, scratch=scratch)
    other = np.full(len(signed), -1, dtype=np.int64)
    group = _group(signed).group
    left = np.flatnonzero(group >= 0)
    left = left[np.lexsort((left, np.asarray(rank(), dtype=np.int64)[left], group[left]))]
    while len(left):
        signed.beat(len(signed) - len(left), len(signed), "choosing")
        leader, _ = _leaders(left, group[left])
        goes = (leader != left) & signed.alike(leader, left)
        other[left[goes]] = leader[goes]
        left = left[~goes & (leader != left)]
    return _nearest(signed, other)


def find_matches(
    texts: Iterable[str],
    *,
    against: Iterable[str],
    threshold: float = 0.8,
    beat: Beat | None = None,
    seed: int = 0,
    common: float | None = COMMON,
    scratch: Path | None = None,
) -> Nearest:
    """For each text a near-duplicate among ``against`` (its position there), if there is one. Both are read once."""
    known = 0

    def counted() -> Iterator[str]:
        nonlocal known
        for text in against:
            known += 1
            yield text

    both = chain(counted(), texts)
    signed = SignedTexts(both, threshold=threshold, beat=beat, seed=seed, common=common, scratch=scratch)
    other = np.full(len(signed), -1, dtype=np.int64)
    for bucket, members in _buckets(signed, np.arange(len(signed), dtype=np.int64)):
        _match(signed, members, bucket, known=known, other=other)
    return _nearest(signed, other, begin=known)


def _nearest(signed: SignedTexts, other: I64, *, begin: int = 0) -> Nearest:
    found = np.flatnonzero(other >= 0)
    similarity = np.zeros(len(other), dtype=np.float64)
    similarity[found] = signed.similarity(found, other[found])
    return Nearest(other[begin:], similarity[begin:], signed.ignored)


def _buckets(signed: SignedTexts, texts: I64) -> Iterator[tuple[I64, I64]]:
    """For each band ``(bucket, members)``: the texts that share a key with another, sorted by bucket, then by position."""
    bands = signed.keys.shape[1]
    for band in range(bands):
        signed.beat(len(signed) * band // bands, len(signed), f"comparing, band {band + 1} of {bands}")
        # Key and place in one number: sorting those is several times faster than sorting places by key.
        packed = (signed.keys[texts, band].astype(np.uint64) << WORD) | np.arange(len(texts), dtype=np.uint64)
        packed.sort()
        order = packed.astype(np.uint32)
        fresh = _begins(packed >> WORD)
        bucket = np.cumsum(fresh) - 1
        shared = np.bincount(bucket, minlength=1)[bucket] > 1
        yield bucket[shared], texts[order][shared]


def _begins(values: npt.NDArray[np.generic]) -> Mask:
    """Where a new run of equal values begins."""
    begins = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    return begins


def _leaders(members: I64, bucket: npt.NDArray[np.generic]) -> tuple[I64, I64]:
    """The first member of each bucket, and the size of the bucket, both repeated for each member."""
    begins = np.flatnonzero(_begins(bucket))
    sizes = np.diff(np.append(begins, len(members)))
    return np.repeat(members[begins], sizes), np.repeat(sizes, sizes)


def _group(signed: SignedTexts) -> Groups:
    everyone = np.arange(len(signed), dtype=np.int64)
    parent = everyone.copy()
    distinct = _join_equal(signed, parent)
    for bucket, members in _buckets(signed, distinct):
        _join_band(signed, members, bucket, parent=parent)
    root = roots(parent, everyone)
    sizes = np.bincount(root, minlength=1)
    return Groups(np.where(sizes[root] > 1, root, -1) if len(root) else root)


def _join_equal(signed: SignedTexts, parent: I64) -> I64:
    """Join texts with equal sets, and return the first of each: the others need no further look."""
    keys = signed.fingerprints()
    members = np.argsort(keys, kind="stable")
    leader, _ = _leaders(members, keys[members])
    later = np.flatnonzero(leader != members)
    same = np.zeros(len(signed), dtype=np.bool_)
    for begin in range(0, len(later), PAIRS):
        signed.beat(begin, len(later), "comparing copies")
        at = later[begin : begin + PAIRS]
        same[at] = signed.similarity(leader[at], members[at]) == 1.0
    parent[members[same]] = leader[same]
    return np.sort(members[~same])


def _join_band(signed: SignedTexts, members: I64, bucket: I64, *, parent: I64) -> None:
    """Join what is alike among texts that share a bucket; sorted by bucket."""
    _, sizes = _leaders(members, bucket)
    spent = 0
    for small in (True, False):
        inside = (sizes <= SMALL) == small
        texts, where = members[inside], bucket[inside]
        for _ in range(SMALL if small else ROUNDS):
            if not len(texts) or spent > BUDGET:
                break
            signed.beat(len(signed), len(signed), "comparing")
            spent += len(texts)
            texts, where = _lead(signed, texts, where, parent=parent, exhaustive=small)


def _lead(signed: SignedTexts, texts: I64, bucket: I64, *, parent: I64, exhaustive: bool) -> tuple[I64, I64]:
    """Compare the first text of each bucket with the others, join, and return the texts still to be compared."""
    leader, _ = _leaders(texts, bucket)
    apart = roots(parent, leader) != roots(parent, texts)
    left, right = leader[apart], texts[apart]
    alike = signed.alike(left, right)
    join(parent, left[alike], right[alike])
    root = roots(parent, texts)
    stays = leader != texts if exhaustive else roots(parent, leader) != root
    texts, bucket, root = texts[stays], bucket[stays], root[stays]
    if not len(texts):
        return texts, bucket
    begins = np.flatnonzero(_begins(bucket))
    mixed = np.minimum.reduceat(root, begins) != np.maximum.reduceat(root, begins)
    going_on = np.repeat(mixed, np.diff(np.append(begins, len(texts))))
    return texts[going_on], bucket[going_on]


def _match(signed: SignedTexts, members: I64, bucket: I64, *, known: int, other: I64) -> None:
    """Compare, in each bucket, one known text after another (they come first) with the others that have no match yet."""
    spent = 0
    while len(members) and spent <= MATCH_BUDGET:
        signed.beat(len(signed), len(signed), "comparing")
        leader, _ = _leaders(members, bucket)
        asked = (leader < known) & (members >= known) & (other[members] < 0)
        left, right = leader[asked], members[asked]
        alike = signed.alike(left, right)
        other[right[alike]] = left[alike]
        stays = (members != leader) & (leader < known) & ((members < known) | (other[members] < 0))
        members, bucket = members[stays], bucket[stays]
        if len(members):
            begins = np.flatnonzero(_begins(bucket))
            last = np.append(begins[1:], len(members)) - 1
            useful = (members[begins] < known) & (members[last] >= known)
            going_on = np.repeat(useful, last + 1 - begins)
            members, bucket = members[going_on], bucket[going_on]
        spent += len(members)


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
