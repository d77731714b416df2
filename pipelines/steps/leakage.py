"""Finding rows that must not be trained on: held-back questions, copies of them, and what was made from them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vault.lineage import Families, exact_key, group_of, names, parents, question, question_key
from vault.quality.near_duplicates import find_matches
from vault.quality.signed_texts import Beat
from vault.rows import Row

SAME = "the same prompt"
NORMALISED = "the same prompt in other case, spaces or signs"
LINEAGE = "made from a held-back row or with it"
GROUP = "of the same group"
NEAR = "nearly the same prompt"
KINDS = (SAME, NORMALISED, LINEAGE, GROUP, NEAR)

Rows = Callable[[], Iterable[Row]]
"""A dataset that can be read again from the start."""


class Source(NamedTuple):
    """Rows that are held back, and what to call them: “the test rows”."""

    name: str
    folder: Path
    rows: Rows


class Leak(NamedTuple):
    """Why a row may not be trained on. ``other``: the held-back row's place in :class:`HeldBack`."""

    kind: str
    other: int
    similarity: float = 1.0


@dataclass
class HeldBack:
    """What is known of the held-back rows. Memory: about 400 bytes a row; no texts."""

    families: Families
    group_field: str = ""
    sources: list[str] = field(default_factory=list)
    _ids: list[str] = field(default_factory=list)
    _source: array[int] = field(default_factory=lambda: array("H"))
    _row: array[int] = field(default_factory=lambda: array("q"))
    _exact: dict[str, int] = field(default_factory=dict)
    _normalised: dict[str, int] = field(default_factory=dict)
    _family: dict[str, int] = field(default_factory=dict)
    _group: dict[str, int] = field(default_factory=dict)

    def add(self, source: Source) -> None:
        """Learn the rows of a source; all families must be tied by then."""
        self.sources.append(source.name)
        for number, row in enumerate(source.rows()):
            place = len(self._ids)
            self._ids.append(row.id)
            self._source.append(len(self.sources) - 1)
            self._row.append(number)
            self._exact.setdefault(exact_key(row), place)
            self._normalised.setdefault(question_key(row), place)
            for name in (*names(row), *parents(row.meta)):
                self._family.setdefault(self.families.of(name), place)
            if self.group_field and (group := group_of(row, self.group_field)) is not None:
                self._group.setdefault(group, place)

    def __len__(self) -> int:
        return len(self._ids)

    def leak_of(self, row: Row) -> Leak | None:
        """Why this row may not be trained on, as far as it can be told without comparing texts."""
        if (place := self._exact.get(exact_key(row))) is not None:
            return Leak(SAME, place)
        if (place := self._normalised.get(question_key(row))) is not None:
            return Leak(NORMALISED, place)
        for name in (*names(row), *parents(row.meta)):
            if (place := self._family.get(self.families.of(name))) is not None:
                return Leak(LINEAGE, place)
        if self.group_field and (group := group_of(row, self.group_field)) is not None:
            place = self._group.get(group)
            return None if place is None else Leak(GROUP, place)
        return None

    def source_of(self, leak: Leak) -> str:
        """The name of the source that holds the held-back row."""
        return self.sources[self._source[leak.other]]

    def reason(self, leak: Leak) -> str:
        """The whole sentence that goes with a dropped row."""
        other = f"row {self._row[leak.other] + 1:,} (id {self._ids[leak.other]}) of {self.source_of(leak)}"
        if leak.kind == SAME:
            return f"The same prompt as {other}."
        if leak.kind == NORMALISED:
            return f"Differs only in case, spaces or signs from {other}."
        if leak.kind == LINEAGE:
            return f"Made from {other}, or from the row that one was made from."
        if leak.kind == GROUP:
            return f"Of the same {self.group_field} as {other}."
        return f"{min(99, round(100 * leak.similarity))} % like {other}."


def tie_families(folders: Iterable[Path]) -> Families:
    """The families of all rows of these dataset folders."""
    families = Families()
    for folder in folders:
        families.read(folder)
    return families


def find_leaks(
    rows: Rows, held: HeldBack, sources: Sequence[Source], *, threshold: float, beat: Beat, scratch: Path | None = None
) -> dict[int, Leak]:
    """Position of each row that may not be trained on → why. ``sources`` are those that ``held`` has learnt, in order.

    Reads ``rows`` twice, and the sources once more. What nearly all rows share is not compared; see
    :mod:`vault.quality.near_duplicates`.
    """
    leaks: dict[int, Leak] = {}
    for position, row in enumerate(rows()):
        leak = held.leak_of(row)
        if leak is not None:
            leaks[position] = leak
    left = array("q")

    def asked() -> Iterator[str]:
        for position, row in enumerate(rows()):
            if position not in leaks:
                left.append(position)
                yield question(row)

    known = (question(row) for source in sources for row in source.rows())
    found = find_matches(asked(), against=known, threshold=threshold, beat=beat, scratch=scratch)
    for position, other, alike in zip(left, found.other.tolist(), found.similarity.tolist(), strict=True):
        if other >= 0:
            leaks[position] = Leak(NEAR, other, alike)
    return leaks
