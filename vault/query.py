"""Questions to one dataset version, answered by DuckDB over its Parquet file: pages, search, filters, labels, lengths.

One connection a process and root, made on first use (a connection made before a fork hangs the child), a cursor a query.
The connection is sandboxed: it reads below its root and nothing else, and its settings are locked.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from studio.lib.errors import StudioError
from vault.rows import COLUMNS, ROWS_FILE, Row, decode

PAGE = 50
SECONDS = 5.0
ANSWER = "json_extract_string(completion, '$.content')"
REFERENCE = "json_extract_string(reference, '$.content')"
PROMPT_CHARS = "coalesce(list_sum(list_transform(json_extract_string(prompt, '$[*].content'), lambda x: length(x))), 0)"

_connections: dict[tuple[int, str], Any] = {}
_lock = threading.Lock()


class TooSlow(StudioError):
    """A query was stopped after five seconds."""

    def __init__(self) -> None:
        super().__init__(
            f"The search was stopped after {SECONDS:.0f} seconds.",
            action="Search for a longer or rarer text, or set another filter first.",
        )


@dataclass(frozen=True)
class Filter:
    """What to show. Empty fields do not filter. ``search``: words that must all occur (quote a phrase).

    ``has``: "completion", "no_completion", "reference" or "differs" (the answer is not the reference).
    """

    search: str = ""
    label: str = ""
    tag: str = ""
    has: str = ""
    min_chars: int | None = None
    max_chars: int | None = None

    @property
    def active(self) -> bool:
        """Whether anything is filtered."""
        return self != Filter()

    def where(self) -> tuple[str, list[Any]]:
        """A SQL condition and its bound values."""
        parts: list[str] = []
        values: list[Any] = []
        for word in words(self.search):
            parts.append("contains(_search, ?)")
            values.append(word)
        if self.label:
            parts.append(f"{ANSWER} = ?")
            values.append(self.label)
        if self.tag:
            parts.append("list_contains(json_extract_string(tags, '$[*]'), ?)")
            values.append(self.tag)
        conditions = {
            "completion": "completion IS NOT NULL",
            "no_completion": "completion IS NULL",
            "reference": "reference IS NOT NULL",
            "differs": f"completion IS NOT NULL AND reference IS NOT NULL AND {ANSWER} IS DISTINCT FROM {REFERENCE}",
        }
        if self.has in conditions:
            parts.append(conditions[self.has])
        for bound, operator in ((self.min_chars, ">="), (self.max_chars, "<=")):
            if bound is not None:
                parts.append(f"{PROMPT_CHARS} {operator} ?")
                values.append(bound)
        return " AND ".join(f"({part})" for part in parts) or "true", values


class Numbered(NamedTuple):
    """A row and its position in the version."""

    rid: int
    row: Row


@dataclass(frozen=True)
class Page:
    """Up to 50 rows. ``before`` and ``after`` are the positions to ask for the neighbouring pages (None: there is none)."""

    rows: list[Numbered]
    before: int | None
    after: int | None


class Count(NamedTuple):
    """A value and how many rows have it."""

    value: str
    rows: int


class Lengths(NamedTuple):
    """Characters of one field: smallest, median, 95th percentile, largest, and rows per histogram bin."""

    low: int
    median: int
    p95: int
    high: int
    bins: list[tuple[int, int, int]]
    """``(from, to, rows)`` of equally wide bins."""


@dataclass(frozen=True)
class Totals:
    """Counts over a whole version."""

    rows: int
    completions: int
    references: int
    differing: int


def words(search: str) -> list[str]:
    """The lower-cased words and "quoted phrases" of a search."""
    found: list[str] = []
    for index, piece in enumerate(search.lower().split('"')):
        if index % 2:
            found.append(piece)
        else:
            found.extend(piece.split())
    return [word for word in found if word.strip()]


def _connection(root: Path) -> Any:
    import duckdb

    key = (os.getpid(), str(root))
    with _lock:
        if key not in _connections:
            made = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
            allowed = str(root).replace("'", "''")
            made.execute(f"SET allowed_directories=['{allowed}/']")
            made.execute("SET enable_external_access=false")
            made.execute("SET lock_configuration=true")
            _connections[key] = made
        return _connections[key]


def ask(sql: str, values: Sequence[Any], *, root: Path) -> list[tuple[Any, ...]]:
    """All records of one query to files below ``root``, named by a bound value. Raises :class:`TooSlow` after five seconds."""
    import duckdb

    cursor = _connection(root).cursor()
    timer = threading.Timer(SECONDS, cursor.interrupt)
    timer.start()
    try:
        answer: list[tuple[Any, ...]] = cursor.execute(sql, list(values)).fetchall()
    except duckdb.InterruptException:
        raise TooSlow from None
    finally:
        timer.cancel()
        cursor.close()
    return answer


class RowTable:
    """The rows of one dataset folder below ``root``, which is all that the connection may read."""

    def __init__(self, folder: Path, *, root: Path) -> None:
        self._file = str(folder / ROWS_FILE)
        self._root = root

    def _ask(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return ask(sql, [self._file, *values], root=self._root)

    def page(self, wanted: Filter, *, after: int | None = None, before: int | None = None, size: int = PAGE) -> Page:
        """One page in row order: the rows after ``after``, or the last ones before ``before``. Positions, not offsets."""
        where, values = wanted.where()
        backwards = before is not None
        bound = before if before is not None else (-1 if after is None else after)
        # One row more than asked tells whether there is another page.
        records = self._ask(
            f"SELECT {', '.join(COLUMNS[:-1])} FROM read_parquet(?) WHERE _rid {'<' if backwards else '>'} ? AND {where} "  # noqa: S608
            f"ORDER BY _rid {'DESC' if backwards else 'ASC'} LIMIT {size + 1:d}",
            [bound, *values],
        )
        more = len(records) > size
        records = records[:size]
        if backwards:
            records.reverse()
        rows = [_numbered(record) for record in records]
        if not rows:
            return Page([], None, None)
        has_before = more if backwards else bound >= 0
        has_after = True if backwards else more
        return Page(rows, rows[0].rid if has_before else None, rows[-1].rid if has_after else None)

    def row(self, rid: int) -> Row | None:
        """The row at a position, or None."""
        found = self._ask(f"SELECT {', '.join(COLUMNS[:-1])} FROM read_parquet(?) WHERE _rid = ?", [rid])  # noqa: S608
        return _numbered(found[0]).row if found else None

    def neighbours(self, rid: int, wanted: Filter) -> tuple[int | None, int | None]:
        """The positions of the rows before and after this one under a filter."""
        where, values = wanted.where()
        sql = "SELECT (SELECT max(_rid) FROM rows WHERE _rid < ?), (SELECT min(_rid) FROM rows WHERE _rid > ?) "
        found = self._ask(
            f"WITH rows AS (SELECT _rid FROM read_parquet(?) WHERE {where}) {sql}",  # noqa: S608
            [*values, rid, rid],
        )
        return found[0][0], found[0][1]

    def count(self, wanted: Filter) -> int:
        """How many rows a filter leaves."""
        where, values = wanted.where()
        return int(self._ask(f"SELECT count(*) FROM read_parquet(?) WHERE {where}", values)[0][0])  # noqa: S608

    def totals(self) -> Totals:
        """Rows, answers, references, and answers that are not their reference."""
        differs = Filter(has="differs").where()[0]
        found = self._ask(
            f"SELECT count(*), count(completion), count(reference), count(*) FILTER (WHERE {differs}) FROM read_parquet(?)"  # noqa: S608
        )
        return Totals(*(int(value) for value in found[0]))

    def labels(self, *, limit: int = 100) -> list[Count]:
        """The commonest answers, most rows first."""
        found = self._ask(
            f"SELECT {ANSWER} AS label, count(*) AS n FROM read_parquet(?) WHERE completion IS NOT NULL "  # noqa: S608
            f"GROUP BY 1 HAVING label IS NOT NULL ORDER BY n DESC, label LIMIT {limit:d}"
        )
        return [Count(label, n) for label, n in found]

    def distinct_answers(self) -> int:
        """How many different answers there are."""
        return int(self._ask(f"SELECT count(DISTINCT {ANSWER}) FROM read_parquet(?)")[0][0])  # noqa: S608

    def tags(self, *, limit: int = 100) -> list[Count]:
        """The commonest tags, most rows first."""
        found = self._ask(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(json_extract_string(tags, '$[*]')) AS tag "  # noqa: S608
            f"FROM read_parquet(?) WHERE tags <> '[]') GROUP BY 1 ORDER BY n DESC, tag LIMIT {limit:d}"
        )
        return [Count(tag, n) for tag, n in found]

    def lengths(self, field: str, *, bins: int = 24) -> Lengths | None:
        """Lengths in characters of ``field`` ("prompt" or "completion"); None when no row has it."""
        chars, column = (PROMPT_CHARS, "prompt") if field == "prompt" else (f"length({ANSWER})", "completion")
        found = self._ask(
            f"SELECT n, count(*) FROM (SELECT {chars} AS n FROM read_parquet(?) WHERE {column} IS NOT NULL) "  # noqa: S608
            "WHERE n IS NOT NULL GROUP BY n ORDER BY n"
        )
        return summarise([(int(n), int(rows)) for n, rows in found], bins=bins)


def summarise(counts: list[tuple[int, int]], *, bins: int) -> Lengths | None:
    """Quantiles and at most ``bins`` equally wide bins of ``(length, rows)`` pairs in order; None when there are none."""
    if not counts:
        return None
    low, high = counts[0][0], counts[-1][0]
    width = (high - low) // bins + 1
    edges = [(start, start + width - 1) for start in range(low, high + 1, width)]
    rows = [0] * len(edges)
    for length, count in counts:
        rows[(length - low) // width] += count
    drawn = [(start, end, count) for (start, end), count in zip(edges, rows, strict=True)]
    return Lengths(low, _quantile(counts, 0.5), _quantile(counts, 0.95), high, drawn)


def _quantile(counts: list[tuple[int, int]], share: float) -> int:
    """The smallest length that at least this share of the rows does not exceed."""
    wanted = share * sum(rows for _, rows in counts)
    seen = 0
    for length, rows in counts:
        seen += rows
        if seen >= wanted:
            return length
    return counts[-1][0]


def _numbered(record: tuple[Any, ...]) -> Numbered:
    values = dict(zip(COLUMNS[:-1], record, strict=True))
    return Numbered(int(values["_rid"]), decode(values))
