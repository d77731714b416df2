"""What was made with a version: runs, scores, models. The Vault knows none of them; who does registers a finder.

``evaluation`` registers its finder when the app is ready: imports go one way, from there to here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from studio.models import Workspace


@dataclass(frozen=True)
class Made:
    """A thing with a page: an adapter, a GGUF file, a report."""

    kind: str
    label: str
    href: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A student's headline figure with its 95 % interval; proportions are 0..1. ``rows``: the hash of the rows it was measured on."""

    metric: str
    value: float
    low: float | None
    high: float | None
    n: int
    rows: str
    href: str


@dataclass(frozen=True)
class Use:
    """One run that began with a version. ``trained``: whether it made a student."""

    run: str
    href: str
    state: str
    at: datetime
    pipeline: str
    by: str = ""
    trained: bool = False
    figures: list[Figure] = field(default_factory=list)
    models: list[Made] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    """Hashes of all the versions it began with."""


Finder = Callable[[Workspace, Collection[str]], dict[str, list[Use]]]
"""``f(workspace, hashes of versions)``: hash → the runs that began with it, newest first."""

_finders: list[Finder] = []


def register(finder: Finder) -> None:
    """Have uses looked up by this as well. Registering the same one twice changes nothing."""
    if finder not in _finders:
        _finders.append(finder)


def find(workspace: Workspace, shas: Collection[str]) -> dict[str, list[Use]]:
    """Hash → the runs that began with it, newest first; every hash has an entry."""
    found: dict[str, list[Use]] = {sha: [] for sha in shas}
    for finder in _finders:
        for sha, uses in finder(workspace, shas).items():
            found[sha] += uses
    return found


@dataclass(frozen=True)
class ScoreChange:
    """The same figure measured on the same held-out rows, of a student of the older version and of one of the newer."""

    metric: str
    old: Figure
    new: Figure
    old_use: Use
    new_use: Use
    same_rows: bool

    @property
    def change(self) -> float:
        """New less old."""
        return self.new.value - self.old.value

    @property
    def points(self) -> float:
        """The change in percentage points."""
        return self.change * 100

    @property
    def apart(self) -> bool:
        """Whether the intervals do not meet, so that the difference is more than chance."""
        bounds: Any = (self.old.low, self.old.high, self.new.low, self.new.high)
        if any(bound is None for bound in bounds):
            return False
        return bool(self.new.low > self.old.high or self.new.high < self.old.low)  # type: ignore[operator]


def score_changes(old: list[Use], new: list[Use]) -> list[ScoreChange]:
    """The newest trained run of each side, figure by figure; a run of both versions counts for neither side."""
    both = {use.href for use in old} & {use.href for use in new}
    left, right = (_latest_scored([use for use in uses if use.href not in both]) for uses in (old, new))
    if left is None or right is None:
        return []
    found = []
    for figure in right.figures:
        before = next((one for one in left.figures if one.metric == figure.metric), None)
        if before is not None:
            same = before.rows == figure.rows
            found.append(ScoreChange(figure.metric, before, figure, left, right, same))
    return found


def _latest_scored(uses: list[Use]) -> Use | None:
    return next((use for use in uses if use.trained and use.figures), None)
