"""What reviewers' verdicts on a row come to. Pure.

A skipped row is a missing rating: it counts neither for agreement nor for the outcome.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from vault.agreement import Share, cohen_kappa, krippendorff_alpha, wilson

ACCEPT, EDIT, REJECT, SKIP = "accept", "edit", "reject", "skip"


class Said(NamedTuple):
    """One person's verdict on one row. ``text``: the new answer of an edit."""

    seat: int
    answer: str
    text: str | None = None
    tags: tuple[str, ...] = ()

    @property
    def meaning(self) -> tuple[str, str | None]:
        """What must be equal for two verdicts to be the same."""
        return self.answer, self.text if self.answer == EDIT else None


class Outcome(NamedTuple):
    """What is to become of a row. ``answer`` is empty while nobody has judged it or while the judges differ."""

    answer: str
    text: str | None
    tags: tuple[str, ...]
    differs: bool


@dataclass(frozen=True)
class Judged:
    """A row's verdicts (open tasks left out) and what an editor decided, if anything."""

    said: tuple[Said, ...]
    decision: Said | None = None

    @property
    def ratings(self) -> list[Said]:
        """The verdicts that are not skips."""
        return [one for one in self.said if one.answer != SKIP]

    @property
    def outcome(self) -> Outcome:
        """The editor's decision, or what everybody said who did not skip."""
        tags = tuple(dict.fromkeys(tag for one in self.ratings for tag in one.tags))
        if self.decision is not None:
            return Outcome(self.decision.answer, self.decision.text, tags, False)
        meanings = {one.meaning for one in self.ratings}
        if len(meanings) == 1:
            answer, text = meanings.pop()
            return Outcome(answer, text, tags, False)
        return Outcome("", None, tags, len(meanings) > 1)

    @property
    def error(self) -> float | None:
        """Share of the verdicts that found the row wrong (edited or rejected it), 0..1; the decision alone once there is
        one; None while nobody has judged it."""
        verdicts = [self.decision] if self.decision is not None and self.decision.answer != SKIP else self.ratings
        if not verdicts:
            return None
        return sum(one.answer in (EDIT, REJECT) for one in verdicts) / len(verdicts)


def error_rate(rows: Iterable[Judged], *, population: int) -> Share | None:
    """The share of wrong rows with its interval, from the rows that were judged; None before the first one."""
    errors = [row.error for row in rows if row.error is not None]
    return wilson(math.fsum(errors), len(errors), population=population)


def alpha(rows: Iterable[Judged]) -> float | None:
    """Krippendorff's alpha of accept, edit and reject."""
    return krippendorff_alpha([[one.answer for one in row.ratings] for row in rows])


class Pair(NamedTuple):
    """Two people, the rows that both judged, how often they said the same, and Cohen's kappa."""

    first: int
    second: int
    rows: int
    same: int
    kappa: float | None


def pairs(rows: Sequence[Judged], seats: Sequence[int]) -> list[Pair]:
    """Every two people who judged at least one row in common."""
    by_row = [{one.seat: one.answer for one in row.ratings} for row in rows]
    found = []
    for first, second in combinations(seats, 2):
        shared = [(row[first], row[second]) for row in by_row if first in row and second in row]
        if shared:
            same = sum(a == b for a, b in shared)
            found.append(Pair(first, second, len(shared), same, cohen_kappa(shared)))
    return found
