"""Candidates and what they answered: the form in which answers come back from the child processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vault.rows import Row

CandidateKind = Literal["teacher", "base", "student", "quantised", "outside"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """One candidate's answer to one row.

    ``text`` is what it wrote, ``label`` the likeliest label of the closed set and ``confidence`` its probability (0..1);
    either may be missing. ``latency_ms`` is known for the rows that were answered one at a time, ``first_ms`` (until the first
    token) where it was watched. ``error`` says why there is no answer. ``judge`` is a judge's grade of the answer (0..1) where
    one was asked. ``nll``: negative log-likelihood (nats) of the right answer under the model, over ``nll_tokens`` tokens, where
    it was computed.
    """

    id: str
    text: str | None = None
    label: str | None = None
    confidence: float | None = None
    latency_ms: float | None = None
    first_ms: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None
    judge: float | None = None
    nll: float | None = None
    nll_tokens: int = 0


@dataclass(frozen=True)
class Candidate:
    """Somebody who answered. ``asked``: ids of the rows put to it, or None for all; a row it was asked and has no answer
    for is a failure, a row it was not asked counts nowhere. ``usd_per_row`` is known per row for a teacher that was paid,
    and one figure for local models (seconds times the machine's price). ``size_bytes``: what answers, on disk; ``peak_bytes``: the
    most memory its process held; ``energy``: ``{"joules", "counted", "why"}`` of one answer (see :mod:`pipelines.recipes.energy`). None
    where not known. ``form_of``: the candidate whose weights these are in another form. ``source``: of a model asked over a network,
    what it was asked for and what answered (see :mod:`evaluation.candidates.outside`)."""

    name: str
    label: str
    kind: CandidateKind
    answers: Mapping[str, Prediction]
    asked: frozenset[str] | None = None
    usd_per_row: float | None = None
    usd_by_row: Mapping[str, float] = field(default_factory=dict)
    cost_basis: str = ""
    rows_per_second: float | None = None
    size_bytes: int | None = None
    peak_bytes: int | None = None
    energy: Mapping[str, Any] | None = None
    form_of: str = ""
    source: Mapping[str, Any] | None = None

    def was_asked(self, row_id: str) -> bool:
        """Whether this row was put to the candidate."""
        return self.asked is None or row_id in self.asked


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Predictions by row id from a JSONL file; a last line cut short by a killed process is left out.

    A row answered twice keeps its last answer. Raises ``ValueError`` when any line but the last is not JSON.
    """
    found: dict[str, Prediction] = {}
    if not path.exists():
        return found
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise ValueError(f"Line {number} of {path.name} is not JSON.") from None
        found[value["id"]] = from_json(value)
    return found


def from_json(value: Mapping[str, Any]) -> Prediction:
    """A prediction from one decoded line; unknown fields are ignored."""
    return Prediction(
        id=value["id"],
        text=value.get("text"),
        label=value.get("label"),
        confidence=value.get("confidence"),
        latency_ms=value.get("latency_ms"),
        first_ms=value.get("first_ms"),
        prompt_tokens=int(value.get("prompt_tokens") or 0),
        completion_tokens=int(value.get("completion_tokens") or 0),
        error=value.get("error"),
        nll=value.get("nll"),
        nll_tokens=int(value.get("nll_tokens") or 0),
    )


def teacher_of(rows: list[Row]) -> Candidate:
    """The teacher as a candidate: the answers that lie in the rows, with their price and speed where the rows know them.

    Rows that never were put to a teacher (no answer and no failure noted) are not counted against it.
    """
    answers: dict[str, Prediction] = {}
    usd: dict[str, float] = {}
    for row in rows:
        failure = row.meta.get("error") or (row.meta.get("reject") or {}).get("reason")
        if row.completion is None and not failure:
            continue
        usage = row.meta.get("usage") or {}
        answers[row.id] = Prediction(
            id=row.id,
            text=row.completion_text,
            latency_ms=_number(row.meta.get("latency_ms")) or None,
            prompt_tokens=int(usage.get("input_tokens") or 0),
            completion_tokens=int(usage.get("output_tokens") or 0),
            error=None if row.completion is not None else str(failure),
        )
        cost = _number(row.meta.get("cost_usd"))
        if cost is not None:
            usd[row.id] = cost
    models = sorted({str(row.meta["model"]) for row in rows if row.meta.get("model")})
    name = f"Teacher ({', '.join(models[:2])}{', …' if len(models) > 2 else ''})" if models else "Teacher"
    basis = "what its answers cost when they were asked for" if usd else ""
    return Candidate("teacher", name, "teacher", answers, asked=frozenset(answers), usd_by_row=usd, cost_basis=basis)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
