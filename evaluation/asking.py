"""Putting the held-out rows to the candidates that answer on this machine, each in a child process, resumable."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from evaluation.examples import choose_examples, question_key
from evaluation.predictions import Candidate, CandidateKind, Prediction, read_predictions, teacher_of
from pipelines.steps.base import Context, InputArtifact
from pipelines.steps.student import prepare_base, prompt_view_of
from studio.lib.errors import StepError
from vault.rows import Row, read_rows, write_jsonl

PREDICT = "pipelines.recipes.predict"
Mode = Literal["generate", "labels", "both"]
"""Whether the models write, only score the label set, or do both."""


@dataclass(frozen=True)
class Setting:
    """The closed label set (None for free text), the labels seen in training (None when unknown), how the models are to
    answer, and what the reader must be told of it."""

    labels: list[str] | None
    seen: frozenset[str] | None
    mode: Mode
    notes: list[str]


@dataclass(frozen=True)
class Session:
    """What every candidate of one evaluation shares. ``params`` are those of the evaluate step, ``training`` is what the
    train step wrote of the student."""

    ctx: Context
    params: Any
    inputs: Mapping[str, InputArtifact]
    training: Mapping[str, Any]
    setting: Setting

    @property
    def student(self) -> InputArtifact:
        """The student's adapter."""
        return self.inputs["student"]


class Local(NamedTuple):
    """A candidate that answers on this machine."""

    name: str
    label: str
    kind: CandidateKind
    rows: list[Row]
    examples: list[dict[str, Any]]


def ask_candidates(session: Session, rows: list[Row], *, fewer: list[Row]) -> list[Candidate]:
    """Every chosen candidate with its answers, in the fixed order teacher, base, student. ``fewer``: rows for the base."""
    found = [teacher_of(rows)] if "teacher" in session.params.candidates else []
    local = local_candidates(session, rows, fewer=fewer)
    if local:
        folder = Path(prepare_base(session.ctx, session.training)["path"])
        found += [ask(session, candidate, folder=folder) for candidate in local]
    return found


def local_candidates(session: Session, rows: list[Row], *, fewer: list[Row]) -> list[Local]:
    """The chosen local candidates with the rows and examples each gets."""
    params, inputs = session.params, session.inputs
    found = []
    if "base" in params.candidates:
        found.append(Local("base", "Prompted base model", "base", fewer, []))
    if "base_few_shot" in params.candidates:
        if "train" not in inputs:
            raise StepError(
                "The candidate base_few_shot needs training rows to take its examples from.",
                action="Wire the split's train output into 'train', or take base_few_shot off the candidates.",
            )
        held_out = {question_key(row) for row in rows}
        train = read_rows(inputs["train"].path)
        examples = choose_examples(train, count=params.examples, seed=params.seed, held_out=held_out)
        label = f"Base model with {len(examples)} {'example' if len(examples) == 1 else 'examples'}"
        found.append(Local("base_few_shot", label, "base", fewer, examples))
    if "student" in params.candidates:
        found.append(Local("student", "Student", "student", rows, []))
    return found


def ask(session: Session, candidate: Local, *, folder: Path) -> Candidate:
    """Put the rows to a local model. Answers of an earlier attempt are kept and not asked again."""
    ctx, params, setting = session.ctx, session.params, session.setting
    is_student = candidate.kind == "student"
    rows_file, out = ctx.scratch / f"{candidate.name}.rows.jsonl", ctx.scratch / f"{candidate.name}.jsonl"
    write_jsonl(rows_file, candidate.rows)
    before = len(read_predictions(out))
    ctx.log(f"{candidate.label}: {len(candidate.rows) - before:,} of {len(candidate.rows):,} rows to ask.")
    ctx.progress(before, len(candidate.rows), note=candidate.label)
    pace_file = ctx.scratch / f"{candidate.name}.pace.json"
    if before < len(candidate.rows):
        config = {
            "base_model": str(folder),
            "adapter": str(session.student.path) if is_student else None,
            "rows": str(rows_file),
            "out": str(out),
            "labels": setting.labels if setting.mode != "generate" else None,
            "mode": setting.mode,
            "max_new_tokens": params.max_new_tokens,
            "prompt_view": prompt_view_of(session.student, session.training) if is_student else None,
            "examples": candidate.examples,
            "batch_tokens": params.batch_tokens,
            "latency_rows": params.latency_rows,
            "threads": params.threads,
        }
        try:
            told = ctx.run_child(PREDICT, config)
            keep_pace(pace_file, rows=int(told.get("answered_now") or 0), seconds=float(told.get("seconds") or 0))
        except StepError as problem:
            # A base model that can read none of the prompts has failed, the evaluation of the student has not.
            if is_student or problem.code != "no_rows":
                raise
            return refused(candidate, reason=str(problem))
    pace = read_pace(pace_file)
    return Candidate(
        name=candidate.name,
        label=candidate.label,
        kind=candidate.kind,
        answers=read_predictions(out),
        asked=frozenset(row.id for row in candidate.rows),
        usd_per_row=price_of(pace, params.machine_cost_per_hour),
        cost_basis=f"{1 / pace:.2g} rows a second on a machine at ${params.machine_cost_per_hour:g} an hour"
        if pace and params.machine_cost_per_hour is not None
        else "",
        rows_per_second=1 / pace if pace else None,
    )


def refused(candidate: Local, *, reason: str) -> Candidate:
    """A candidate that could answer no row at all."""
    answers = {row.id: Prediction(row.id, error=reason) for row in candidate.rows}
    return Candidate(candidate.name, candidate.label, candidate.kind, answers, asked=frozenset(answers))


def keep_pace(path: Path, *, rows: int, seconds: float) -> None:
    """Add one attempt's rows and seconds to those of the attempts before it."""
    if not rows:
        return
    total = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"rows": 0, "seconds": 0.0}
    path.write_text(json.dumps({"rows": total["rows"] + rows, "seconds": total["seconds"] + seconds}), encoding="utf-8")


def read_pace(path: Path) -> float | None:
    """Seconds an answer takes when many are asked at once, over all attempts, or None when it was not measured."""
    if not path.exists():
        return None
    total = json.loads(path.read_text(encoding="utf-8"))
    return float(total["seconds"]) / total["rows"] if total["rows"] and total["seconds"] else None


def price_of(seconds_per_row: float | None, per_hour: float | None) -> float | None:
    """US dollars an answer costs, or None when the machine's price or speed is unknown."""
    return None if seconds_per_row is None or per_hour is None else seconds_per_row * per_hour / 3600
