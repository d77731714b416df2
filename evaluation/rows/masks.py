"""Which rows of a report a view holds: arithmetic on the marks of its candidates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evaluation.rows.marks import CORRECT, CORRECT_KNOWN, CandidateMarks, Mask


def known_right(candidate: CandidateMarks) -> Mask:
    """Right by the reference."""
    return candidate.has(CORRECT)


def known_wrong(candidate: CandidateMarks) -> Mask:
    """Wrong by the reference."""
    return candidate.has(CORRECT_KNOWN) & ~candidate.has(CORRECT)


def below(candidate: CandidateMarks, bound: float) -> Mask:
    """Less sure than a bound; nowhere where no confidence is known."""
    if candidate.confidence is None:
        return np.zeros(len(candidate.flags), dtype=bool)
    return np.asarray(candidate.confidence < bound)


def judge_disagrees(candidate: CandidateMarks) -> Mask:
    """The judge's grade says good and the metric wrong, or the other way round."""
    if candidate.judge is None:
        return np.zeros(len(candidate.flags), dtype=bool)
    good = candidate.judge >= 0.5
    if candidate.measure is None:
        return np.asarray(candidate.judged & ~np.isnan(candidate.judge) & (good != candidate.right))
    # Free text is hardly ever word for word the reference: there the verdict's measure says what is right.
    known = ~np.isnan(candidate.judge) & ~np.isnan(candidate.measure)
    return np.asarray(known & (good != (candidate.measure >= 0.5)))


def became(view: str, now: CandidateMarks, before: CandidateMarks, places: npt.NDArray[np.int32]) -> Mask:
    """Rows that were "fixed" or "broken", are "still" wrong or have "changed" since ``before``, whose row ``places[n]`` is
    row ``n`` of ``now`` (-1: it has none)."""
    if not len(before.key):
        return np.zeros(len(places), dtype=bool)
    shared = places >= 0
    at = np.where(shared, places, 0)
    both = shared & now.asked & before.asked[at]
    if view == "fixed":
        return both & now.judged & now.right & before.wrong[at]
    if view == "broken":
        return both & now.wrong & before.judged[at] & before.right[at]
    if view == "still":
        return both & now.wrong & before.wrong[at]
    return np.asarray(both & (now.key != before.key[at]))
