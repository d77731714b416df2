"""The report's first sentence: can the student replace the teacher? In plain words, from the figures alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evaluation.statistics import Estimate, PairedCounts, paired_difference, rows_needed, verdict_of_margin
from evaluation.wording import interval, percent, point_range, points

Tone = Literal["good", "bad", "unclear", "plain"]
FEW_ROWS = 30


@dataclass(frozen=True)
class Verdict:
    """``sentence`` answers the question, ``details`` say what it rests on, ``tone`` colours it."""

    sentence: str
    tone: Tone
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made from. Estimates are proportions; ``pairs`` is student against teacher by the reference."""

    rows: int
    accuracy: Estimate | None = None
    agreement: Estimate | None = None
    teacher_accuracy: Estimate | None = None
    pairs: PairedCounts | None = None
    base_name: str = ""
    base_difference: Estimate | None = None
    base_measure: str = ""
    same_answers: bool = False
    """The teacher's answers are the references themselves."""
    similarity: Estimate | None = None
    """Word overlap, for free text, where exact matches say little."""


def decide(evidence: Evidence, *, margin: float) -> Verdict:
    """The verdict. ``margin`` (a proportion) is the loss of accuracy that would still be accepted."""
    if evidence.rows == 0:
        return Verdict("There are no held-out rows, so nothing was measured.", "unclear")
    details = _details(evidence)
    if evidence.pairs is not None and evidence.pairs.n and not evidence.same_answers:
        return _against_reference(evidence.pairs, evidence, margin=margin, details=details)
    figure = evidence.agreement or evidence.accuracy
    if figure is None:
        return Verdict(
            "There is nothing to judge by: no held-out row has a teacher's answer or a reference that the student was asked.",
            "unclear",
            details,
        )
    if evidence.similarity is not None:
        return Verdict(
            f"The student's answers share {percent(evidence.similarity.value)} of their words with the answers they should "
            f"resemble ({interval(evidence.similarity)}), and "
            f"{percent(figure.value)} are the same word for word, over {figure.n:,} held-out {_rows(figure.n)}.",
            "plain",
            details,
        )
    what = "gives the teacher's answer" if evidence.agreement is not None else "gives the right answer"
    return Verdict(
        f"The student {what} on {percent(figure.value)} of {figure.n:,} held-out {_rows(figure.n)} ({interval(figure)}).",
        "plain",
        details,
    )


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def _against_reference(pairs: PairedCounts, evidence: Evidence, *, margin: float, details: list[str]) -> Verdict:
    difference = paired_difference(pairs)
    if difference is None:
        return Verdict("There is nothing to judge by: no row has both answers and a reference.", "unclear", details)
    student, teacher = (pairs.both + pairs.only_a) / pairs.n, (pairs.both + pairs.only_b) / pairs.n
    facts = (
        f"it is right on {percent(student)} of {pairs.n:,} held-out {_rows(pairs.n)}, the teacher on {percent(teacher)} "
        f"(difference {points(difference.value, signed=True)}, {point_range(difference)})"
    )
    outcome = verdict_of_margin(difference, margin=margin)
    if outcome == "within":
        return Verdict(f"The student can replace the teacher within {points(margin)}: {facts}.", "good", details)
    if outcome == "outside":
        return Verdict(
            f"The student does not replace the teacher within {points(margin)}: {facts}.",
            "bad",
            details,
        )
    needed = rows_needed(pairs, margin=margin)
    more = max(0, needed - pairs.n) if needed is not None else None
    wish = (
        f" About {_rounded(more)} more held-out rows would settle it." if more else " More held-out rows may settle it."
    )
    return Verdict(
        f"Whether the student can replace the teacher within {points(margin)} is not clear yet: {facts}.{wish}",
        "unclear",
        details,
    )


def _rounded(n: int) -> str:
    """A row count to two figures: it is an estimate and should read like one."""
    digits = max(0, len(str(n)) - 2)
    return f"{round(n, -digits):,}"


def _details(evidence: Evidence) -> list[str]:
    found = []
    if evidence.same_answers:
        found.append(
            "The teacher's answers are the references themselves on every row, so agreement and accuracy are one figure, and "
            "the teacher's accuracy says nothing."
        )
    elif evidence.agreement is not None and evidence.pairs is not None and evidence.pairs.n:
        found.append(
            f"It gives the teacher's answer on {percent(evidence.agreement.value)} of the rows ({interval(evidence.agreement)})."
        )
    gap = evidence.base_difference
    if gap is not None:
        where = point_range(gap)
        if gap.low > 0:
            found.append(
                f"By {evidence.base_measure} it is {points(gap.value)} ahead of {evidence.base_name} ({where})."
            )
        elif gap.high < 0:
            found.append(
                f"By {evidence.base_measure} it is {points(-gap.value)} behind {evidence.base_name} ({where})."
            )
        else:
            found.append(
                f"By {evidence.base_measure} it cannot be told apart from {evidence.base_name} "
                f"(difference {points(gap.value, signed=True)}, {where})."
            )
    if 0 < evidence.rows < FEW_ROWS:
        found.append(f"Only {evidence.rows} held-out {_rows(evidence.rows)}: every figure here is rough.")
    return found
