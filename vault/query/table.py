"""The rows of one version: pages in any order under any filter, one row, its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vault.query import sources
from vault.query.counting import Counter
from vault.query.filters import Filter
from vault.query.finding import open_blocks, place_of
from vault.query.sources import ANSWER, RAW
from vault.row_blocks import RowBlocks, cut_row
from vault.rows import COLUMNS, Row, decode

PAGE = 50
CUT_BYTES = 65_536
"""A message list longer than this is shown cut in a table of rows."""


class Numbered(NamedTuple):
    """A row and its position in the version. ``cut``: its texts are long, and only their beginnings are here."""

    rid: int
    row: Row
    cut: bool = False


@dataclass(frozen=True)
class Page:
    """Up to 50 rows. ``before`` and ``after`` are the positions to ask for the neighbouring pages (None: there is none).
    ``first``: how many rows come before this page."""

    rows: list[Numbered]
    before: int | None
    after: int | None
    first: int = 0


class RowTable(Counter):
    """The rows of one dataset folder: the door to everything that can be asked of a version."""

    def page(
        self,
        wanted: Filter,
        *,
        sort: str = "",
        after: int | None = None,
        before: int | None = None,
        size: int = PAGE,
    ) -> Page:
        """One page: the rows that come after the row at position ``after``, or the last ones before ``before``."""
        found = self.positions(wanted, sort=sort)
        start = 0
        if before is not None:
            start = max(place_of(found, before, sort=sort)[0] - size, 0)
        elif after is not None:
            start = place_of(found, after, sort=sort)[1]
        chosen = found[start : start + size]
        if before is not None:
            chosen = chosen[: place_of(found, before, sort=sort)[0] - start]
        if not len(chosen):
            return Page([], None, None)
        more = start + len(chosen) < len(found)
        rows = self.lines(chosen.tolist())
        return Page(rows, rows[0].rid if start else None, rows[-1].rid if more else None, start)

    def lines(self, rids: Sequence[int]) -> list[Numbered]:
        """The rows at these positions, in this order, as a table shows them: long ones cut."""
        if self.index:
            return [Numbered(rid, row, cut) for rid, row, cut in self._stored.lines(rids)]
        kept = [rid for rid in rids if 0 <= rid < self.rows]
        if not kept:
            return []
        short = f"CASE WHEN strlen(prompt) + strlen(coalesce(completion, '')) + strlen(coalesce(reference, '')) < {CUT_BYTES} THEN "
        names = ", ".join(
            f"{short}{name} END" if name in ("prompt", "completion", "reference", "soft") else name
            for name in COLUMNS[:-1]
        )
        positions = ", ".join(f"{rid:d}" for rid in kept)
        records = self._ask(
            f"SELECT {names}, {RAW['prompt'].join(('left(', f', {CUT_BYTES})'))}, left({ANSWER}, {CUT_BYTES}), "  # noqa: S608
            f"left({sources.REFERENCE}, {CUT_BYTES}) FROM read_parquet(?) WHERE _rid IN ({positions})"
        )
        by_rid = {int(record[0]): _line(record) for record in records}
        return [by_rid[rid] for rid in kept if rid in by_rid]

    @property
    def _stored(self) -> RowBlocks:
        assert self.index is not None
        return open_blocks(self.index.folder)

    def row(self, rid: int) -> Row | None:
        """The row at a position, whole, or None."""
        if not 0 <= rid < self.rows:
            return None
        if self.index:
            return self._stored.row(rid)
        found = self._ask(f"SELECT {', '.join(COLUMNS[:-1])} FROM read_parquet(?) WHERE _rid = ?", [rid])  # noqa: S608
        return decode(dict(zip(COLUMNS[:-1], found[0], strict=True))) if found else None

    def neighbours(self, rid: int, wanted: Filter, *, sort: str = "") -> tuple[int | None, int | None]:
        """The positions of the rows before and after this one under a filter and in an order."""
        found = self.positions(wanted, sort=sort)
        start, end = place_of(found, rid, sort=sort)
        return (int(found[start - 1]) if start else None), (int(found[end]) if end < len(found) else None)

    def count(self, wanted: Filter) -> int:
        """How many rows a filter leaves."""
        return len(self.positions(wanted)) if wanted.active else self.rows


def _line(record: tuple[Any, ...]) -> Numbered:
    values = dict(zip(COLUMNS[:-1], record, strict=False))
    prompt, answer, reference = record[len(COLUMNS) - 1 :]
    cut = values["prompt"] is None
    if not cut:
        return Numbered(int(values["_rid"]), decode(values))
    return Numbered(int(values["_rid"]), cut_row(values["id"], prompt, answer, reference, values["tags"]), True)
