"""Put the held-out rows to a model over a network, so that an evaluation judges it beside teacher and student."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from pydantic import model_validator

from evaluation.candidates.outside import answer_row, candidate_name, free_label, read_candidates, write_candidates
from evaluation.figures.held_out import take_rows
from pipelines.recipes.chat import apply_view
from pipelines.steps import base, sieve
from pipelines.steps.asking import NOT_ASKED, Find, cause_of, chunks
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.steps.teaching import AskingStep, TeacherParams, converse, open_teacher, price_of
from pipelines.teachers.base import Sampling
from pipelines.teachers.engine import LOOK_AHEAD, Outcome
from pipelines.teachers.prices import Price
from pipelines.teachers.storage import Question, StoredCall, question_key
from studio.lib.errors import StepError
from studio.lib.params import param
from studio.registries import TEACHERS
from vault.rows import Message, Row, read_rows, write_rows

AGAIN = 1_000
"""Answers asked anew are kept as samples from here on: no step asks for so many to one prompt."""

if TYPE_CHECKING:
    ProviderName = str
else:
    ProviderName = Literal[tuple(name for name in TEACHERS if name != "recorded")]


class AskModel(AskingStep):
    """Asks any model behind an API for the answers to the held-out rows: another provider's, one of your own servers, or the
    teacher itself, now. An evaluation takes them by ``others`` and judges the model like every other candidate.

    Each answer is kept the moment it arrives and is never paid for twice. A refusal, an empty or cut-off answer and a call that
    failed for good stay as failures of their row.
    """

    label = "Ask another model"
    group = "Evaluation"
    help = (
        "Is there something better than the teacher, or cheaper than the student? Any model with an API answers the held-out rows "
        "and stands in the report beside the others. For several models, wire one step's answers into the next one's “others”."
    )
    inputs = {
        "rows": Port("dataset", "The held-out rows that are evaluated"),
        "others": Port("answers", "Answers of models asked before, passed on with these", optional=True),
    }
    outputs = {"answers": Port("answers", "Every row with this model's answer, or why there is none")}

    class Params(TeacherParams):
        teacher: ProviderName = param("openai", label="Provider", help="Who offers the model.")
        name: str = param("", label="Name in the report", help="Empty: the model's name.", max_length=80)
        system_prompt_mode: Literal["keep", "drop", "replace"] = param(
            "keep",
            label="System prompt",
            help="keep: the rows' own, as the teacher got it. drop: none. replace: the text below.",
        )
        system_prompt: str = param(
            "",
            label="Its own system prompt",
            help="Used with “replace”.",
            widget="textarea",
            max_length=100_000,
        )
        rows: int = param(
            0,
            label="Held-out rows",
            help="0: all. Fewer: a seeded sample, the same that Evaluate takes with the same seed.",
            unit="rows",
            ge=0,
        )
        again: int = param(
            0,
            label="Ask anew",
            help="0 uses answers that this workspace already has to the same question, those that the teacher gave for the training "
            "rows too. 1, 2, … asks (and pays) once more for each number and keeps those answers apart: for what a model says today.",
            ge=0,
            le=1_000,
        )
        first_token: bool = param(
            False,
            label="Time the first token",
            help="Has the answers streamed, to say how soon each begins. Answers that are in the cache already have no such time.",
            advanced=True,
        )
        seed: int = param(0, label="Seed", help="For the sample.", ge=0, advanced=True)

        @model_validator(mode="after")
        def _has_a_prompt(self) -> Self:
            if self.system_prompt_mode == "replace" and not self.system_prompt.strip():
                raise ValueError("Enter the system prompt that replaces the rows' own, or choose “keep” or “drop”.")
            return self

    def expect(self, params: Params, *, rows: int) -> Mapping[str, int]:
        return {"answers": min(rows, params.rows) if params.rows else rows}

    def count_questions(self, params: Params, *, rows: int) -> int:
        return min(rows, params.rows) if params.rows else rows

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source, others = inputs["rows"], inputs.get("others")
        held_out = take_rows(list(read_rows(source.path)), count=params.rows, seed=params.seed)
        if not held_out:
            raise StepError(
                "There are no held-out rows to ask about.",
                action="Raise the split's test share, or wire another dataset into 'rows'.",
            )
        price = price_of(params, TEACHERS[params.teacher])
        teacher = open_teacher(ctx, params)
        asker = Asker(params, identity=teacher.identity())
        outcome, find = converse(
            ctx, params, source, teacher, lambda _: asker.questions(held_out), sampling=asker.sampling, price=price
        )
        earlier = [] if others is None else read_candidates(others.path)
        label = free_label(params.name.strip() or params.model, taken={str(c["label"]) for c in earlier})
        told = asker.told(candidate_name(label, taken={str(c["name"]) for c in earlier}), label)
        bill, folder = Bill(), ctx.scratch / "answers"
        answered = written(held_out, asker, find, outcome, told=told, bill=bill)
        passed = () if others is None else read_rows(others.path)
        count = write_rows(folder, sieve.beating(ctx, chain(passed, answered)))
        write_candidates(folder, [*earlier, told])
        summary = summary_of(bill, outcome, price=price, label=label)
        meta = {"rows": count, "models": [str(c["label"]) for c in (*earlier, told)]}
        return StepResult({"answers": Output(folder, meta)}, summary)


class Asker:
    """What turns held-out rows into questions. ``identity`` says what makes the model's answers its own."""

    def __init__(self, params: AskModel.Params, *, identity: Mapping[str, Any]) -> None:
        self.params = params
        self.identity = dict(identity)
        self.sampling = Sampling(params.max_tokens, params.temperature, stream=params.first_token)
        self.sample = AGAIN + params.again if params.again else 0
        replaced = params.system_prompt if params.system_prompt_mode == "replace" else ""
        self.view = {"mode": params.system_prompt_mode, "text": replaced}

    def question(self, row: Row) -> Question:
        """The question about a row; the same as a teacher's that was asked the same."""
        messages = cast("list[Message]", apply_view(row.prompt, self.view))
        key = question_key(self.params.teacher, self.identity, messages, self.sampling, self.sample)
        return Question(key, messages, self.sample)

    def questions(self, rows: Iterable[Row]) -> Iterator[Question]:
        """A question for each row."""
        for row in rows:
            yield self.question(row)

    def told(self, name: str, label: str) -> dict[str, Any]:
        """What ``candidates.json`` says of it."""
        p = self.params
        return {
            "name": name,
            "label": label,
            "teacher": p.teacher,
            "model": p.model,
            "temperature": p.temperature,
            "max_tokens": p.max_tokens,
            "view": self.view,
            "again": p.again,
        }


@dataclass
class Bill:
    """What is counted while answers are written. A call that serves several equal rows is paid once."""

    answered: int = 0
    not_asked: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    seen: set[str] = field(default_factory=set)

    def book(self, call: StoredCall) -> None:
        """Add one answer."""
        self.models[call.completion.model] += 1
        if call.key not in self.seen:
            self.seen.add(call.key)
            self.input_tokens += call.completion.usage.input_tokens
            self.output_tokens += call.completion.usage.output_tokens
            self.cost_usd += call.cost_usd or 0.0


def written(
    rows: Iterable[Row], asker: Asker, find: Find, outcome: Outcome, *, told: Mapping[str, Any], bill: Bill
) -> Iterator[Row]:
    """Each row with its answer or why there is none; rows that the cost cap left unasked are left out. Memory: a few hundred."""
    for chunk in chunks(rows, LOOK_AHEAD):
        asked = [asker.question(row) for row in chunk]
        calls = find([question.key for question in asked])
        for row, question in zip(chunk, asked, strict=True):
            call = calls.get(question.key)
            why = outcome.failed.get(question.key, NOT_ASKED) if call is None else call.problem
            if call is not None:
                bill.book(call)
            if why == NOT_ASKED:
                bill.not_asked += 1
                continue
            if why:
                bill.failures[cause_of(why)] += 1
            else:
                bill.answered += 1
            yield answer_row(row, question.messages, call, name=told["name"], label=told["label"], why=why)


def summary_of(bill: Bill, outcome: Outcome, *, price: Price | None, label: str) -> dict[str, Any]:
    """The numbers the run page shows. Raises ``StepError`` when no row was put to the model."""
    failed, total = sum(bill.failures.values()), bill.answered + sum(bill.failures.values())
    if not total:
        raise StepError(
            f"{label} was asked nothing: the cost cap was reached before the first answer.",
            action="Raise the cost cap, then retry.",
        )
    progress = outcome.progress
    headline = f"{label} answered {bill.answered:,} of {total:,} {'row' if total == 1 else 'rows'}"
    if failed:
        headline += f" ({', '.join(f'{n:,} {cause}' for cause, n in bill.failures.most_common(3))})"
    headline += "."
    if bill.not_asked:
        headline += f" {bill.not_asked:,} were not asked: the cost cap was reached."
    if len(bill.models) > 1:
        headline += f" {len(bill.models)} models answered to the name."
    summary: dict[str, Any] = {
        "rows_in": total + bill.not_asked,
        "rows_kept": total,
        "answered": bill.answered,
        "failed": failed,
        "failures": dict(bill.failures.most_common()),
        "models": dict(bill.models.most_common()),
        "headline": headline,
        "answers_new": progress.answered,
        "answers_reused": progress.reused,
        "input_tokens": bill.input_tokens,
        "output_tokens": bill.output_tokens,
        "cost_usd": None if price is None else round(bill.cost_usd, 9),
        "unconfirmed_usd": round(progress.unconfirmed_usd, 9),
    }
    if outcome.passing or outcome.cap is not None:
        summary[base.INCOMPLETE] = True
        summary["headline"] += " Run it again to ask for what is missing."
    return summary
