"""Sets of row positions as bytes: small for a million rows in a row, and readable a stretch at a time.

Form: ``count of blocks`` (uint32), then for each block its number, its count of positions less one and its stored bytes
(uint32 each), then the blocks. A block covers 65,536 positions; it holds them as sorted uint16, or as a bitmap (8 KB) when there are
more than 4,096 of them, compressed with zlib. It is the idea of Roaring bitmaps (Lemire et al., 2016) in forty lines.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
MOST_LISTED = 4_096

Positions = NDArray[np.int64]


def as_positions(values: Iterable[int]) -> Positions:
    """Sorted positions, each once."""
    return np.unique(np.fromiter(values, dtype=np.int64))


def pack(positions: Positions) -> bytes:
    """Sorted, distinct, non-negative positions as bytes."""
    blocks = positions >> 16
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    ends = np.append(starts, len(positions))[1:]
    heads, stored = [], []
    for start, end in zip(starts, ends, strict=True):
        low = (positions[start:end] & (BLOCK - 1)).astype("<u2")
        body = zlib.compress(low.tobytes() if len(low) <= MOST_LISTED else _bitmap(low), level=1)
        heads.append((int(blocks[start]), len(low) - 1, len(body)))
        stored.append(body)
    head = np.array([part for entry in heads for part in entry], dtype="<u4")
    return b"".join([np.uint32(len(heads)).astype("<u4").tobytes(), head.tobytes(), *stored])


def _bitmap(low: NDArray[np.uint16]) -> bytes:
    bits = np.zeros(BLOCK, dtype=bool)
    bits[low] = True
    return np.packbits(bits).tobytes()


def unpack(data: bytes | memoryview, *, low: int = 0, high: int | None = None) -> Positions:
    """The positions in ``low <= position < high``; only the blocks that meet this stretch are decompressed."""
    whole = bytes(data)
    number = int(np.frombuffer(whole, dtype="<u4", count=1)[0])
    heads = np.frombuffer(whole, dtype="<u4", count=3 * number, offset=4).reshape(number, 3).astype(np.int64)
    offset = 4 + 12 * number
    found = []
    for block, less_one, size in heads.tolist():
        base = block << 16
        if base + BLOCK > low and (high is None or base < high):
            found.append(base + _block(whole[offset : offset + size], count=less_one + 1))
        offset += size
    if not found:
        return np.zeros(0, dtype=np.int64)
    positions = np.concatenate(found)
    start, end = np.searchsorted(positions, (low, high if high is not None else positions[-1] + 1))
    return positions[start:end]


def _block(body: bytes, *, count: int) -> Positions:
    plain = zlib.decompress(body)
    if count <= MOST_LISTED:
        return np.frombuffer(plain, dtype="<u2").astype(np.int64)
    return np.flatnonzero(np.unpackbits(np.frombuffer(plain, dtype=np.uint8))).astype(np.int64)
