"""The report's first sentence: can the student replace the teacher? In plain words, from the figures alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from evaluation.statistics import Estimate, NonInferiority, PairedCounts, noninferiority_of_pairs
from evaluation.wording import interval, p_value, percent, point_range, points, rounded

Tone = Literal["good", "bad", "unclear", "plain"]
FEW_ROWS = 30
FEW_CLUSTERS = 20


@dataclass(frozen=True)
class Verdict:
    """``sentence`` answers the question, ``details`` say what it rests on, ``tone`` colours it."""

    sentence: str
    tone: Tone
    details: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Evidence:
    """What a verdict is made from. Estimates are proportions; ``pairs`` is student against teacher by the reference.

    ``test`` is the test against the margin; where it is missing the one of ``pairs`` is made. A test of ``means`` (student's,
    teacher's) of a ``measure`` that is no yes or no goes before that of the pairs.
    """

    rows: int
    accuracy: Estimate | None = None
    agreement: Estimate | None = None
    teacher_accuracy: Estimate | None = None
    pairs: PairedCounts | None = None
    test: NonInferiority | None = None
    means: tuple[float, float] | None = None
    measure: str = ""
    cluster_name: str = ""
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
    if not evidence.same_answers:
        test = evidence.test
        if test is None and evidence.pairs is not None and evidence.pairs.n:
            test = noninferiority_of_pairs(evidence.pairs, margin=margin)
        if test is not None and test.n:
            return _against_teacher(test, evidence, margin=margin, details=details)
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


def _against_teacher(test: NonInferiority, evidence: Evidence, *, margin: float, details: list[str]) -> Verdict:
    facts = _facts(test, evidence)
    if test.p is None or test.p_worse is None:
        return Verdict(
            f"Whether the student replaces the teacher within {points(margin)} cannot be told: {facts}. {test.reason}",
            "unclear",
            details,
        )
    details = [*details, *_of_clusters(test, evidence)]
    if test.outcome == "within":
        sentence = f"The student replaces the teacher within {points(margin)} ({p_value(test.p)}): {facts}."
        return Verdict(sentence, "good", details)
    if test.outcome == "outside":
        sentence = (
            f"The student does not replace the teacher within {points(margin)} ({p_value(test.p_worse)}): {facts}."
        )
        return Verdict(sentence, "bad", details)
    more = max(0, test.rows_needed - test.n) if test.rows_needed is not None else None
    wish = (
        f"About {rounded(more)} more held-out rows are needed to tell."
        if more
        else "More held-out rows may settle it."
        if test.rows_needed is not None
        else "The loss is the accepted one itself, so no number of rows is sure to settle it."
    )
    return Verdict(
        f"Whether the student replaces the teacher within {points(margin)} cannot be told yet ({p_value(test.p)}): {facts}. "
        f"{wish}",
        "unclear",
        details,
    )


def _facts(test: NonInferiority, evidence: Evidence) -> str:
    pairs, rows = evidence.pairs, f"{test.n:,} held-out {_rows(test.n)}"
    gap = ""
    if test.difference is not None:
        gap = f" (difference {points(test.difference.value, signed=True)}, {point_range(test.difference)})"
    if evidence.means is not None:
        student, teacher = evidence.means
        return f"its {evidence.measure} is {percent(student)} over {rows}, the teacher's {percent(teacher)}{gap}"
    if pairs is None or not pairs.n:
        return f"over {rows}{gap}"
    student, teacher = (pairs.both + pairs.only_a) / pairs.n, (pairs.both + pairs.only_b) / pairs.n
    return f"it is right on {percent(student)} of {rows}, the teacher on {percent(teacher)}{gap}"


def _of_clusters(test: NonInferiority, evidence: Evidence) -> list[str]:
    """What counting by clusters did to the test, where it was asked for."""
    if test.clusters is None:
        return []
    name = f" by {evidence.cluster_name}" if evidence.cluster_name else ""
    found = [
        f"Rows are counted in {test.clusters:,} groups{name}, because rows of one group resemble each other: "
        f"{test.n:,} rows weigh like {max(1, round(test.n / test.design_effect)):,} independent ones."
    ]
    if test.clusters < FEW_CLUSTERS:
        found.append(f"{test.clusters} groups are few: the interval is wide for that reason, and still rough.")
    return found


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
