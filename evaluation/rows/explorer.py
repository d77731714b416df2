"""Questions to a report's rows: pages under a filter, one row, its neighbours, and how many rows each view holds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.metrics.base import answer_key
from evaluation.rows.columns import COMMON, ITEMS_FILE, SEARCH_FOLDER, column
from evaluation.rows.filters import UNSURE, VIEWS, RowFilter
from evaluation.rows.marks import (
    AGREES,
    AGREES_KNOWN,
    CandidateMarks,
    Marks,
    Mask,
    number_of,
    places_in,
    read_marks,
)
from evaluation.rows.masks import became, below, judge_disagrees, known_right, known_wrong
from evaluation.rows.previews import open_previews
from evaluation.rows.shown import FIELDS, Answer, ItemPage, ItemRow
from vault.query import ask, ask_positions, words
from vault.query.lists import Lists
from vault.search_index import SearchIndex

PAGE = 50

Positions = npt.NDArray[np.int32]
_lists = Lists(64 * 1024 * 1024)


@dataclass(frozen=True)
class Source:
    """Where the rows of a report lie and who answered them: its folder below ``root``, candidates as the report has them."""

    folder: Path
    root: Path
    candidates: Sequence[Mapping[str, Any]]
    has_reference: bool
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(c["name"]) for c in self.candidates))

    def of_kind(self, kind: str) -> str | None:
        """The first candidate of a kind, or None."""
        return next((str(c["name"]) for c in self.candidates if c["kind"] == kind), None)


class ItemTable:
    """The rows of one report folder below ``root``. ``report`` says who answered and what can be asked of the rows;
    ``earlier`` is another report's table, for what changed since; ``groups`` gives the rows of each group of lost ones."""

    def __init__(
        self,
        folder: Path,
        *,
        root: Path,
        report: Mapping[str, Any],
        earlier: ItemTable | None = None,
        groups: Callable[[], Sequence[Sequence[int]]] = tuple,
    ) -> None:
        self.source = Source(folder, root, report["candidates"], bool(report["rows_with_reference"]))
        self.names = list(self.source.names)
        self.earlier = earlier
        self._groups = groups
        self._student, self._teacher = self.source.of_kind("student"), self.source.of_kind("teacher")

    @cached_property
    def marks(self) -> Marks:
        """All rows as numbers."""
        return read_marks(self.source.folder, self.source.names)

    @cached_property
    def groups(self) -> Sequence[Sequence[int]]:
        """The rows of each group of lost ones; empty when they were not computed."""
        return self._groups()

    @property
    def student(self) -> CandidateMarks | None:
        """The student over all rows, or None."""
        return self.marks.candidates.get(self._student or "")

    @cached_property
    def places(self) -> Positions:
        """For each row its position in the earlier report, -1 where it has no such row (or there is none)."""
        if self.earlier is None:
            return np.full(self.marks.rows, -1, dtype=np.int32)
        key = ("places", self.source.folder, self.earlier.source.folder)
        other = self.earlier
        found: Positions = _lists.get(key, lambda: places_in(self.marks, other.marks))
        return found

    # --- which rows, in which order ---------------------------------------------------------------------------------

    def views(self) -> dict[str, Callable[[], Mask]]:
        """View → which rows it holds, for the views that this report's candidates make possible."""
        everyone = self.marks.candidates
        found: dict[str, Callable[[], Mask]] = {"all": lambda: np.ones(self.marks.rows, dtype=bool)}
        student, teacher = self.student, everyone.get(self._teacher or "")
        if student is not None:
            if self.source.has_reference:
                found["wrong"] = lambda: student.wrong
            found["differs"] = lambda: student.has(AGREES_KNOWN) & ~student.has(AGREES)
            if teacher is not None and self.source.has_reference:
                found["lost"] = lambda: known_wrong(student) & known_right(teacher)
                found["won"] = lambda: known_right(student) & known_wrong(teacher)
            if student.confidence is not None:
                found["unsure"] = lambda: below(student, UNSURE)
            if student.judge is not None:
                found["judge"] = lambda: judge_disagrees(student)
            if self.earlier is not None and self.earlier.student is not None:
                found |= {view: partial(self._since, view) for view in ("changed", "fixed", "broken", "still")}
        if self.names:
            found["failed"] = lambda: np.logical_or.reduce([c.failed for c in everyone.values()])
        return {view: partial(self._remembered, view, found[view]) for view in VIEWS if view in found}

    def _remembered(self, what: str | RowFilter, make: Callable[[], Mask]) -> Mask:
        """A mask of this report, made once. Nobody may change it."""
        key = ("mask", self.source.folder, self.earlier.source.folder if self.earlier else None, what)
        found: Mask = _lists.get(key, make)
        return found

    def _since(self, view: str) -> Mask:
        """Rows both reports have, by what became of the student's answer."""
        now, before = self.student, self.earlier.student if self.earlier else None
        if now is None or before is None:
            return np.zeros(self.marks.rows, dtype=bool)
        return became(view, now, before, self.places)

    def positions(self, wanted: RowFilter) -> Positions:
        """All rows under a filter, in its order. A view this report has not keeps all rows. Raises ``TooSlow``."""
        since = self.earlier.source.folder if self.earlier else None
        key = (self.source.folder, since, wanted)
        found: Positions = _lists.get(key, lambda: self._sorted(wanted))
        return found

    def _sorted(self, wanted: RowFilter) -> Positions:
        everything = self.views()
        mask = self._filtered(wanted) & everything.get(wanted.view, everything["all"])()
        kept = np.flatnonzero(mask).astype(np.int32)
        values = self._order(wanted.sort)
        # Equal ones stay in row order; what has no value comes last.
        return kept if values is None else kept[np.argsort(values[kept], kind="stable")]

    def _order(self, sort: str) -> npt.NDArray[Any] | None:
        """Numbers to sort by, from the smallest; None for row order."""
        name, sign = sort.removeprefix("-"), -1 if sort.startswith("-") else 1
        student = self.student
        if name == "confidence" and student is not None and student.confidence is not None:
            return np.asarray(sign * student.confidence)
        if name == "wrong" and self.marks.candidates:
            return np.asarray(sign * sum(c.wrong.astype(np.int16) for c in self.marks.candidates.values()))
        if name == "length":
            return sign * self.marks.length
        if name == "target":
            ranks = np.argsort(np.argsort(np.array([*self.marks.targets], dtype=object)))
            last = len(ranks)
            return np.append(ranks, last)[self.marks.target]
        return None

    def _filtered(self, wanted: RowFilter) -> Mask:
        """Rows under everything but the view. Nobody may change it."""
        alone = replace(wanted, view="all", sort="")
        return self._remembered(alone, lambda: self._mask(alone))

    def _mask(self, wanted: RowFilter) -> Mask:
        marks, student = self.marks, self.student
        mask: Mask = np.ones(marks.rows, dtype=bool)
        for word in words(wanted.search):
            mask &= self._searched(word)
        if wanted.tag:
            mask &= self._holding("contains(tags, ?)", json.dumps(wanted.tag, ensure_ascii=False))
        if wanted.label:
            key = answer_key(wanted.label)
            mask &= marks.target == (marks.targets.index(key) if key in marks.targets else -2)
        if wanted.answer and student is not None:
            mask &= student.key == number_of(answer_key(wanted.answer))
        if wanted.failed:
            failing = marks.candidates.get(wanted.failed)
            mask &= failing.failed if failing is not None else False
        if wanted.shortest is not None:
            mask &= marks.length >= wanted.shortest
        if wanted.longest is not None:
            mask &= marks.length <= wanted.longest
        if wanted.group is not None:
            chosen = np.zeros(marks.rows, dtype=bool)
            chosen[list(self.groups[wanted.group - 1])] = True
            mask &= chosen
        if wanted.below is not None:
            mask &= below(student, wanted.below) if student is not None else False
        return mask

    def _searched(self, word: str) -> Mask:
        """Rows that hold a piece of text. A report written before there was a search index reads all of its texts."""
        index = open_search(self.source.folder)
        if index is None:
            return self._holding("contains(_search, ?)", word)
        found: Mask = _lists.get((self.source.folder, "search", word), lambda: index.holding(word))
        return found

    def _holding(self, condition: str, value: str) -> Mask:
        """Rows whose column meets a condition."""
        sql = f"SELECT _rid FROM read_parquet(?) WHERE {condition}"  # noqa: S608 -- one of two conditions above
        key = (self.source.folder, sql, value)
        found = _lists.get(key, lambda: ask_positions(sql, [self._file, value], root=self.source.root))
        mask: Mask = np.zeros(self.marks.rows, dtype=bool)
        mask[found] = True
        return mask

    def counts(self, wanted: RowFilter) -> dict[str, int]:
        """Rows in each view under the rest of the filter."""
        mask = self._filtered(wanted)
        return {view: int(np.count_nonzero(mask & make())) for view, make in self.views().items()}

    # --- rows -----------------------------------------------------------------------------------------------------

    def page(
        self, wanted: RowFilter, *, after: int | None = None, before: int | None = None, size: int = PAGE
    ) -> ItemPage:
        """One page in the filter's order: the rows after row ``after``, or the last ones before row ``before``."""
        found = self.positions(wanted)
        if before is not None:
            end = self._place(found, before, wanted)
            start = max(0, end - size)
        else:
            start = 0 if after is None else self._place(found, after, wanted, past=True)
            end = min(len(found), start + size)
        rows = self.rows([int(rid) for rid in found[start:end]])
        if not rows:
            return ItemPage([], None, None)
        return ItemPage(rows, rows[0].rid if start else None, rows[-1].rid if end < len(found) else None, start)

    @staticmethod
    def _place(found: Positions, rid: int, wanted: RowFilter, *, past: bool = False) -> int:
        """Where a row stands in the list (or behind it, with ``past``); where it would stand when it is not in it."""
        if not wanted.sort:
            return int(np.searchsorted(found, rid, side="right" if past else "left"))
        at = np.flatnonzero(found == rid)
        return int(at[0]) + past if len(at) else 0

    def neighbours(self, rid: int, wanted: RowFilter) -> tuple[int | None, int | None]:
        """Positions of the rows before and after this one under a filter."""
        found = self.positions(wanted)
        start, end = self._place(found, rid, wanted), self._place(found, rid, wanted, past=True)
        before = int(found[start - 1]) if start > 0 else None
        return before, int(found[end]) if end < len(found) else None

    def rows(self, rids: Sequence[int]) -> list[ItemRow]:
        """The rows at these positions in this order, long texts cut, without their prompts."""
        previews = open_previews(self.source.folder)
        if previews is not None:
            return [self._row(record) for record in previews.rows(rids)]
        found = {record["_rid"]: record for record in self._read(rids)}
        return [replace(self._row(found[rid]), prompt=[]) for rid in rids]

    def row(self, rid: int) -> ItemRow | None:
        """The whole row at a position, or None."""
        if not 0 <= rid < self.marks.rows:
            return None
        return self._row(next(iter(self._read([rid]))))

    def earlier_row(self, rid: int) -> ItemRow | None:
        """The same row in the earlier report, or None."""
        place = int(self.places[rid])
        return self.earlier.row(place) if self.earlier is not None and place >= 0 else None

    @property
    def _file(self) -> str:
        return str(self.source.folder / ITEMS_FILE)

    def _read(self, rids: Sequence[int]) -> list[dict[str, Any]]:
        wanted = ["_rid", *COMMON[:-1], *(column(n, f) for n in self.names for f in FIELDS)]
        columns = [name for name in wanted if name in _columns(self._file)]
        quoted = ", ".join(f'"{name}"' for name in columns)
        condition = "_rid = ?" if len(rids) == 1 else "_rid IN (SELECT unnest(?))"
        sql = f"SELECT {quoted} FROM read_parquet(?) WHERE {condition}"  # noqa: S608 -- our own columns
        value = rids[0] if len(rids) == 1 else list(rids)
        found = ask(sql, [self._file, value], root=self.source.root)
        return [dict(zip(columns, record, strict=True)) for record in found]

    def _row(self, record: Mapping[str, Any]) -> ItemRow:
        get = record.get
        answers = [
            Answer(name, *(get(column(name, f), False if f == "asked" else None) for f in FIELDS))
            for name in self.names
        ]
        return ItemRow(
            rid=int(record["_rid"]),
            id=record["id"],
            question=get("question") or "",
            teacher=get("teacher"),
            reference=get("reference"),
            answers=answers,
            prompt=json.loads(record["prompt"]) if get("prompt") else [],
            tags=json.loads(record["tags"]) if get("tags", "[]") != "[]" else [],
        )


@lru_cache(maxsize=16)
def open_search(folder: Path) -> SearchIndex | None:
    """Which rows of a report folder hold a text, or None for a report that has no index."""
    return SearchIndex(folder / SEARCH_FOLDER) if (folder / SEARCH_FOLDER).is_dir() else None


@lru_cache(maxsize=64)
def _columns(file: str) -> frozenset[str]:
    import pyarrow.parquet as pq

    return frozenset(pq.read_schema(file).names)
