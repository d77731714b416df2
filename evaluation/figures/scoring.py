"""One candidate against the held-out rows: its failures, its scores, its speed and its price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from evaluation.candidates.predictions import Candidate, Prediction
from evaluation.metrics.base import Item, Metric, same_answer, target_of
from evaluation.statistics import (
    Estimate,
    bootstrap,
    brier_estimate,
    calibration,
    calibration_error_estimate,
    expected_calibration_error,
)
from vault.rows import Row

Channel = Literal["recorded", "generated", "scored"]
"""Where an answer comes from: the rows themselves, free writing, or the likeliest label of the closed set."""


def answer_of(prediction: Prediction | None, *, channel: Channel) -> str | None:
    """The answer given through a channel, or None for a failure."""
    if prediction is None or prediction.error:
        return None
    return prediction.label if channel == "scored" else prediction.text


@dataclass(frozen=True)
class Judged:
    """A candidate's items through one channel, in the order of the rows it was asked (``positions`` in all rows)."""

    candidate: Candidate
    channel: Channel
    positions: list[int]
    items: list[Item]

    @cached_property
    def failed(self) -> int:
        """Rows it was asked and has no answer for."""
        return sum(1 for item in self.items if item.answer is None)

    @cached_property
    def empty(self) -> int:
        """Rows answered with nothing but white space."""
        return sum(1 for item in self.items if item.answer is not None and not item.answer.strip())

    def scores(self, metric: Metric, *, rows: int) -> list[float | None]:
        """Per row of the whole held-out set: its score, higher is better (1 − score where lower is), or None where there is
        nothing to judge."""
        found: list[float | None] = [None] * rows
        for position, score in zip(self.positions, metric.score_all(self.items), strict=True):
            found[position] = score if score is None or metric.higher_is_better is not False else 1 - score
        return found

    def hits(self, metric: Metric, *, rows: int) -> list[bool | None]:
        """Per row of the whole held-out set: right, wrong, or None where there is nothing to judge."""
        return [None if score is None else score >= 0.5 for score in self.scores(metric, rows=rows)]


def judge(candidate: Candidate, rows: Sequence[Row], *, channel: Channel) -> Judged:
    """Pair a candidate's answers with what they are compared with."""
    positions, items = [], []
    is_teacher = candidate.kind == "teacher"
    for position, row in enumerate(rows):
        if not candidate.was_asked(row.id):
            continue
        positions.append(position)
        prediction = candidate.answers.get(row.id)
        items.append(
            Item(
                answer=answer_of(prediction, channel=channel),
                teacher=None if is_teacher else row.completion_text,
                reference=row.reference_text,
                prompt=row.user_text,
                label=prediction.label if prediction else None,
                meta=row.meta,
                nll=prediction.nll if prediction else None,
                nll_tokens=prediction.nll_tokens if prediction else 0,
            )
        )
    return Judged(candidate, channel, positions, items)


def channels_of(candidate: Candidate) -> list[Channel]:
    """The channels a candidate answered through, the one that counts first."""
    if candidate.kind == "teacher":
        return ["recorded"]
    found: list[Channel] = []
    if any(p.text is not None for p in candidate.answers.values()):
        found.append("generated")
    if any(p.label is not None for p in candidate.answers.values()):
        found.append("scored")
    return found or ["generated"]


def estimate(value: Estimate | None) -> dict[str, float] | None:
    """An estimate as JSON."""
    return None if value is None else value._asdict()


def scores_of(
    judged: Judged, metrics: Mapping[str, Metric], *, seed: int, clusters: Sequence[str | None] | None = None
) -> dict[str, dict[str, float] | None]:
    """Every metric's figure with its interval; None where a metric has nothing to say of this candidate.

    ``clusters``: the cluster of every row of the held-out set, or None when all rows stand alone.
    """
    names = None if clusters is None else [clusters[p] for p in judged.positions]
    return {name: estimate(m.aggregate(judged.items, seed=seed, clusters=names)) for name, m in metrics.items()}


def latency_of(candidate: Candidate, *, seed: int) -> dict[str, Any] | None:
    """Median and 95th percentile of the time one answer takes, in milliseconds, or None when none was timed."""
    return _times([p.latency_ms for p in candidate.answers.values() if p.latency_ms is not None], seed=seed)


def first_token_of(candidate: Candidate, *, seed: int) -> dict[str, Any] | None:
    """Median and 95th percentile of the time to the first token, in milliseconds, or None when nobody watched for it."""
    return _times([p.first_ms for p in candidate.answers.values() if p.first_ms is not None], seed=seed)


def _times(times: list[float], *, seed: int) -> dict[str, Any] | None:
    if not times:
        return None
    return {
        "p50": estimate(bootstrap(times, statistic="p50", seed=seed)),
        "p95": estimate(bootstrap(times, statistic="p95", seed=seed)),
        "n": len(times),
    }


def tokens_per_second_of(candidate: Candidate, *, seed: int) -> dict[str, Any] | None:
    """Tokens that one answer writes in a second after its first: the median of the answers of which both times are known and
    that have more than one token; None without any."""
    rates = [
        1000 * (p.completion_tokens - 1) / (p.latency_ms - p.first_ms)
        for p in candidate.answers.values()
        if p.first_ms is not None
        and p.latency_ms is not None
        and p.completion_tokens > 1
        and p.latency_ms > p.first_ms
        # The label set is scored within the same time: it is not writing.
        and p.confidence is None
    ]
    return estimate(bootstrap(rates, statistic="p50", seed=seed)) if rates else None


def cost_of(candidate: Candidate, *, seed: int) -> dict[str, Any] | None:
    """US dollars for 1,000 answers, or None when nothing is known of the price."""
    if candidate.usd_by_row:
        known = bootstrap([1000 * usd for usd in candidate.usd_by_row.values()], statistic="mean", seed=seed)
        return {**(estimate(known) or {}), "basis": candidate.cost_basis}
    if candidate.usd_per_row is not None:
        return {
            "value": 1000 * candidate.usd_per_row,
            "low": None,
            "high": None,
            "n": None,
            "basis": candidate.cost_basis,
        }
    return None


def confidence_of(candidate: Candidate, rows: Sequence[Row], *, seed: int) -> dict[str, Any] | None:
    """How sure the candidate was of its scored labels and how often that was right, or None without confidences."""
    confidences, hits = [], []
    for row in rows:
        prediction = candidate.answers.get(row.id)
        if prediction is None or prediction.confidence is None:
            continue
        target = target_of(Item(None, row.completion_text, row.reference_text))
        if target is not None:
            confidences.append(prediction.confidence)
            hits.append(same_answer(prediction.label, target))
    if not confidences:
        return None
    bins = calibration(confidences, hits)
    return {
        "mean": sum(confidences) / len(confidences),
        "error": expected_calibration_error(bins),
        "error_estimate": estimate(calibration_error_estimate(confidences, hits, seed=seed)),
        "brier": estimate(brier_estimate(confidences, hits, seed=seed)),
        "n": len(confidences),
        "bins": [b._asdict() for b in bins],
    }


def tokens_of(candidate: Candidate) -> dict[str, float] | None:
    """Mean tokens read and written per answer, or None when they were not counted."""
    counted = [p for p in candidate.answers.values() if p.prompt_tokens or p.completion_tokens]
    if not counted:
        return None
    return {
        "prompt": sum(p.prompt_tokens for p in counted) / len(counted),
        "completion": sum(p.completion_tokens for p in counted) / len(counted),
    }
