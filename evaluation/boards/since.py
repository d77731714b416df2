"""Two students on the rows that both were judged on: who won which, and what changed. Pure: marks in, counts out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.rows.explorer import ItemTable
from evaluation.rows.marks import CandidateMarks, Marks, places_in
from evaluation.statistics import Estimate, PairedCounts, mcnemar_exact, paired_difference
from evaluation.wording import p_value, point_range, points


@dataclass(frozen=True)
class Shared:
    """Rows that two reports have in common and judged in both, by what the first (``a``) and the second (``b``) made of them.

    ``changed``: rows answered differently. ``only_in_a`` and ``only_in_b``: rows the other report has not.
    """

    counts: PairedCounts
    changed: int
    only_in_a: int
    only_in_b: int

    @property
    def difference(self) -> Estimate | None:
        """First minus second, in proportions; None without shared rows."""
        return paired_difference(self.counts) if self.counts.n else None

    @property
    def p(self) -> float:
        """Exact McNemar."""
        return mcnemar_exact(int(self.counts.only_a), int(self.counts.only_b))


def share(a: Marks, mine: CandidateMarks, b: Marks, theirs: CandidateMarks, places: Any = None) -> Shared:
    """Compare two candidates of two reports row by row. ``places``: where a's rows are in b, when known."""
    at = places_in(a, b) if places is None else places
    found = at >= 0
    only_b = b.rows - int(np.count_nonzero(found))
    if not b.rows or not a.rows:
        return Shared(PairedCounts(0, 0, 0, 0), 0, a.rows, b.rows)
    there = np.where(found, at, 0)
    both = found & mine.judged & theirs.judged[there]
    won, lost = mine.right[both], theirs.right[there][both]
    counts = PairedCounts(
        both=int(np.count_nonzero(won & lost)),
        only_a=int(np.count_nonzero(won & ~lost)),
        only_b=int(np.count_nonzero(~won & lost)),
        neither=int(np.count_nonzero(~won & ~lost)),
    )
    answered = found & mine.asked & theirs.asked[there]
    changed = int(np.count_nonzero(answered & (mine.key != theirs.key[there])))
    return Shared(counts, changed, a.rows - int(np.count_nonzero(found)), only_b)


def shared_with_earlier(table: ItemTable) -> Shared | None:
    """A table's student against that of its earlier report; None when there is none of either."""
    other = table.earlier
    if other is None or table.student is None or other.student is None:
        return None
    return share(table.marks, table.student, other.marks, other.student, table.places)


def describe(shared: Shared, *, rows_url: str, versus: str) -> dict[str, Any]:
    """What changed, for a page: each part with its count and, where the rows page has it, the address of its rows."""
    counts = shared.counts
    address = f"{rows_url}?vs={versus}&view=" if rows_url else ""

    def part(name: str, count: int, note: str, view: str) -> Mapping[str, Any]:
        return {
            "name": name,
            "count": count,
            "note": note,
            "href": address + view if address and view and count else "",
        }

    d = shared.difference
    return {
        "shared": counts.n,
        "different_set": bool(shared.only_in_a or shared.only_in_b),
        "only_here": shared.only_in_a,
        "only_there": shared.only_in_b,
        "parts": [
            part("Fixed", int(counts.only_a), "were wrong, are right", "fixed"),
            part("Broken", int(counts.only_b), "were right, are wrong", "broken"),
            part("Still wrong", int(counts.neither), "wrong both times", "still"),
            part("Right both times", int(counts.both), "", ""),
            part("Answer changed", shared.changed, "right or wrong", "changed"),
        ],
        "difference": points(d.value, signed=True) if d else "–",
        "low": points(d.low, signed=True).split()[0] if d else "",
        "high": points(d.high, signed=True).split()[0] if d else "",
        "interval": point_range(d) if d else "",
        "p": f"McNemar {p_value(shared.p)}" if counts.n else "",
    }
