"""Have a language model grade every answer by a rubric, keep score and reason, and drop what is below the threshold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import field_validator

from pipelines.steps import base, sieve, verdicts
from pipelines.steps.asking import NOT_ASKED, Find, chunks
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from pipelines.steps.teaching import AskingStep, LiveParams, converse, open_teacher, price_of
from pipelines.steps.verdicts import Judgement, Scale
from pipelines.teachers.base import Sampling
from pipelines.teachers.engine import LOOK_AHEAD, Outcome
from pipelines.teachers.prices import Price
from pipelines.teachers.storage import Question, StoredCall, question_key
from studio.lib.canonical import fingerprint
from studio.lib.errors import StepError
from studio.lib.params import param
from studio.registries import TEACHERS
from vault.rows import Message, Row, text_of

RUBRIC = """Is the answer correct, complete and to the point?
- Correct: every statement is true, and it fits the reference answer where there is one.
- Complete: it does what the conversation asks for.
- To the point: nothing that does not belong there, in the form that was asked for."""
LEAST_TRIED = 20
USELESS = 0.9
"""When this share of at least ``LEAST_TRIED`` answers of the judge is no verdict, asking it to mend them is wasted money."""


class Judge(AskingStep):
    """Asks a language model to grade each row's answer by a rubric, from 1 to 5 or pass and fail. Score, reason and the judge's
    model are kept in ``meta["judge"]``; rows below the threshold, and rows without a usable verdict, leave by ``rejects``.

    Asked like a teacher: each verdict is kept the moment it arrives, is never paid for twice, and counts against the cost cap.
    """

    label = "Judge answers"
    group = "Curation"
    help = (
        "A second model reads every answer and says how good it is and why. Look at some of its verdicts before you trust the "
        "rest, and choose another model than the one that answered: models prefer their own answers."
    )
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(LiveParams):
        purpose = "judge"

        rubric: str = param(
            RUBRIC,
            label="Rubric",
            help="What makes an answer good, in plain words.",
            widget="textarea",
            max_length=20_000,
        )
        scale: Scale = param("1 to 5", label="Scale")
        threshold: int = param(
            3, label="Lowest score that stays", help="For the scale “1 to 5”; 1 keeps every judged row.", ge=1, le=5
        )
        unjudged: Literal["drop", "keep"] = param(
            "drop",
            label="Rows without a usable verdict",
            help="The judge said nothing usable, twice, or could not be asked.",
        )
        with_reference: bool = verdicts.with_reference_param()
        with_system: bool = verdicts.with_system_param()
        longest: int = verdicts.longest_param()

        @field_validator("rubric")
        @classmethod
        def says_something(cls, rubric: str) -> str:
            if not rubric.strip():
                raise ValueError("Write what makes an answer good")
            return rubric

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        price = price_of(params, TEACHERS[params.teacher])
        teacher = open_teacher(ctx, params)
        bench = Bench(params, identity=teacher.identity())
        first, find = converse(ctx, params, source, teacher, bench.questions, sampling=bench.sampling, price=price)
        useless = spool_repairs(ctx, source, bench, find)
        second = Outcome(progress=first.progress)
        if useless.count and first.cap is None:
            again = open_teacher(ctx, params)
            second, find = converse(
                ctx, params, source, again, lambda rows: useless.questions(), sampling=bench.sampling, price=price
            )
        bill = Bill(params.scale)
        failed = {**first.failed, **second.failed}
        result, _ = sieve.sift(
            ctx,
            judge(
                sieve.rows_of(ctx, source, note="Writing the verdicts"),
                bench=bench,
                find=find,
                failed=failed,
                bill=bill,
            ),
            by="judge",
            meta=sieve.passed_on(source),
            action="Read the reasons among the judge's rejects; lower the threshold, mend the rubric or choose another judge.",
        )
        return replace(result, summary={**result.summary, **bill.told(result, price=price, outcomes=(first, second))})


class Bench:
    """What turns rows into questions to the judge, and its answers into verdicts."""

    def __init__(self, params: Judge.Params, *, identity: Mapping[str, Any]) -> None:
        self.params = params
        self.identity = dict(identity)
        self.sampling = Sampling(max_tokens=params.max_tokens, temperature=params.temperature)
        self.rubric_id = fingerprint([params.rubric, params.scale])[:16]

    def ask(self, row: Row) -> tuple[Question, bool]:
        """The question about a row, and whether a text in it was shortened."""
        p = self.params
        messages, cut = verdicts.ask(
            row,
            rubric=p.rubric,
            scale=p.scale,
            with_reference=p.with_reference,
            with_system=p.with_system,
            longest=p.longest,
        )
        return self.question(messages), cut

    def question(self, messages: list[Message]) -> Question:
        """These messages as a question with its fingerprint."""
        return Question(question_key(self.params.teacher, self.identity, messages, self.sampling, 0), messages)

    def questions(self, rows: Iterable[Row]) -> Iterator[Question]:
        """One question for each row that has an answer."""
        for row in rows:
            if row.completion is not None:
                yield self.ask(row)[0]

    def repair(self, question: Question, said: str) -> Question:
        """The same question once more, after a useless answer."""
        return self.question(verdicts.mend(question.messages, said, scale=self.params.scale))

    def read(self, row: Row, call: StoredCall) -> Judgement | str:
        """The verdict in an answer of the judge, or why there is none."""
        texts = [text_of(message) or "" for message in (*row.prompt, row.completion, row.reference)]
        return verdicts.read(call.completion.text, scale=self.params.scale, quoted=texts)


@dataclass
class Repairs:
    """Questions to be asked once more, in a file: ``count`` of them."""

    path: Path
    bench: Bench
    count: int = 0

    def questions(self) -> Iterator[Question]:
        """Every question in the file."""
        with self.path.open(encoding="utf-8") as lines:
            for line in lines:
                yield self.bench.question(json.loads(line))


def spool_repairs(ctx: Context, source: InputArtifact, bench: Bench, find: Find) -> Repairs:
    """Write down which questions got an answer that is no verdict. Raises ``StepError`` when nearly all of them did."""
    repairs, heard, example = Repairs(ctx.scratch / "repairs.jsonl", bench), 0, ""
    with repairs.path.open("w", encoding="utf-8") as out:
        for chunk in chunks(sieve.rows_of(ctx, source, note="Reading the verdicts"), LOOK_AHEAD):
            asked = [(row, bench.ask(row)[0]) for row in chunk if row.completion is not None]
            calls = find([question.key for _, question in asked])
            for row, question in asked:
                call = calls.get(question.key)
                if call is None or call.problem:
                    continue
                heard += 1
                if isinstance(bench.read(row, call), str):
                    example = example or call.completion.text.strip()
                    out.write(
                        json.dumps(bench.repair(question, call.completion.text).messages, ensure_ascii=False) + "\n"
                    )
                    repairs.count += 1
    if heard >= LEAST_TRIED and repairs.count > USELESS * heard:
        raise StepError(
            f"{repairs.count:,} of {heard:,} answers of the judge are no verdict. The first: “{example[:120]}”.",
            action="Choose a model that can keep to a form, or raise “Longest answer” if its verdicts break off.",
        )
    return repairs


def judge(rows: Iterable[Row], *, bench: Bench, find: Find, failed: Mapping[str, str], bill: Bill) -> Iterator[Verdict]:
    """A verdict on each row, from the stored answers. Memory: a few hundred rows."""
    for chunk in chunks(rows, LOOK_AHEAD // 2):
        asked = [None if row.completion is None else bench.ask(row) for row in chunk]
        calls = find([a[0].key for a in asked if a is not None])
        mended = {
            a[0].key: bench.repair(a[0], calls[a[0].key].completion.text).key
            for row, a in zip(chunk, asked, strict=True)
            if a is not None
            and a[0].key in calls
            and not calls[a[0].key].problem
            and isinstance(bench.read(row, calls[a[0].key]), str)
        }
        again = find(list(mended.values())) if mended else {}
        for row, a in zip(chunk, asked, strict=True):
            if a is None:
                yield Verdict(row, "without an answer", "The row has no answer to judge.")
                continue
            question, cut = a
            first = calls.get(question.key)
            second = again.get(mended.get(question.key, ""))
            reason = failed.get(question.key) or failed.get(mended.get(question.key, ""), "")
            yield decide(
                row, [c for c in (first, second) if c is not None], bench=bench, cut=cut, reason=reason, bill=bill
            )


def decide(row: Row, calls: list[StoredCall], *, bench: Bench, cut: bool, reason: str, bill: Bill) -> Verdict:
    """The verdict on one row from the judge's one or two answers, the last that can be read."""
    params, why = bench.params, reason or (NOT_ASKED if not calls else "")
    for call in calls:
        bill.book(call)
    for call in reversed(calls):
        heard = f"the judge's answer can't be used: {call.problem}" if call.problem else bench.read(row, call)
        if isinstance(heard, Judgement):
            kept = heard.score >= (params.threshold if params.scale == "1 to 5" else 1)
            made = with_verdict(row, heard, calls, bench=bench, cut=cut, kept=kept, repaired=call is not calls[0])
            bill.count(made, heard)
            if kept:
                return Verdict(made)
            below = f"below {params.threshold}" if params.scale == "1 to 5" else "failed"
            said = f"{heard.score} of 5" if params.scale == "1 to 5" else "Fail"
            return Verdict(made, below, f"{said}: {heard.reason or 'no reason given'}")
        why = why or heard
    bill.unjudged += 1
    why = why.rstrip(".")
    told = f"No usable verdict: {why}."
    if params.unjudged == "keep":
        return Verdict(replace(row, meta={**row.meta, "judge": {"score": None, "reason": told, "model": params.model}}))
    return Verdict(row, "not asked" if why == NOT_ASKED.rstrip(".") else "without a usable verdict", told)


def with_verdict(
    row: Row, heard: Judgement, calls: list[StoredCall], *, bench: Bench, cut: bool, kept: bool, repaired: bool
) -> Row:
    """The row with what the judge said in ``meta["judge"]``; a verdict it had before moves into its ``earlier``."""
    costs = [call.cost_usd for call in calls]
    said: dict[str, Any] = {
        "score": heard.score,
        "kept": kept,
        "reason": heard.reason,
        "scale": bench.params.scale,
        "teacher": bench.params.teacher,
        "model": calls[-1].completion.model or bench.params.model,
        "rubric": bench.rubric_id,
        "cost_usd": None if None in costs else sum(c for c in costs if c is not None),
        "at": calls[-1].at,
    }
    if repaired:
        said["repaired"] = True
    if cut:
        said["shortened"] = True
    before = row.meta.get("judge")
    if isinstance(before, Mapping):
        earlier = before.get("earlier")
        said["earlier"] = [
            *(earlier if isinstance(earlier, list) else []),
            {k: v for k, v in before.items() if k != "earlier"},
        ]
    return replace(row, meta={**row.meta, "judge": said})


@dataclass
class Bill:
    """What is counted while verdicts are written: scores, rows the judge's own model had answered, tokens and cost."""

    scale: Scale = "1 to 5"
    scores: Counter[int] = field(default_factory=Counter)
    own: int = 0
    unjudged: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    seen: set[str] = field(default_factory=set)

    def book(self, call: StoredCall) -> None:
        """Add one answer of the judge; an answer that serves several equal rows is paid once."""
        if call.key in self.seen:
            return
        self.seen.add(call.key)
        self.input_tokens += call.completion.usage.input_tokens
        self.output_tokens += call.completion.usage.output_tokens
        self.cost_usd += call.cost_usd or 0.0

    def count(self, row: Row, heard: Judgement) -> None:
        """Add one verdict."""
        self.scores[heard.score] += 1
        self.own += bool(row.meta.get("model")) and row.meta["model"] == row.meta["judge"]["model"]

    def told(self, result: StepResult, *, price: Price | None, outcomes: tuple[Outcome, ...]) -> dict[str, Any]:
        """The summary's own part."""
        judged = sum(self.scores.values())
        mean = sum(score * count for score, count in self.scores.items()) / judged if judged else 0.0
        headline = str(result.summary["headline"])
        if judged:
            headline += f" {mean:.0%} passed." if self.scale == "pass or fail" else f" Mean score {mean:.2f}."
        if self.own:
            headline += f" {self.own:,} answers are by the judge's own model, which tends to prefer them."
        incomplete = any(outcome.passing or outcome.cap is not None for outcome in outcomes)
        if incomplete:
            headline += " Run it again to ask for what is missing."
        more: dict[str, Any] = {
            "headline": headline,
            "judged": judged,
            "unjudged": self.unjudged,
            "mean_score": round(mean, 4),
            "scores": {str(score): self.scores[score] for score in sorted(self.scores)},
            "own_answers": self.own,
            "answers_new": sum({id(o.progress): o.progress.answered for o in outcomes}.values()),
            "answers_reused": outcomes[0].progress.reused,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": None if price is None else round(self.cost_usd, 9),
        }
        return {**more, base.INCOMPLETE: True} if incomplete else more
