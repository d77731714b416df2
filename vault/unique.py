"""Unique ids for rows that arrive many at a time: what :func:`vault.scan.good_rows` does row by row, with the same result."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vault.readers.base import RowError
from vault.rows import Message
from vault.scan import Tally

Numbers = npt.NDArray[np.int64]


class _Seen:
    """Which ids (as hashes) came before, and on which line first. Memory: 16 bytes an id."""

    def __init__(self) -> None:
        self._runs: list[tuple[Numbers, Numbers]] = []

    def lines(self, hashes: Numbers) -> Numbers:
        """The line on which each id came first, or -1 for one that is new. ``hashes`` are sorted."""
        found = np.full(len(hashes), -1, np.int64)
        for known, lines in self._runs:
            at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
            same = known[at] == hashes
            found[same] = lines[at[same]]
        return found

    def add(self, hashes: Numbers, lines: Numbers) -> None:
        """Remember sorted hashes, none of which is known."""
        while self._runs and len(self._runs[-1][0]) <= 2 * len(hashes):
            older, older_lines = self._runs.pop()
            hashes, lines = np.concatenate((older, hashes)), np.concatenate((older_lines, lines))
            order = np.argsort(hashes, kind="stable")
            hashes, lines = hashes[order], lines[order]
        if len(hashes):
            self._runs.append((hashes, lines))


class Admission:
    """Lets rows through with unique ids, counting in ``tally`` and telling ``on_problem`` of each refused line."""

    def __init__(self, tally: Tally, *, repeated: str, on_problem: Callable[[RowError], None] | None = None) -> None:
        self._tally, self._refuses, self._on_problem = tally, repeated == "refuse", on_problem
        self._seen = _Seen()
        self._counts: dict[int, tuple[int, int]] = {}
        """First line and number of uses of ids that were used more than once, and of names made here."""

    def admit(self, lines: Numbers, table: pa.Table, refused: list[RowError]) -> pa.Table:
        """The rows of ``table`` (one for each of ``lines``) that may stay; ``refused`` are the lines that gave none."""
        ids = table["id"].to_pylist()
        hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
        order = np.argsort(hashes)
        ranked = hashes[order]
        before = self._seen.lines(ranked)
        twice = bool((ranked[1:] == ranked[:-1]).any())
        if twice or bool((before >= 0).any()) or (self._counts and not self._counts.keys().isdisjoint(hashes.tolist())):
            earlier = np.empty_like(before)
            earlier[order] = before
            table, refused = self._number(lines, table, ids, hashes.tolist(), earlier.tolist(), refused)
        else:
            self._seen.add(ranked, lines[order])
        self._count(table, lines, refused)
        return table

    def _number(
        self,
        lines: Numbers,
        table: pa.Table,
        ids: list[str],
        hashes: list[int],
        earlier: list[int],
        refused: list[RowError],
    ) -> tuple[pa.Table, list[RowError]]:
        """Row by row, where an id comes again: the rows with their names, and what is refused now."""
        fresh: dict[int, int] = {}
        dropped: list[int] = []
        refused = list(refused)
        for index, (line, key) in enumerate(zip(lines.tolist(), hashes, strict=True)):
            known = self._counts.get(key)
            if known is None:
                first = earlier[index] if earlier[index] >= 0 else fresh.get(key, -1)
                if first < 0:
                    fresh[key] = line
                    continue
                known = first, 1
            self._counts[key] = known[0], known[1] + 1
            self._tally.repeated += 1
            if self._refuses:
                dropped.append(index)
                reason = f"The id {ids[index][:60]!r} was already used on line {known[0]}."
                refused.append(RowError(line, "id", reason, _user_text(table["prompt"][index].as_py())[:160]))
            else:
                ids[index] = self._name(ids[index], known[1] + 1, line, fresh)
        keys = np.array(sorted(fresh), np.int64)
        self._seen.add(keys, np.array([fresh[key] for key in keys.tolist()], np.int64))
        table = table.set_column(0, "id", pa.array(ids, pa.string()))
        if dropped:
            table = table.take(pa.array(np.delete(np.arange(len(ids)), dropped)))
        return table, sorted(refused, key=lambda problem: problem.line)

    def _name(self, name: str, count: int, line: int, fresh: dict[int, int]) -> str:
        """``name`` with a number that no row before this one has in its name."""
        while self._is_known(hash(numbered := f"{name}-{count}"), fresh):
            count += 1
        self._counts[hash(numbered)] = line, 1
        return numbered

    def _is_known(self, key: int, fresh: dict[int, int]) -> bool:
        return key in self._counts or key in fresh or bool(self._seen.lines(np.array([key], np.int64))[0] >= 0)

    def _count(self, table: pa.Table, lines: Numbers, refused: list[RowError]) -> None:
        tally = self._tally
        for problem in refused:
            tally.refuse(problem)
            if self._on_problem is not None:
                self._on_problem(problem)
        tally.kept += table.num_rows
        tally.completions += table.num_rows - table["completion"].null_count
        tally.references += table.num_rows - table["reference"].null_count
        tally.line = max([tally.line, *lines[-1:].tolist(), *(problem.line for problem in refused[-1:])])


def _user_text(prompt: str) -> str:
    messages: list[Message] = json.loads(prompt)
    return next((m.get("content") or "" for m in reversed(messages) if m.get("role") == "user"), "")
