"""Let the student answer where it is sure and hand the rest back to the teacher: what that costs and how good it is.

Pure. The threshold is chosen on one half of the rows and confirmed on the other, because the half that chose it flatters it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from evaluation.statistics import (
    Estimate,
    NonInferiority,
    clustered_bootstrap,
    noninferiority_of_means,
    noninferiority_of_pairs,
)
from evaluation.statistics.estimates import cluster_sums

LEAST = 40
"""With fewer rows half of them would say nothing."""
POINTS = 40
"""Thresholds on the curve."""
RESAMPLES = 500
MOST_DRAWS = 10_000_000


class Routed(NamedTuple):
    """One row: how sure the student was (0..1), both scores (0..1, higher is better), and the row's cluster or None."""

    id: str
    confidence: float
    student: float
    teacher: float
    cluster: str | None = None


def quality(row: Routed, threshold: float) -> float:
    """The score that the row gets: the teacher's where the student's confidence is under ``threshold``."""
    return row.teacher if row.confidence < threshold else row.student


def halves(rows: Sequence[Routed], *, seed: int) -> tuple[list[Routed], list[Routed]]:
    """The rows parted by a seeded hash of their cluster or id: a row's half does not hang on which others there are."""
    parts: tuple[list[Routed], list[Routed]] = ([], [])
    for row in rows:
        digest = hashlib.sha256(f"{seed}:cascade:{row.cluster or row.id}".encode("utf-8", "surrogatepass")).digest()
        parts[digest[0] & 1].append(row)
    return parts


def thresholds(rows: Sequence[Routed], *, most: int = POINTS) -> list[float]:
    """From "hand nothing back" (0) to "hand everything back" (just above the largest confidence), at even shares of rows."""
    distinct = sorted({row.confidence for row in rows})
    if not distinct:
        return [0.0]
    ordered = sorted(row.confidence for row in rows)
    at = {ordered[min(len(ordered) - 1, len(ordered) * i // most)] for i in range(1, most)}
    above = math.nextafter(distinct[-1], math.inf)
    return sorted({0.0, *at, above})


def judge_threshold(rows: Sequence[Routed], threshold: float, *, margin: float, binary: bool) -> NonInferiority:
    """Is the cascade no worse than the teacher alone by more than ``margin``?"""
    clusters = [row.cluster for row in rows] if any(row.cluster for row in rows) else None
    if binary:
        hits = [(quality(row, threshold) >= 0.5, row.teacher >= 0.5) for row in rows]
        return noninferiority_of_pairs(hits, margin=margin, clusters=clusters)
    return noninferiority_of_means(
        [quality(row, threshold) - row.teacher for row in rows], margin=margin, clusters=clusters
    )


def choose(rows: Sequence[Routed], *, margin: float, binary: bool) -> tuple[float, str] | None:
    """``(threshold, why)``: the lowest at which the test against the margin is passed; else the lowest at which the figure
    itself loses no more than the margin (too few rows to prove it). None without rows."""
    if not rows:
        return None
    by_figure: float | None = None
    for threshold in thresholds(rows):
        found = judge_threshold(rows, threshold, margin=margin, binary=binary)
        if found.outcome == "within":
            return threshold, "tested"
        if by_figure is None and found.difference is not None and found.difference.value >= -margin - 1e-12:
            by_figure = threshold
    return (by_figure, "figure") if by_figure is not None else None


def curve(
    rows: Sequence[Routed], *, seed: int, student_usd: float | None, teacher_usd: float | None
) -> list[dict[str, float | None]]:
    """Quality with its bootstrap band (by rows or clusters), share handed back and price at each threshold.

    Prices are US dollars for 1,000 answers; the student reads every row, so its price is always paid.
    """
    import numpy as np

    steps = thresholds(rows)
    names = [row.cluster for row in rows]
    columns = [cluster_sums([quality(row, t) for row in rows], names)[0] for t in steps]
    sizes = cluster_sums([1.0] * len(rows), names)[0]
    table = np.column_stack(columns)
    count = len(sizes)
    resamples = max(min(RESAMPLES, MOST_DRAWS // count), 100)
    weights = np.random.default_rng(seed).multinomial(count, [1 / count] * count, size=resamples)
    means = (weights @ table) / (weights @ sizes)[:, None]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    found: list[dict[str, float | None]] = []
    for i, threshold in enumerate(steps):
        share = sum(row.confidence < threshold for row in rows) / len(rows)
        value = float(table[:, i].sum() / sizes.sum())
        price = None if teacher_usd is None else (student_usd or 0.0) + share * teacher_usd
        found.append(
            {
                "threshold": threshold,
                "handed_back": share,
                "quality": value,
                "low": min(float(low[i]), value),
                "high": max(float(high[i]), value),
                "usd_per_1000": price,
            }
        )
    return found


def _at(rows: Sequence[Routed], threshold: float, *, margin: float, binary: bool, seed: int) -> dict[str, Any]:
    test = judge_threshold(rows, threshold, margin=margin, binary=binary)
    figure = _mean([quality(row, threshold) for row in rows], rows, seed=seed)
    return {
        "rows": len(rows),
        "handed_back": sum(row.confidence < threshold for row in rows) / len(rows) if rows else None,
        "quality": _json(figure),
        "difference": _json(test.difference),
        "outcome": test.outcome,
        "p": test.p,
        "reason": test.reason,
    }


def _mean(values: Sequence[float], rows: Sequence[Routed], *, seed: int) -> Estimate | None:
    return clustered_bootstrap(values, [row.cluster for row in rows], seed=seed, resamples=RESAMPLES)


def _json(value: Estimate | None) -> dict[str, float] | None:
    return None if value is None else value._asdict()


def build_cascade(
    rows: Sequence[Routed],
    *,
    measure: str,
    margin: float,
    binary: bool,
    seed: int,
    student_usd: float | None = None,
    teacher_usd: float | None = None,
) -> dict[str, Any]:
    """The report's ``cascade``; see docs/concepts/evaluation.md. ``threshold`` is None with a ``reason`` where none is chosen."""
    known = [row for row in rows if all(map(math.isfinite, (row.confidence, row.student, row.teacher)))]
    found: dict[str, Any] = {
        "measure": measure, "margin": margin, "rows": len(known), "chosen_on": "half", "seed": seed, "threshold": None,
        "chosen": None, "confirmed": None, "student": _json(_mean([r.student for r in known], known, seed=seed)),
        "teacher": _json(_mean([r.teacher for r in known], known, seed=seed)), "curve": [],
        "student_usd_per_1000": student_usd, "teacher_usd_per_1000": teacher_usd, "reason": "",
    }  # fmt: skip
    if len(known) < LEAST:
        found["reason"] = (
            f"{len(known)} rows with a confidence are too few to choose a threshold on half of them; {LEAST} are needed."
        )
        return found
    found["curve"] = curve(known, seed=seed, student_usd=student_usd, teacher_usd=teacher_usd)
    first, second = halves(known, seed=seed)
    if not first or not second:
        found["reason"] = "All rows belong to one group, so there is no other half to confirm a threshold on."
        return found
    chosen = choose(first, margin=margin, binary=binary)
    if chosen is None:
        found["reason"] = "No threshold keeps the accepted loss on the rows that were to choose it."
        return found
    threshold, why = chosen
    found["threshold"] = threshold
    found["chosen"] = _at(first, threshold, margin=margin, binary=binary, seed=seed)
    found["confirmed"] = _at(second, threshold, margin=margin, binary=binary, seed=seed)
    if why == "figure":
        found["reason"] = (
            "Too few rows to prove the accepted loss on the half that chose the threshold; its figure keeps it."
        )
    return found
