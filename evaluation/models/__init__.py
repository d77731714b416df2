"""What evaluations leave in the database: their figures, and what the team says of them."""

from evaluation.models.blind import BlindItem, BlindReview, BlindSeat, BlindTask
from evaluation.models.golden import GoldenGrade, GoldenItem, GoldenSet
from evaluation.models.rounds import NextRound
from evaluation.models.scorecards import FlaggedRow, Score, Scorecard, Tone
from evaluation.models.sharing import ReportShare
from evaluation.models.signing import Decision, SignOff, SignOffPolicy, SignOffState, Verdict

__all__ = [
    "BlindItem",
    "BlindReview",
    "BlindSeat",
    "BlindTask",
    "Decision",
    "FlaggedRow",
    "GoldenGrade",
    "GoldenItem",
    "GoldenSet",
    "NextRound",
    "ReportShare",
    "Score",
    "Scorecard",
    "SignOff",
    "SignOffPolicy",
    "SignOffState",
    "Tone",
    "Verdict",
]
