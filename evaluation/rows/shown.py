"""A row of a report as its pages show it: every candidate's answer, and pages of such rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.rows.measures import read_measures


@dataclass(frozen=True)
class Answer:
    """One candidate's answer to one row, ready to be shown. ``right``: by the reference, else by the teacher; None when
    neither is known or it was not asked."""

    candidate: str
    asked: bool = False
    answer: str | None = None
    text: str | None = None
    label: str | None = None
    confidence: float | None = None
    latency_ms: float | None = None
    judge: float | None = None
    error: str | None = None
    agrees: bool | None = None
    correct: bool | None = None
    measures: str | None = None

    @property
    def measured(self) -> list[dict[str, str]]:
        """What single metrics say of the answer, or why they failed on it."""
        return read_measures(self.measures)

    @property
    def right(self) -> bool | None:
        """Right by the reference, or by the teacher where there is none."""
        return self.agrees if self.correct is None else self.correct

    @property
    def said(self) -> str | None:
        """What it wrote, or the label it chose where it wrote nothing."""
        return self.text if self.text is not None else self.answer


FIELDS = tuple(Answer.__dataclass_fields__)[1:]
"""What items hold of a candidate's answer."""


@dataclass(frozen=True)
class ItemRow:
    """One held-out row with every answer, in the report's order of candidates."""

    rid: int
    id: str
    question: str
    teacher: str | None
    reference: str | None
    answers: list[Answer]
    prompt: list[dict[str, Any]]
    tags: list[str]

    @property
    def by_name(self) -> dict[str, Answer]:
        """Answers by candidate."""
        return {a.candidate: a for a in self.answers}


@dataclass(frozen=True)
class ItemPage:
    """Up to 50 rows; ``before`` and ``after`` are the positions to ask for the neighbouring pages (None: there is none).
    ``first`` is the place of its first row among all rows under the filter, from 0."""

    rows: list[ItemRow]
    before: int | None
    after: int | None
    first: int = 0
