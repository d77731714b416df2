"""Questions to a report's rows: pages under a filter, one row, its neighbours, and how many rows each view holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluation.items import ITEMS_FILE, column
from evaluation.metrics.base import answer_key
from vault.query import ask, words

PAGE = 50
UNSURE = 0.5
VIEWS = {
    "all": "All rows",
    "wrong": "Student wrong",
    "differs": "Differs from teacher",
    "lost": "Student wrong, teacher right",
    "won": "Student right, teacher wrong",
    "unsure": "Student unsure",
    "failed": "Failures",
}
"""Name in the address → what the tab says, in the order of the tabs."""


@dataclass(frozen=True)
class RowFilter:
    """What to show. ``view`` is one of :data:`VIEWS`; ``label`` a right answer, ``answer`` a student's answer, both in any
    spelling; ``search`` words that must all occur. Empty fields do not filter."""

    view: str = "all"
    search: str = ""
    label: str = ""
    answer: str = ""

    @property
    def active(self) -> bool:
        """Whether anything but the view filters."""
        return bool(self.search or self.label or self.answer)


@dataclass(frozen=True)
class Answer:
    """One candidate's answer to one row, ready to be shown. ``right``: by the reference, else by the teacher; None when
    neither is known or it was not asked."""

    candidate: str
    asked: bool
    text: str | None
    written: str | None
    label: str | None
    confidence: float | None
    latency_ms: float | None
    error: str | None
    agrees: bool | None
    correct: bool | None

    @property
    def right(self) -> bool | None:
        """Right by the reference, or by the teacher where there is none."""
        return self.agrees if self.correct is None else self.correct


@dataclass(frozen=True)
class ItemRow:
    """One held-out row with every answer, in the report's order of candidates."""

    rid: int
    id: str
    question: str
    teacher: str | None
    reference: str | None
    answers: list[Answer]
    prompt: list[dict[str, Any]]
    tags: list[str]

    @property
    def by_name(self) -> dict[str, Answer]:
        """Answers by candidate."""
        return {a.candidate: a for a in self.answers}


@dataclass(frozen=True)
class ItemPage:
    """Up to 50 rows; ``before`` and ``after`` are the positions to ask for the neighbouring pages (None: there is none)."""

    rows: list[ItemRow]
    before: int | None
    after: int | None


class ItemTable:
    """The rows of one report folder below ``root``. ``report`` says who answered and what can be asked of the rows."""

    def __init__(self, folder: Path, *, root: Path, report: Mapping[str, Any]) -> None:
        candidates: Sequence[Mapping[str, Any]] = report["candidates"]
        self._candidates = candidates
        self._has_reference = bool(report["rows_with_reference"])
        self._file = str(folder / ITEMS_FILE)
        self._root = root
        self.names = [str(c["name"]) for c in candidates]
        kinds = {str(c["kind"]): str(c["name"]) for c in reversed(candidates)}
        self._student, self._teacher = kinds.get("student"), kinds.get("teacher")

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return ask(sql, [self._file, *values], root=self._root)

    def views(self) -> dict[str, str]:
        """View → SQL condition, for the views that this report's candidates make possible."""
        found = {"all": "true"}
        if self._student is not None:
            correct, agrees = _named(self._student, "correct"), _named(self._student, "agrees")
            if self._has_reference:
                found["wrong"] = f"NOT coalesce({correct}, {agrees}, true)"
            found["differs"] = f"NOT coalesce({agrees}, true)"
            if self._teacher is not None and self._has_reference:
                teacher = _named(self._teacher, "correct")
                found["lost"] = f"NOT coalesce({correct}, true) AND coalesce({teacher}, false)"
                found["won"] = f"coalesce({correct}, false) AND NOT coalesce({teacher}, true)"
            if any(c["kind"] == "student" and c["confidence"] for c in self._candidates):
                found["unsure"] = f"coalesce({_named(self._student, 'confidence')} < {UNSURE}, false)"
        if self.names:
            found["failed"] = " OR ".join(f"{_named(n, 'error')} IS NOT NULL" for n in self.names)
        return {view: found[view] for view in VIEWS if view in found}

    def _where(self, wanted: RowFilter) -> tuple[str, list[Any]]:
        parts, values = [self.views().get(wanted.view, "true")], []
        for word in words(wanted.search):
            parts.append("contains(_search, ?)")
            values.append(word)
        if wanted.label:
            parts.append("target = ?")
            values.append(answer_key(wanted.label))
        if wanted.answer and self._student is not None:
            parts.append(f"{_named(self._student, 'key')} = ?")
            values.append(answer_key(wanted.answer))
        return " AND ".join(f"({p})" for p in parts), values

    def counts(self, wanted: RowFilter) -> dict[str, int]:
        """Rows in each view under the filter's search, label and answer."""
        where, values = self._where(RowFilter("all", wanted.search, wanted.label, wanted.answer))
        views = self.views()
        counted = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in views.values())
        found = self._ask(f"SELECT {counted} FROM read_parquet(?) WHERE {where}", values)[0]  # noqa: S608 -- our own columns
        return dict(zip(views, map(int, found), strict=True))

    def page(
        self, wanted: RowFilter, *, after: int | None = None, before: int | None = None, size: int = PAGE
    ) -> ItemPage:
        """One page in row order: the rows after ``after``, or the last ones before ``before``. Positions, not offsets."""
        where, values = self._where(wanted)
        backwards = before is not None
        bound = before if before is not None else (-1 if after is None else after)
        # One row more than asked tells whether there is another page.
        records = self._ask(
            f"SELECT {self._columns()} FROM read_parquet(?) WHERE _rid {'<' if backwards else '>'} ? AND {where} "  # noqa: S608
            f"ORDER BY _rid {'DESC' if backwards else 'ASC'} LIMIT {size + 1:d}",
            [bound, *values],
        )
        more = len(records) > size
        rows = [self._row(r) for r in records[:size]]
        if backwards:
            rows.reverse()
        if not rows:
            return ItemPage([], None, None)
        has_before = more if backwards else bound >= 0
        return ItemPage(rows, rows[0].rid if has_before else None, rows[-1].rid if backwards or more else None)

    def row(self, rid: int) -> ItemRow | None:
        """The row at a position with its prompt, or None."""
        found = self._ask(f"SELECT {self._columns(prompt=True)} FROM read_parquet(?) WHERE _rid = ?", [rid])  # noqa: S608
        return self._row(found[0]) if found else None

    def neighbours(self, rid: int, wanted: RowFilter) -> tuple[int | None, int | None]:
        """Positions of the rows before and after this one under a filter."""
        where, values = self._where(wanted)
        found = self._ask(
            f"WITH rows AS (SELECT _rid FROM read_parquet(?) WHERE {where}) "  # noqa: S608
            "SELECT (SELECT max(_rid) FROM rows WHERE _rid < ?), (SELECT min(_rid) FROM rows WHERE _rid > ?)",
            [*values, rid, rid],
        )
        return found[0][0], found[0][1]

    def _columns(self, *, prompt: bool = False) -> str:
        common = ["_rid", "id", "question", "teacher", "reference", "prompt" if prompt else "'[]'", "tags"]
        return ", ".join([*common, *(_named(n, f) for n in self.names for f in _FIELDS)])

    def _row(self, record: tuple[Any, ...]) -> ItemRow:
        rid, row_id, question, teacher, reference, prompt, tags = record[:7]
        answers = []
        for i, name in enumerate(self.names):
            start = 7 + i * len(_FIELDS)
            answers.append(Answer(name, *record[start : start + len(_FIELDS)]))
        return ItemRow(
            rid=int(rid),
            id=row_id,
            question=question,
            teacher=teacher,
            reference=reference,
            answers=answers,
            prompt=json.loads(prompt),
            tags=json.loads(tags),
        )


_FIELDS = ("asked", "answer", "text", "label", "confidence", "latency_ms", "error", "agrees", "correct")
"""In the order of :class:`Answer` after its candidate."""


def _named(candidate: str, field: str) -> str:
    return f'"{column(candidate, field)}"'
