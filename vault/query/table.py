"""The rows of one version: pages in any order under any filter, one row, its neighbours, and counts."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vault.query import sources
from vault.query.duck import ask, ask_positions
from vault.query.filters import BadFilter, Filter, Sql, facts_where, words
from vault.query.lengths import Lengths, summarise
from vault.query.lists import Lists
from vault.query.sources import ANSWER, LABEL_CHARS, PROMPT_CHARS, RAW, Index, rows_source, rows_where
from vault.row_blocks import RowBlocks, cut_row
from vault.rows import COLUMNS, Row, count_rows, decode
from vault.search_index import SearchIndex

PAGE = 50
CUT_BYTES = 65_536
"""A message list longer than this is shown cut in a table of rows."""

Positions = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
RowSet = Callable[[str, str], Iterable[int] | None]
"""``f("verdict", "rejected")``: the positions of rows that the database knows something about; for "none" those that it
knows anything about, the others being wanted. None: nobody can say."""

_lists = Lists()
_blocks: dict[Path, RowBlocks] = {}
_searches: dict[Path, SearchIndex] = {}


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


class Count(NamedTuple):
    """A value and how many rows have it."""

    value: str
    rows: int


@dataclass(frozen=True)
class Totals:
    """Counts over a whole version."""

    rows: int
    completions: int
    references: int
    differing: int


class RowTable:
    """The rows of one dataset folder below ``root``, which is all that the connection may read.

    ``index``: what a worker made of the rows, for speed. ``facts``: the profile's ``facts.parquet``. ``sets``: what the
    database knows of rows. Without them the table answers what it can, slower.
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
        if rows_only.active:
            where = rows_where(rows_only, self._source_for(rows_only))
            mask &= self._mask_of(self._source_for(rows_only).file, where)
        if wanted.needs_facts:
            mask &= self._mask_of(self._needed_facts(), facts_where(wanted))
        for word in words(wanted.search):
            mask &= self._holding(word)
        return mask

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
            folder = self.index.folder
            if folder not in _searches:
                _searches[folder] = SearchIndex(folder / "search")
            return _searches[folder].holding(word)
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

    # --- pages and rows ---------------------------------------------------------------------------------------------

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
        folder = self.index.folder
        if folder not in _blocks:
            _blocks[folder] = RowBlocks(folder)
        return _blocks[folder]

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

    # --- the profile's facts ----------------------------------------------------------------------------------------

    def facts(self, rid: int) -> dict[str, Any] | None:
        """What the profile found in one row: ``tokens``, ``language``, ``flags``, ``near_group``; None without a profile."""
        if self.facts_file is None:
            return None
        names = ("tokens", "language", "flags", "near_group", "exact_group")
        found = ask(
            f"SELECT {', '.join(names)} FROM read_parquet(?) WHERE _rid = ?",  # noqa: S608
            [str(self.facts_file), rid],
            root=self._root,
        )
        return dict(zip(names, found[0], strict=True)) if found else None

    def tokens(self, rids: Sequence[int]) -> dict[int, int]:
        """The tokens of rows, as the profile counted them: position → tokens; only those it knows."""
        if self.facts_file is None or not rids:
            return {}
        positions = ", ".join(f"{rid:d}" for rid in rids)
        found = ask(
            f"SELECT _rid, tokens FROM read_parquet(?) WHERE _rid IN ({positions}) AND tokens IS NOT NULL",  # noqa: S608
            [str(self.facts_file)],
            root=self._root,
        )
        return {int(rid): int(tokens) for rid, tokens in found}

    def fact_values(self) -> tuple[list[Count], list[Count]]:
        """The flags and the languages of the profile with their rows, most first; empty without a profile."""
        if self.facts_file is None:
            return [], []
        file = [str(self.facts_file)]
        flags = ask(
            "SELECT flag, count(*) AS n FROM (SELECT unnest(flags) AS flag FROM read_parquet(?)) GROUP BY 1 ORDER BY n DESC, 1",
            file,
            root=self._root,
        )
        languages = ask(
            "SELECT language, count(*) AS n FROM read_parquet(?) WHERE language IS NOT NULL GROUP BY 1 ORDER BY n DESC, 1 LIMIT 30",
            file,
            root=self._root,
        )
        return [Count(*pair) for pair in flags], [Count(*pair) for pair in languages]

    # --- counts over the version ------------------------------------------------------------------------------------

    def totals(self) -> Totals:
        """Rows, answers, references, and answers that are not their reference."""
        if self.index:
            return Totals(**self.index.about["totals"])
        found = self._ask(
            f"SELECT count(*), count(completion), count(reference), count(*) FILTER (WHERE {RAW['differs']}) FROM read_parquet(?)"  # noqa: S608
        )
        return Totals(*(int(value) for value in found[0]))

    def labels(self, *, limit: int = 100) -> list[Count]:
        """The commonest answers that are short enough for a label, most rows first."""
        if self.index:
            return [Count(*pair) for pair in self.index.about["labels"][:limit]]
        found = self._ask(
            f"SELECT {ANSWER} AS label, count(*) AS n FROM read_parquet(?) WHERE completion IS NOT NULL "  # noqa: S608
            f"GROUP BY 1 HAVING length(label) <= {LABEL_CHARS:d} ORDER BY n DESC, label LIMIT {limit:d}"
        )
        return [Count(label, n) for label, n in found]

    def distinct_answers(self) -> int:
        """How many different answers there are."""
        if self.index:
            return int(self.index.about["distinct"])
        return int(self._ask(f"SELECT count(DISTINCT {ANSWER}) FROM read_parquet(?)")[0][0])  # noqa: S608

    def tags(self, *, limit: int = 100) -> list[Count]:
        """The commonest tags, most rows first."""
        if self.index:
            return [Count(*pair) for pair in self.index.about["tags"][:limit]]
        found = self._ask(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(json_extract_string(tags, '$[*]')) AS tag "  # noqa: S608
            f"FROM read_parquet(?) WHERE tags <> '[]') GROUP BY 1 ORDER BY n DESC, tag LIMIT {limit:d}"
        )
        return [Count(tag, n) for tag, n in found]

    def meta_paths(self, *, limit: int = 40) -> list[str]:
        """The paths below ``meta`` that rows have (without an index: the first thousand rows)."""
        if self.index:
            return list(self.index.about["paths"])[:limit]
        found = self._ask("SELECT meta FROM read_parquet(?) LIMIT 1000")
        return sorted({path for (meta,) in found for path, _ in sources.leaves(json.loads(meta or "{}"))})[:limit]

    def lengths(self, field: str, *, bins: int = 24) -> Lengths | None:
        """Lengths in characters of ``field`` ("prompt" or "completion"); None when no row has it."""
        if self.index:
            column = "prompt_chars" if field == "prompt" else "answer_chars"
            found = ask(
                f"SELECT {column}, count(*) FROM read_parquet(?) WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY 1",  # noqa: S608
                [self.index.source.file],
                root=self._root,
            )
        else:
            chars, column = (PROMPT_CHARS, "prompt") if field == "prompt" else (f"length({ANSWER})", "completion")
            found = self._ask(
                f"SELECT n, count(*) FROM (SELECT {chars} AS n FROM read_parquet(?) WHERE {column} IS NOT NULL) "  # noqa: S608
                "WHERE n IS NOT NULL GROUP BY n ORDER BY n"
            )
        return summarise([(int(n), int(rows)) for n, rows in found], bins=bins)


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


def _line(record: tuple[Any, ...]) -> Numbered:
    values = dict(zip(COLUMNS[:-1], record, strict=False))
    prompt, answer, reference = record[len(COLUMNS) - 1 :]
    cut = values["prompt"] is None
    if not cut:
        return Numbered(int(values["_rid"]), decode(values))
    return Numbered(int(values["_rid"]), cut_row(values["id"], prompt, answer, reference, values["tags"]), True)
