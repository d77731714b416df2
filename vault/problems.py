"""The list of refused lines of one upload, kept beside its file as JSON lines: written once, browsed and downloaded."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType

from vault.exports import guard
from vault.readers.base import RowError

LIMIT = 100_000
"""Most problems kept; the counts go on."""


class ProblemLog:
    """Writes problems to ``path`` while a file is read."""

    def __init__(self, path: Path) -> None:
        self._out = path.open("w", encoding="utf-8")
        self._count = 0

    def __enter__(self) -> ProblemLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()

    def add(self, problem: RowError) -> None:
        """Keep one problem, up to 100,000 of them."""
        self._count += 1
        if self._count <= LIMIT:
            record = (problem.line, problem.column, problem.reason, problem.excerpt, problem.file)
            self._out.write(json.dumps(record, ensure_ascii=True) + "\n")


def read_problems(path: Path, *, start: int = 0, size: int | None = None) -> Iterator[RowError]:
    """The problems from number ``start`` on, at most ``size`` of them; nothing when there is no list."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as source:
        for line in islice(source, start, None if size is None else start + size):
            # Lists from before there were several files end with the excerpt.
            yield RowError(*json.loads(line))


def as_csv(found: Iterable[RowError], file_name: str) -> Iterator[str]:
    """Problems as a CSV file that a spreadsheet may open, piece by piece. ``file_name``: of those that name no file."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("file", "line", "column", "reason", "text"))
    for problem in found:
        cells = (problem.file or file_name, str(problem.line), problem.column, problem.reason, problem.excerpt)
        writer.writerow([guard(cell) for cell in cells])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
