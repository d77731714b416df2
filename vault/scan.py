"""What a file will become: rows with unique ids, counts, and every problem with its place. Pure; reads through a reader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vault.readers.base import Reader, RowError
from vault.readers.folder import parts
from vault.readers.records import form_of
from vault.readers.text import detect_encoding
from vault.rows import Row

SAMPLE = 20
FILES = 20
"""Files of a folder whose encodings are looked at for notices."""
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

    @property
    def done(self) -> int:
        """Lines that passed; of several files, the records that passed."""
        return max(self.line, self.kept + self.refused)

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
                {"file": p.file, "line": p.line, "column": p.column, "reason": p.reason, "excerpt": p.excerpt}
                for p in self.problems
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
    seen: dict[int, tuple[int | str, int]] = {}

    def refuse(problem: RowError) -> None:
        tally.refuse(problem)
        if on_problem is not None:
            on_problem(problem)

    for item in items:
        if isinstance(item, RowError):
            refuse(item)
            continue
        line = int(item.meta["source"]["line"])
        part = item.meta["source"].get("part", "")
        where = f"line {line} of {part}" if part else line
        # Hashes instead of the ids themselves: a clash of two among a million has a chance of 1 in 37 million.
        first, count = seen.get(hash(item.id), (where, 0))
        seen[hash(item.id)] = (first, count + 1)
        row = item
        if count:
            tally.repeated += 1
            if repeated == "refuse":
                reason = f"The id {item.id[:60]!r} was already used on {first if part else f'line {first}'}."
                refuse(RowError(line, "id", reason, item.user_text[:160], part))
                continue
            row = _numbered(item, seen, count=count + 1, where=where)
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


def _numbered(row: Row, seen: dict[int, tuple[int | str, int]], *, count: int, where: int | str) -> Row:
    """The row with ``-2``, ``-3``… added to its id, skipping names the file uses itself."""
    while hash(name := f"{row.id}-{count}") in seen:
        count += 1
    seen[hash(name)] = (where, 1)
    return replace(row, id=name)


def preview(
    path: Path,
    reader: Reader,
    params: Any,
    *,
    seconds: float = 2.0,
    file_name: str = "",
    on_problem: Callable[[RowError], None] | None = None,
) -> Preview:
    """Read a file or folder for at most ``seconds``: its first rows, counts and problems. Raises ``ReaderError``."""
    tally = Tally()
    shown: list[Row] = []
    clock = _Clock(seconds)
    items = clock.until(reader.rows(path, params))
    for row in good_rows(items, tally, repeated=params.repeated, file_name=file_name, on_problem=on_problem):
        if len(shown) < SAMPLE:
            shown.append(row)
    return Preview(shown, tally, not clock.stopped, notices(path, params, tally))


class _Clock:
    """Ends an iteration after some seconds, looked at every hundred items; ``stopped`` says that there was more."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self.stopped = False

    def until(self, items: Iterator[Row | RowError]) -> Iterator[Row | RowError]:
        """The items until time is up."""
        for count, item in enumerate(items, start=1):
            yield item
            if count % 100 == 0 and time.monotonic() > self._deadline:
                self.stopped = True
                return


def notices(path: Path, params: Any, tally: Tally) -> list[str]:
    """Sentences about the file as a whole that are no problem of one line."""
    found = []
    for part in parts(path)[:FILES]:
        if form_of(part.path) in ("jsonl", "json", "delimited"):
            notice = detect_encoding(part.path, wanted=params.encoding).notice
            found.append(f"{part.name}: {notice}" if notice and part.name else notice)
    if tally.repeated and params.repeated == "keep":
        found.append(
            f"{tally.repeated:,} {'row repeats' if tally.repeated == 1 else 'rows repeat'} an id that came before; kept, "
            "with -2, -3, … added to the id. To leave such rows out, set “Rows with an id that came before” to refuse."
        )
    return [notice for notice in found if notice]
