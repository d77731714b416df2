"""Which rows of a version a filter keeps, and in which order: lists of positions, remembered for the next page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.query import sources
from vault.query.duck import ask, ask_positions
from vault.query.filters import BadFilter, Condition, Filter, Sql, facts_where, words
from vault.query.lists import Lists
from vault.query.sources import LABEL_CHARS, RAW, Index, rows_source, rows_where
from vault.row_blocks import RowBlocks
from vault.rows import Row, count_rows
from vault.search_index import SearchIndex

Positions = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
RowSet = Callable[[str, str], Iterable[int] | None]
"""``f("verdict", "rejected")``: the positions of rows that the database knows something about; for "none" those that it
knows anything about, the others being wanted. None: nobody can say."""

FEW = 2_000
"""So many rows are looked at one by one sooner than a column is read."""

FEW_LARGE = 20
"""Unless more rows than this have texts of more than 64 KB."""

IN_SEARCH: dict[str, Callable[[Row], str]] = {
    "prompt": lambda row: "\n".join(message.get("content") or "" for message in row.prompt),
    "answer": lambda row: (row.completion or {}).get("content") or "",
    "reference": lambda row: (row.reference or {}).get("content") or "",
}
"""Fields whose text is part of what a search looks through."""

_lists = Lists()


@lru_cache(maxsize=16)
def open_blocks(folder: Path) -> RowBlocks:
    """The rows of an index, to be read one by one."""
    return RowBlocks(folder)


@lru_cache(maxsize=16)
def _open_search(folder: Path) -> SearchIndex:
    return SearchIndex(folder)


class Finder:
    """Finds rows of one dataset folder below ``root``, which is all that the connection may read.

    ``index``: what a worker made of the rows, for speed. ``facts``: the profile's ``facts.parquet``. ``sets``: what the
    database knows of rows. Without them it answers what it can, slower.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: Path,
        index: Index | None = None,
        facts: Path | None = None,
        sets: RowSet | None = None,
    ) -> None:
        self._folder = folder
        self._raw = rows_source(folder)
        self._root = root
        self.index = index
        self.facts_file = facts
        self._sets = sets

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return ask(sql, [self._raw.file, *values], root=self._root)

    @cached_property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.index.about["rows"]) if self.index else count_rows(self._folder)

    # --- which rows, in which order ---------------------------------------------------------------------------------

    def positions(self, wanted: Filter, *, sort: str = "") -> Positions:
        """The positions of all rows under a filter, in the order of ``sort``: a name as in the address, "-" for downwards.

        Raises ``BadFilter`` for what this version can't answer and ``TooSlow``.
        """
        settled = replace(wanted, verdict="")
        key = (self._folder, self.facts_file if settled.needs_facts or sort.endswith("tokens") else None, settled, sort)
        found: Positions = _lists.get(key, lambda: self._sorted(settled, sort))
        if not wanted.verdict:
            return found
        kept: Positions = found[self._set_mask("verdict", wanted.verdict)[found]]
        return kept

    def _sorted(self, wanted: Filter, sort: str) -> Positions:
        name = sort.removeprefix("-")
        mask = self._mask(wanted) if wanted.active else None
        if name in ("", "row"):
            kept = np.arange(self.rows, dtype=np.int32) if mask is None else np.flatnonzero(mask).astype(np.int32)
            return kept[::-1].copy() if sort == "-row" else kept
        order, values = self._order(name)
        if sort.startswith("-"):
            # What has no value stays last.
            order = np.concatenate([order[:values][::-1], order[values:]])
        return np.array(order, dtype=np.int32) if mask is None else order[mask[order]]

    def _mask(self, wanted: Filter) -> Mask:
        """For every row whether the filter keeps it."""
        mask: Mask = np.ones(self.rows, dtype=bool)
        rows_only = wanted.rows_only()
        for condition in rows_only.conditions:
            found = self._rare(condition)
            if found is not None:
                mask &= found
                rows_only = replace(rows_only, conditions=tuple(c for c in rows_only.conditions if c != condition))
        if rows_only.active:
            source = self._source_for(rows_only)
            mask &= self._mask_of(source.file, rows_where(rows_only, source))
        if wanted.needs_facts:
            mask &= self._mask_of(self._needed_facts(), facts_where(wanted))
        for word in words(wanted.search):
            mask &= self._holding(word)
        return mask

    def _rare(self, condition: Condition) -> Mask | None:
        """Which rows have a text in a field, when so few have it anywhere that they are looked at one by one; else None.

        Beyond ASCII and line breaks the index's text is not letter by letter that of the field.
        """
        value = condition.value
        if not self.index or condition.op != "contains" or condition.field not in IN_SEARCH:
            return None
        if not value.isascii() or "\n" in value or "\0" in value:
            return None
        candidates = np.flatnonzero(self._holding(value))
        if len(candidates) > FEW:
            return None
        blocks = open_blocks(self.index.folder)
        if blocks.large > FEW_LARGE:
            return None
        rows = ((rid, blocks.row(rid)) for rid in candidates.tolist())
        kept = [rid for rid, row in rows if value.lower() in IN_SEARCH[condition.field](row).lower()]
        return self._marked(np.array(kept, dtype=np.int32))

    def _mask_of(self, file: str, where: Sql) -> Mask:
        sql = f"SELECT _rid FROM read_parquet(?) WHERE {where.text}"  # noqa: S608 - compiled, values are bound
        return self._marked(ask_positions(sql, [file, *where.values], root=self._root))

    def _marked(self, positions: Positions) -> Mask:
        mask: Mask = np.zeros(self.rows, dtype=bool)
        mask[positions] = True
        return mask

    def _source_for(self, wanted: Filter) -> sources.Source:
        """The index, unless a condition is about a field that it does not know."""
        index = self.index
        if index and all(not c.path or index.covers(c.path) for c in wanted.conditions):
            return index.source
        return self._raw

    def _needed_facts(self) -> str:
        if self.facts_file is None:
            raise BadFilter(
                "This version has no profile yet, so nothing is known of its flags, languages, tokens and near-duplicates.",
                action="Open the Profile tab and wait until it is there, or remove this filter.",
            )
        return str(self.facts_file)

    def _holding(self, word: str) -> Mask:
        if self.index:
            return _open_search(self.index.folder / "search").holding(word)
        return self._mask_of(self._raw.file, Sql("contains(_search, ?)", [word]))

    def _set_mask(self, name: str, value: str) -> Mask:
        found = self._sets(name, value) if self._sets else None
        if found is None:
            raise BadFilter(f"Nothing is known of the {name} “{value}”.", action="Remove this filter.")
        positions = np.fromiter(found, dtype=np.int32)
        mask = self._marked(positions[(positions >= 0) & (positions < self.rows)])
        return ~mask if value == "none" else mask

    def _order(self, name: str) -> tuple[Positions, int]:
        """All positions sorted by a field, smallest first, and how many rows have a value."""
        ready = self.index.order(name) if self.index else None
        if ready is not None:
            return ready
        key = (self._folder, self.facts_file if name == "tokens" else None, "order", name)
        found = _lists.get(key, lambda: self._make_order(name))
        return found[1:], int(found[0])

    def _make_order(self, name: str) -> Positions:
        """As :meth:`_order`, in one array: the number of rows with a value, then the positions."""
        if name == "tokens":
            field, file, expression = name, self._needed_facts(), Sql("tokens", [])
        else:
            field = sources.SORTS.get(name, name)
            if field not in RAW and not (field.startswith("meta.") and len(field) > 5):
                raise BadFilter(f"Rows can't be sorted by “{name}”.", action="Sort by another column.")
            source = self._source_of_field(field)
            file, expression = source.file, source.expression(field) or Sql("NULL", [])
        rows = Sql(f"SELECT _rid, {expression.text} AS value FROM read_parquet(?)", [*expression.values, file])  # noqa: S608
        by = "value"
        if name.startswith("meta."):
            # Numbers by size, also where JSON keeps them as text, unless one of the values is none.
            every = "bool_and(TRY_CAST(value AS DOUBLE) IS NOT NULL) FILTER (value IS NOT NULL)"
            sql = f"SELECT {every} FROM ({rows.text})"  # noqa: S608
            ((numbers,),) = ask(sql, rows.values, root=self._root)
            by = "TRY_CAST(value AS DOUBLE)" if numbers else f"left(value, {LABEL_CHARS:d})"
        elif field == "answer":
            by = f"left(value, {LABEL_CHARS:d})"
        sql = f"SELECT _rid, value IS NOT NULL FROM ({rows.text}) ORDER BY {by} NULLS LAST, _rid"  # noqa: S608
        found = ask(sql, rows.values, root=self._root)
        made = np.empty(len(found) + 1, dtype=np.int32)
        made[0] = sum(1 for _, has in found if has)
        made[1:] = [rid for rid, _ in found]
        return made

    def _source_of_field(self, field: str) -> sources.Source:
        index = self.index
        if index and (not field.startswith("meta.") or index.covers(field[5:])):
            return index.source
        return self._raw


def place_of(found: Positions, rid: int, *, sort: str) -> tuple[int, int]:
    """Where a row stands in a list: how many come before it, and how many up to and with it.

    A row that is not in the list stands, in row order, where it would; in another order at the start.
    """
    if sort in ("", "row"):
        return int(np.searchsorted(found, rid)), int(np.searchsorted(found, rid, side="right"))
    if sort == "-row":
        backwards = found[::-1]
        size = len(found)
        return size - int(np.searchsorted(backwards, rid, side="right")), size - int(np.searchsorted(backwards, rid))
    at = np.flatnonzero(found == rid)
    return (int(at[0]), int(at[0]) + 1) if len(at) else (0, 0)
