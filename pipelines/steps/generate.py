"""Have a teacher answer the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Self

from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.asking import Asker, Written, filled, with_system, write_answers
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.teaching import AskingStep, TeacherParams, converse, open_teacher, price_of
from pipelines.teachers import recorded
from pipelines.teachers.base import Sampling
from pipelines.teachers.engine import Outcome
from pipelines.teachers.prices import Price
from pipelines.teachers.recorded import RecordedTeacher
from pipelines.teachers.storage import StoredCall
from studio.lib.errors import StepError
from studio.lib.params import param
from studio.registries import TEACHERS
from vault.rows import Row, count_rows, read_rows, write_rows


class Generate(AskingStep):
    """Asks a teacher for the answer to every row, keeps each answer the moment it arrives, and never asks for it twice.

    Rows the teacher could not answer leave by ``rejects`` with the reason.
    """

    label = "Ask a teacher"
    group = "Teacher"
    inputs = {
        "rows": Port("dataset", "Prompts to answer"),
        "answers": Port("dataset", "Recorded answers to replay (recorded teacher only)", optional=True),
    }
    outputs = {
        "rows": Port("dataset", "Rows with the teacher's answer"),
        "rejects": Port("dataset", "Rows without a usable answer, each with its reason"),
    }
    help = (
        "A large model answers every row, and its answers are what the student learns. Each answer is kept the moment it "
        "arrives and is never paid for twice, whatever happens to the worker."
    )

    class Params(TeacherParams):
        answers_from: recorded.Column = param(
            "completion",
            label="Recorded answers",
            help="For the recorded teacher: which field of the rows is its answer.",
        )
        system_prompt: str = param(
            "",
            label="System prompt",
            help="Sent before every prompt, in place of a system message the row brings. Empty: rows as they are.",
            widget="textarea",
        )
        samples: int = param(
            1,
            label="Answers to each prompt",
            help="More than one needs a temperature above 0; the step “Agreement” then keeps what most of them say.",
            ge=1,
            le=32,
        )
        keep_existing: bool = param(
            True, label="Keep answers that are there", help="Rows that already have an answer are not asked again."
        )

        @model_validator(mode="after")
        def _samples_differ(self) -> Self:
            if self.samples > 1 and self.teacher != "recorded" and self.temperature == 0:
                raise ValueError("More than one answer to each prompt needs a temperature above 0.")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source, recording = inputs["rows"], inputs.get("answers")
        if params.teacher == "recorded" and recording is None:
            return replay_own(ctx, params, source)
        if params.teacher != "recorded" and recording is not None:
            raise StepError(
                f"Recorded answers are wired in, but the teacher is {params.teacher}.",
                action="Choose the teacher “recorded”, or remove that wire.",
            )
        return ask(ctx, params, source, recording)


def ask(ctx: Context, params: Generate.Params, source: InputArtifact, recording: InputArtifact | None) -> StepResult:
    """Ask for everything that is missing, then write the rows from the store."""
    price = price_of(params, TEACHERS[params.teacher])
    teacher = open_teacher(ctx, params)
    asker = Asker(
        teacher=params.teacher,
        identity=teacher.identity(),
        sampling=Sampling(max_tokens=params.max_tokens, temperature=params.temperature),
        samples=params.samples,
        system_prompt=params.system_prompt,
        keep_existing=params.keep_existing,
    )
    if isinstance(teacher, RecordedTeacher) and recording is not None:
        known = teacher.learn(sieve.rows_of(ctx, recording, note="Reading the recorded answers"))
        ctx.log(f"{known:,} prompts have a recorded answer.")
        rows = sieve.rows_of(ctx, source, note="Looking for the recorded answers")
        teacher.prepare([q.messages for q in asker.questions(rows) if q.sample == 0])
    outcome, find = converse(ctx, params, source, teacher, asker.questions, sampling=asker.sampling, price=price)
    written = write_answers(ctx, source, asker, find, failed=outcome.failed)
    return result_of(ctx, params, source, written, outcome, price)


def result_of(
    ctx: Context,
    params: Generate.Params,
    source: InputArtifact,
    written: Written,
    outcome: Outcome,
    price: Price | None,
) -> StepResult:
    """Outputs and summary; raises ``StepError`` when not one row was answered."""
    causes, total = dict(written.causes.most_common()), written.kept + written.dropped
    if written.kept == 0 and written.dropped:
        told = "; ".join(f"{count:,} × {cause}" for cause, count in list(causes.items())[:3])
        raise StepError(
            f"The teacher answered none of the {written.dropped:,} questions: {told}.",
            action="Mend the cause, then retry.",
        )
    cost = None if price is None else round(written.cost_usd, 9)
    progress, headline = outcome.progress, sieve.headline(total=total, kept=written.kept, dropped=causes)
    incomplete = bool(outcome.passing) or outcome.cap is not None
    summary = {
        "rows_in": total,
        "rows_kept": written.kept,
        "dropped": causes,
        "headline": f"{headline} Run it again to ask for what is missing." if incomplete else headline,
        "answers_new": progress.answered,
        "answers_reused": progress.reused,
        "answers_kept": written.own_answers,
        "input_tokens": written.input_tokens,
        "output_tokens": written.output_tokens,
        "cached_tokens": written.cached_tokens,
        "cost_usd": cost,
        "unconfirmed_usd": round(progress.unconfirmed_usd, 9),
    }
    if incomplete:
        summary[base.INCOMPLETE] = True
    meta = sieve.passed_on(source, rows=written.kept, teacher=params.teacher, model=params.model, cost_usd=cost)
    rejects = Output(ctx.scratch / "rejects", {"rows": written.dropped})
    return StepResult({"rows": Output(ctx.scratch / "rows", meta), "rejects": rejects}, summary)


def replay_own(ctx: Context, params: Generate.Params, source: InputArtifact) -> StepResult:
    """The recorded teacher without a recording of its own: each row's own completion or reference is the answer."""
    total = count_rows(source.path)
    missing: list[str] = []

    def answered() -> Iterator[Row]:
        for row in sieve.reported(ctx, read_rows(source.path), total=total):
            if params.answers_from == "reference" and params.keep_existing and row.completion is not None:
                yield row
                continue
            answer = recorded.answer_of(row, column=params.answers_from)
            if answer is None:
                missing.append(row.user_text[:80])
                continue
            asked = replace(row, prompt=with_system(row.prompt, params.system_prompt))
            yield filled(asked, StoredCall("", answer, at=str(row.meta.get("at") or "")), teacher=params.teacher)

    kept = write_rows(ctx.scratch / "rows", answered())
    if missing:
        raise recorded.missing_answers(missing, total=total)
    write_rows(ctx.scratch / "rejects", [])
    headline = f"{kept:,} recorded {'answer' if kept == 1 else 'answers'} replayed."
    summary = {"rows_in": total, "rows_kept": kept, "dropped": {}, "headline": headline}
    meta = sieve.passed_on(source, rows=kept, teacher=params.teacher, model=params.model)
    rejects = Output(ctx.scratch / "rejects", {"rows": 0})
    return StepResult({"rows": Output(ctx.scratch / "rows", meta), "rejects": rejects}, summary)
