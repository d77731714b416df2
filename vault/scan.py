"""What a file will become: rows with unique ids, counts, and every problem with its place. Pure; reads through a reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vault.readers.base import Reader, RowError
from vault.readers.text import detect_encoding
from vault.rows import Row

SAMPLE = 20
PROBLEMS = 200


@dataclass
class Tally:
    """Counts of what passed. ``problems`` holds the first 200; ``refused`` counts them all."""

    kept: int = 0
    refused: int = 0
    repeated: int = 0
    completions: int = 0
    references: int = 0
    line: int = 0
    problems: list[RowError] = field(default_factory=list)

    def refuse(self, problem: RowError) -> None:
        """Count a line that gave no row."""
        self.refused += 1
        self.line = problem.line
        if len(self.problems) < PROBLEMS:
            self.problems.append(problem)

    def as_json(self) -> dict[str, Any]:
        """The counts and first problems as plain JSON (kept with the upload)."""
        return {
            "kept": self.kept,
            "refused": self.refused,
            "repeated": self.repeated,
            "completions": self.completions,
            "references": self.references,
            "problems": [
                {"line": p.line, "column": p.column, "reason": p.reason, "excerpt": p.excerpt} for p in self.problems
            ],
        }


@dataclass(frozen=True)
class Preview:
    """The start of a file as it will become. ``complete``: the whole file was read, so the counts are final."""

    rows: list[Row]
    tally: Tally
    complete: bool
    notices: list[str]


def good_rows(
    items: Iterator[Row | RowError],
    tally: Tally,
    *,
    repeated: str,
    file_name: str = "",
    on_problem: Callable[[RowError], None] | None = None,
) -> Iterator[Row]:
    """The rows among ``items``, with unique ids; ``tally`` counts as they pass and ``on_problem`` hears of each refusal.

    ``repeated`` is "keep" (a second row with one id becomes ``id-2``) or "refuse" (it is a problem). Memory: about
    100 bytes a row, for the ids.
    """
    seen: dict[int, tuple[int, int]] = {}

    def refuse(problem: RowError) -> None:
        tally.refuse(problem)
        if on_problem is not None:
            on_problem(problem)

    for item in items:
        if isinstance(item, RowError):
            refuse(item)
            continue
        line = int(item.meta["source"]["line"])
        # Hashes instead of the ids themselves: a clash of two among a million has a chance of 1 in 37 million.
        first, count = seen.get(hash(item.id), (line, 0))
        seen[hash(item.id)] = (first, count + 1)
        row = item
        if count:
            tally.repeated += 1
            if repeated == "refuse":
                refuse(
                    RowError(
                        line, "id", f"The id {item.id[:60]!r} was already used on line {first}.", item.user_text[:160]
                    )
                )
                continue
            row = _numbered(item, seen, count=count + 1, line=line)
        if file_name:
            row = placed(row, file_name=file_name, line=line)
        tally.kept += 1
        tally.line = line
        tally.completions += row.completion is not None
        tally.references += row.reference is not None
        yield row


def placed(row: Row, *, file_name: str, line: int) -> Row:
    """The row with the file and line it came from in ``meta["source"]``; of several files, the one that held it."""
    file = row.meta["source"].get("part") or file_name
    return replace(row, meta={**row.meta, "source": {"file": file, "line": line} if file else {"line": line}})


def _numbered(row: Row, seen: dict[int, tuple[int, int]], *, count: int, line: int) -> Row:
    """The row with ``-2``, ``-3``… added to its id, skipping names the file uses itself."""
    while hash(name := f"{row.id}-{count}") in seen:
        count += 1
    seen[hash(name)] = (line, 1)
    return replace(row, id=name)


def preview(path: Path, reader: Reader, params: Any, *, seconds: float = 2.0, file_name: str = "") -> Preview:
    """Read a file for at most ``seconds``: its first rows, counts and problems. Raises ``ReaderError``."""
    tally = Tally()
    shown: list[Row] = []
    deadline = time.monotonic() + seconds
    complete = True
    source = good_rows(reader.rows(path, params), tally, repeated=params.repeated, file_name=file_name)
    for row in source:
        if len(shown) < SAMPLE:
            shown.append(row)
        if tally.kept % 100 == 0 and time.monotonic() > deadline:
            complete = False
            break
    return Preview(shown, tally, complete, notices(path, params, tally))


def notices(path: Path, params: Any, tally: Tally) -> list[str]:
    """Sentences about the file as a whole that are no problem of one line."""
    found = [detect_encoding(path, wanted=params.encoding).notice]
    if tally.repeated and params.repeated == "keep":
        found.append(
            f"{tally.repeated:,} {'row repeats' if tally.repeated == 1 else 'rows repeat'} an id that came before; kept, "
            "with -2, -3, … added to the id. To leave such rows out, set “Rows with an id that came before” to refuse."
        )
    return [notice for notice in found if notice]
