"""A few rows to show beside the numbers. Personal data and secrets in them are masked before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from vault.profiling import scan
from vault.profiling.scan import Conversation
from vault.quality import pii
from vault.rows import ROWS_FILE

LONGEST = 220
AROUND = 60
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


class Excerpt(NamedTuple):
    """The beginning of a text, masked. ``whole``: whether it is the text itself, to the letter."""

    text: str
    whole: bool


def read_rows(rows: Path, wanted: Collection[int]) -> dict[int, Conversation]:
    """The rows at these positions. Only the row groups that hold them are read."""
    import pyarrow.parquet as pq

    found: dict[int, Conversation] = {}
    with pq.ParquetFile(rows / ROWS_FILE) as source:
        start = 0
        for number in range(source.metadata.num_row_groups):
            size = source.metadata.row_group(number).num_rows
            inside = sorted(n - start for n in wanted if start <= n < start + size)
            if inside:
                table = source.read_row_group(number, columns=scan.COLUMNS).take(inside)
                found |= {start + n: scan.read(r) for n, r in zip(inside, table.to_pylist(), strict=True)}
            start += size
    return found


def mask(text: str) -> str:
    """The text with the name of its kind in the place of everything personal or secret."""
    for span in reversed(pii.find(text)):
        text = f"{text[: span.start]}[{span.kind.replace('_', ' ')}]{text[span.end :]}"
    return text


def excerpt(text: str | None) -> Excerpt:
    """The beginning of a text as it may be shown to everybody."""
    told = text or ""
    # Masked before it is cut: half a key is still part of a key.
    masked = mask(told[: scan.READ_AT_MOST])
    clean = _UNPRINTABLE.sub(" ", masked)
    return Excerpt(
        clean if len(clean) <= LONGEST else clean[: LONGEST - 1] + "…", clean == told and len(told) <= LONGEST
    )


def show(row: Conversation, kind: str) -> str:
    """What stands around the first find of this kind in a row, masked; an empty text when there is none."""
    texts = [*(text for _, text in row.turns), row.completion or "", row.reference or ""]
    for text in texts:
        head = text[: scan.READ_AT_MOST]
        spans = pii.find(head)
        place = next((n for n, span in enumerate(spans) if pii.flag(span.kind) == kind), None)
        if place is None:
            continue
        masked = mask(head)
        # Where the mask of this span stands, now that those before it have other lengths.
        shift = sum(len(s.kind) + 2 - (s.end - s.start) for s in spans[:place])
        at = spans[place].start + shift
        begin, end = max(at - AROUND, 0), at + len(spans[place].kind) + 2 + AROUND
        middle = _UNPRINTABLE.sub(" ", masked[begin:end])
        return f"{'…' if begin else ''}{middle}{'…' if end < len(masked) else ''}"
    return ""
