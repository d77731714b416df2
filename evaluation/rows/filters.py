"""Which rows of a report to show, and in which order: views, sorts, and the filter around both."""

from __future__ import annotations

from dataclasses import dataclass

UNSURE = 0.5
VIEWS = {
    "all": "All rows",
    "wrong": "Student wrong",
    "differs": "Differs from teacher",
    "lost": "Student wrong, teacher right",
    "won": "Student right, teacher wrong",
    "unsure": "Student unsure",
    "judge": "Judge and metric disagree",
    "failed": "Failures",
    "changed": "Changed since the earlier student",
    "fixed": "Fixed since",
    "broken": "Broken since",
    "still": "Still wrong",
}
"""Name in the address → what the tab says, in the order of the tabs. The last four need an earlier report."""

SORTS = {
    "": "Row order",
    "confidence": "Student least sure first",
    "-confidence": "Student surest first",
    "-wrong": "Most candidates wrong first",
    "target": "Right answer, A to Z",
    "-length": "Longest question first",
    "length": "Shortest question first",
}
"""Name in the address → what the menu says."""


@dataclass(frozen=True)
class RowFilter:
    """What to show. ``view`` is one of :data:`VIEWS`; ``label`` a right answer, ``answer`` a student's answer, both in any
    spelling; ``search`` words that must all occur; ``failed`` a candidate that has no answer; ``tag`` a row's tag; ``below``
    a bound of the student's confidence; ``shortest`` and ``longest`` bound the question's characters; ``group`` is the number of
    a group of lost rows, from 1. ``sort`` is one of :data:`SORTS`. Empty fields do not filter."""

    view: str = "all"
    search: str = ""
    label: str = ""
    answer: str = ""
    failed: str = ""
    tag: str = ""
    below: float | None = None
    shortest: int | None = None
    longest: int | None = None
    group: int | None = None
    sort: str = ""

    @property
    def active(self) -> bool:
        """Whether anything but the view filters."""
        numbers = (self.below, self.shortest, self.longest, self.group)
        return bool(self.search or self.label or self.answer or self.failed or self.tag) or any(
            n is not None for n in numbers
        )
