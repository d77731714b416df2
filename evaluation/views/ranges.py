"""HTTP byte ranges (RFC 9110, section 14): one range a request, so that a broken download can go on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

BLOCK = 1 << 20


def read_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of ``bytes=a-b``, ``bytes=a-`` or ``bytes=-n``; None when it is none of these or lies outside."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        wanted = min(int(last), size)
        return (size - wanted, size - 1) if wanted else None
    start, end = int(first), min(int(last), size - 1) if last else size - 1
    return (start, end) if start <= end else None


def slice_of(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes ``start`` to ``end`` (both included) of a file in blocks."""
    left = end - start + 1
    with path.open("rb") as source:
        source.seek(start)
        while left > 0 and (block := source.read(min(BLOCK, left))):
            left -= len(block)
            yield block
