"""What makes a row worth a person's look: signals, their weight, and how they read. Pure.

Each signal is a chance between 0 and 1 that something is wrong with the row; a row's score is the chance that at least one of
them is right, ``1 - Π(1 - signal)``. The order is what matters, not the number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

DIFFERS = 0.9
"""The answer is not the reference: one of them is wrong."""
CONFLICT = 0.7
"""The same prompt has another answer elsewhere in the version."""
FLAGGED = 0.5
"""A refusal, a cut-off or empty answer, personal data or a secret."""
NOTED = ("empty_answer", "refusal", "truncated", "pii", "secret")
WORDS = {
    "empty_answer": "the answer is empty",
    "refusal": "reads like a refusal",
    "truncated": "the answer is cut off",
    "pii": "holds personal data",
    "secret": "holds a secret",
}


class Signals(NamedTuple):
    """What is known of one row; None: nothing is known.

    ``agreement``: share of the teacher's samples that say the commonest answer. ``judge``: a judge's score, 0 bad to 1 good.
    ``confidence``: how sure the last student was of its answer, 0..1. ``flags``: of the profile.
    """

    agreement: float | None = None
    judge: float | None = None
    confidence: float | None = None
    differs: bool = False
    flags: Sequence[str] = ()


def score(signals: Signals) -> float:
    """How much the row is worth a look, 0..1."""
    chances = [1 - known for known in (signals.agreement, signals.judge, signals.confidence) if known is not None]
    kinds = {flag.partition(":")[0] for flag in signals.flags}
    if signals.differs:
        chances.append(DIFFERS)
    if "label_conflict" in kinds:
        chances.append(CONFLICT)
    if kinds.intersection(NOTED):
        chances.append(FLAGGED)
    left = 1.0
    for chance in chances:
        left *= 1 - min(1.0, max(0.0, chance))
    return 1 - left


def reasons(signals: Signals) -> list[str]:
    """Why, in words, for the person who looks at the row."""
    kinds = {flag.partition(":")[0] for flag in signals.flags}
    found = []
    if signals.differs:
        found.append("answer is not the reference")
    if signals.agreement is not None and signals.agreement < 1:
        found.append(f"{signals.agreement:.0%} of the teacher's samples agree".replace("%", " %"))
    if signals.judge is not None and signals.judge < 1:
        found.append(f"the judge gave {signals.judge:.0%}".replace("%", " %"))
    if signals.confidence is not None and signals.confidence < 1:
        found.append(f"the last student was {signals.confidence:.0%} sure".replace("%", " %"))
    if "label_conflict" in kinds:
        found.append("the same prompt has another answer")
    return found + [WORDS[kind] for kind in NOTED if kind in kinds]
