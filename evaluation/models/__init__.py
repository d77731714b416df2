"""What evaluations leave in the database: their figures, and what the team says of them."""

from evaluation.models.scorecards import FlaggedRow, Score, Scorecard, Tone
from evaluation.models.signing import Decision, SignOff, SignOffPolicy, SignOffState, Verdict

__all__ = [
    "Decision",
    "FlaggedRow",
    "Score",
    "Scorecard",
    "SignOff",
    "SignOffPolicy",
    "SignOffState",
    "Tone",
    "Verdict",
]
