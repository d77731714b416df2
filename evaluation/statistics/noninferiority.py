"""Is the student no worse than the teacher by more than a margin that was set before? One-sided tests on the same rows.

Decided at a one-sided 2.5 %, so that the answer is that of the two-sided 95 % interval: "within" when all of it lies above
minus the margin, "outside" when all of it lies below.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

from evaluation.statistics.distributions import normal_quantile, student_quantile, student_tail, upper_tail
from evaluation.statistics.estimates import CONFIDENCE, Estimate, all_finite, cluster_effect, z_value
from evaluation.statistics.paired import PairedCounts, paired_difference, tango_score

Outcome = Literal["within", "outside", "unclear"]
POWER = 0.8
"""How likely a wished-for number of rows is to settle the question, if the rates stay as seen."""
SCORE = "Tango's score test"
MEAN = "one-sided t-test of the paired differences"


class NonInferiority(NamedTuple):
    """``p``: of losing ``margin`` or more, small when the student holds up. ``p_worse``: of losing at most that, small when
    it does not. ``difference`` is student − teacher. ``clusters`` is None where rows count one by one. Without a test ``p`` is
    None and ``reason`` says why. ``rows_needed``: in total, at the rates seen; None when no number would settle it."""

    outcome: Outcome
    p: float | None
    p_worse: float | None
    difference: Estimate | None
    method: str
    margin: float
    alpha: float
    n: int
    rows_needed: int | None = None
    clusters: int | None = None
    design_effect: float = 1.0
    reason: str = ""


def verdict_of_margin(difference: Estimate, *, margin: float) -> Outcome:
    """Non-inferiority read from an interval of ``student - teacher``: ``within`` when all of it lies above ``-margin``,
    ``outside`` when all of it lies below, otherwise ``unclear``."""
    if difference.low > -margin:
        return "within"
    return "outside" if difference.high < -margin else "unclear"


def noninferiority_of_pairs(
    hits: Sequence[tuple[bool, bool]] | PairedCounts,
    *,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    confidence: float = CONFIDENCE,
) -> NonInferiority:
    """Right or wrong on the same rows: Tango's (1998) score test of ``student - teacher = -margin``.

    ``hits`` are ``(student, teacher)`` per row, or their counts when rows are independent. With ``clusters`` the counts are
    divided by the design effect (Rao and Scott 1992), enlarged for few clusters as Korn and Graubard (1998) do.
    """
    alpha = (1 - confidence) / 2
    counts = hits if isinstance(hits, PairedCounts) else _count(hits)
    n = round(counts.n)
    if n == 0:
        return _unknown(SCORE, margin, alpha, n, "There is no row that both were judged on.")
    effect, number = 1.0, None
    if clusters is not None and not isinstance(hits, PairedCounts):
        effect, number = cluster_effect([float(a) - float(b) for a, b in hits], clusters, confidence=confidence)
        if number < 2:
            return _unknown(SCORE, margin, alpha, n, _ONE_CLUSTER)
    seen = counts.scaled(1 / effect)
    interval = paired_difference(seen, confidence=confidence)
    assert interval is not None
    if margin >= 1:
        p, p_worse = 0.0, 1.0
    else:
        z = tango_score(seen, difference=-margin)
        p, p_worse = upper_tail(z), upper_tail(-z)
    return NonInferiority(
        outcome=_decide(p, p_worse, alpha),
        p=p,
        p_worse=p_worse,
        difference=interval._replace(n=n),
        method=SCORE if number is None else f"{SCORE} on clusters",
        margin=margin,
        alpha=alpha,
        n=n,
        rows_needed=rows_needed(counts, margin=margin, confidence=confidence, effect=effect),
        clusters=number,
        design_effect=effect,
    )


def noninferiority_of_means(
    differences: Sequence[float],
    *,
    margin: float,
    clusters: Sequence[Hashable] | None = None,
    span: float = 1.0,
    confidence: float = CONFIDENCE,
) -> NonInferiority:
    """Scores on the same rows: one-sided t-test of the mean of ``student - teacher`` against ``-margin``.

    ``span`` is the largest difference a row can show. The variance counts two further rows, one of which differs by it (what
    Agresti and Min 2005 do for proportions), so that a sample without spread does not promise certainty. With ``clusters`` the
    variance is multiplied by the design effect and the degrees of freedom are those of the clusters.
    """
    alpha, n = (1 - confidence) / 2, len(differences)
    if n == 0:
        return _unknown(MEAN, margin, alpha, n, "There is no row that both were judged on.")
    if not all_finite(differences):
        return _unknown(MEAN, margin, alpha, n, "A score is not a number.")
    if n == 1:
        return _unknown(MEAN, margin, alpha, n, "One row shows no spread, so nothing can be said of chance.")
    effect, number = 1.0, None
    if clusters is not None:
        # The factor for few clusters is left out: the degrees of freedom below are theirs already.
        effect, number = cluster_effect(differences, clusters, confidence=confidence, few=False)
        if number < 2:
            return _unknown(MEAN, margin, alpha, n, _ONE_CLUSTER)
    degrees = (n if number is None else number) - 1
    mean = math.fsum(differences) / n
    variance = (math.fsum((d - mean) ** 2 for d in differences) + span * span) / (n + 1) * effect
    error = math.sqrt(variance / n)
    half = student_quantile(1 - alpha, degrees) * error
    t = (mean + margin) / error
    p, p_worse = student_tail(t, degrees), student_tail(-t, degrees)
    return NonInferiority(
        outcome=_decide(p, p_worse, alpha),
        p=p,
        p_worse=p_worse,
        difference=Estimate(mean, max(-span, mean - half), min(span, mean + half), n),
        method=MEAN if number is None else f"{MEAN} on clusters",
        margin=margin,
        alpha=alpha,
        n=n,
        rows_needed=_rows(variance, gap=abs(mean + margin), confidence=confidence),
        clusters=number,
        design_effect=effect,
    )


def rows_needed(
    counts: PairedCounts, *, margin: float, confidence: float = CONFIDENCE, power: float = POWER, effect: float = 1.0
) -> int | None:
    """About how many rows in total would settle the question with probability ``power`` at the rates seen so far.

    None without rows, and when the difference is the margin itself: no number of rows would. ``effect``: design effect.
    """
    if counts.n == 0:
        return None
    # One discordant row more on each side keeps a sample that agreed everywhere from promising certainty.
    discordant = (counts.only_a + counts.only_b + 2) / (counts.n + 2)
    variance = max(discordant - counts.difference**2, 1e-9) * effect
    return _rows(variance, gap=abs(counts.difference + margin), confidence=confidence, power=power)


_ONE_CLUSTER = "All rows belong to one cluster, so nothing can be said of chance."


def _count(hits: Sequence[tuple[bool, bool]]) -> PairedCounts:
    both = sum(a and b for a, b in hits)
    first, second = sum(a for a, _ in hits), sum(b for _, b in hits)
    return PairedCounts(both, first - both, second - both, len(hits) - first - second + both)


def _rows(variance: float, *, gap: float, confidence: float, power: float = POWER) -> int | None:
    if gap < 1e-9:
        return None
    return math.ceil(variance * ((z_value(confidence) + normal_quantile(power)) / gap) ** 2)


def _decide(p: float, p_worse: float, alpha: float) -> Outcome:
    if p <= alpha:
        return "within"
    return "outside" if p_worse <= alpha else "unclear"


def _unknown(method: str, margin: float, alpha: float, n: int, reason: str) -> NonInferiority:
    return NonInferiority("unclear", None, None, None, method, margin, alpha, n, reason=reason)
