"""Have a teacher write new prompts after examples: more of the kind that a student gets wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Port, StepResult
from pipelines.steps.leakage import HeldBack, find_leaks, tie_families
from pipelines.steps.leakage_guard import source_of
from pipelines.steps.sieve import Verdict
from pipelines.steps.teaching import AskingStep, LiveParams, converse, open_teacher, price_of
from pipelines.steps.writing import Written, calls_of, new_rows
from pipelines.teachers.base import Sampling
from pipelines.teachers.storage import Question, question_key
from studio.lib.errors import StepError
from studio.lib.params import param
from studio.registries import TEACHERS
from vault.lineage import question
from vault.lineage import question_key as row_key
from vault.quality.near_duplicates import find_groups, find_matches
from vault.rows import Row, read_rows, write_rows

MOST_EXAMPLES = 5_000
"""Examples that are read; of more, the first."""


class MoreLikeThese(AskingStep):
    """Shows a teacher a few example rows at a time and has it write new prompts of the same kind, for the answers to come from
    a teacher afterwards, or with the examples' own label.

    A new prompt that repeats an example, another new one or a held-out row, word for word or nearly, leaves by ``rejects``.
    What the teacher wrote is kept the moment it arrives, is never paid for twice, and counts against the cost cap.
    """

    label = "More like these"
    group = "Teacher"
    help = (
        "A teacher writes new prompts after examples, where a student needs more of a kind. Wire in training rows, never "
        "held-out ones; wire the held-out rows to the other port, so that nothing like them is kept."
    )
    inputs = {
        "rows": Port("dataset", "Examples to write after: training rows"),
        "held_out": Port("dataset", "Rows that must not be repeated, such as the test rows", optional=True),
    }
    outputs = {
        "rows": Port("dataset", "The new rows"),
        "rejects": Port("dataset", "Prompts that were not kept, each with its reason"),
    }

    class Params(LiveParams):
        purpose = "write new prompts"

        count: int = param(
            100, label="New prompts", help="How many to write at most; some are dropped as repeats.", ge=1, le=20_000
        )
        answers: Literal["none", "as the examples'"] = param(
            "none",
            label="Answers",
            help="“none”: put “Ask a teacher” after this step. “as the examples'”, for labels: the examples of one request have "
            "one answer, and what is written after them gets it.",
        )
        shown: int = param(6, label="Examples in a request", ge=1, le=50, advanced=True)
        at_once: int = param(10, label="Prompts asked for in a request", ge=1, le=50, advanced=True)
        max_tokens: int = param(
            2048,
            label="Longest answer",
            help="Of one request, which holds several prompts.",
            unit="tokens",
            ge=1,
            le=200_000,
        )
        alike: float = param(
            0.8,
            label="Nearly the same from",
            help="Share of the text that two prompts have in common.",
            ge=0.3,
            le=1,
            advanced=True,
        )
        seed: int = param(0, label="Seed", help="Which examples are shown together.", ge=0, advanced=True)

    def expect(self, params: Params, *, rows: int) -> Mapping[str, int]:
        """As many as are asked for."""
        return {"rows": params.count}

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        examples = read_examples(ctx, source, with_answer=params.answers != "none")
        price = price_of(params, TEACHERS[params.teacher])
        teacher = open_teacher(ctx, params)
        sampling = Sampling(max_tokens=params.max_tokens, temperature=params.temperature)
        calls = calls_of(
            examples,
            count=params.count,
            shown=params.shown,
            at_once=params.at_once,
            by_answer=params.answers != "none",
            seed=params.seed,
        )
        keyed = {
            question_key(params.teacher, dict(teacher.identity()), call.messages, sampling, n): (n, call)
            for n, call in enumerate(calls)
        }
        asked = [Question(key, call.messages, n) for key, (n, call) in keyed.items()]
        outcome, find = converse(ctx, params, source, teacher, lambda rows: iter(asked), sampling=sampling, price=price)
        written = Written()
        rows = list(new_rows([(key, call) for key, (_, call) in keyed.items()], find, params, written))
        verdicts = judge(ctx, rows, examples, inputs.get("held_out"), params=params)
        result, _ = sieve.sift(
            ctx,
            verdicts,
            by="more_like_these",
            meta=sieve.passed_on(source, teacher=params.teacher, model=params.model),
            action="Read the rejects of this step; give it more varied examples, or another teacher.",
        )
        headline = f"{written.texts:,} prompts written in {written.calls:,} answers. {result.summary['headline']}"
        more: dict[str, Any] = {
            "headline": headline,
            "examples": len(examples),
            "requests": len(asked),
            "useless": written.useless,
            "input_tokens": written.input_tokens,
            "output_tokens": written.output_tokens,
            "cost_usd": None if price is None else round(written.cost_usd, 9),
        }
        if outcome.passing or outcome.cap is not None:
            more |= {base.INCOMPLETE: True, "headline": f"{headline} Run it again to ask for what is missing."}
        return StepResult(result.outputs, {**result.summary, **more})


def read_examples(ctx: Context, source: InputArtifact, *, with_answer: bool) -> list[Row]:
    """The rows to write after. Raises ``StepError`` when there are none."""
    found = []
    for row in sieve.beating(ctx, read_rows(source.path)):
        if question(row).strip() and (not with_answer or row.completion_text):
            found.append(row)
        if len(found) == MOST_EXAMPLES:
            break
    if not found:
        lacking = "with a question and an answer" if with_answer else "with a question"
        raise StepError(f"There is no example {lacking}.", action="Wire in training rows of the kind you want more of.")
    return found


def judge(
    ctx: Context,
    rows: Sequence[Row],
    examples: Sequence[Row],
    held: InputArtifact | None,
    *,
    params: MoreLikeThese.Params,
) -> Iterator[Verdict]:
    """Which of the new rows stay: nothing like an example, another new row or a held-out one, and no more than asked for."""
    reasons = repeats(ctx, rows, examples, threshold=params.alike)
    if held is not None:
        reasons |= held_out_repeats(ctx, rows, held, threshold=params.alike)
    kept = 0
    for n, row in enumerate(rows):
        if n in reasons:
            yield Verdict(row, *reasons[n])
        elif kept < params.count:
            kept += 1
            yield Verdict(row)
        else:
            yield Verdict(row, "more than asked for", f"{params.count:,} prompts were asked for and there are as many.")


def repeats(
    ctx: Context, rows: Sequence[Row], examples: Sequence[Row], *, threshold: float
) -> dict[int, tuple[str, str]]:
    """Position → cause and reason of the rows that repeat an example or an earlier new row."""
    found: dict[int, tuple[str, str]] = {}
    keys, texts = {row_key(row) for row in examples}, [question(row) for row in rows]
    near = find_matches(texts, against=(question(row) for row in examples), threshold=threshold, scratch=ctx.scratch)
    groups = find_groups(texts, threshold=threshold, scratch=ctx.scratch).group.tolist()
    seen: set[str] = set()
    taken: set[int] = set()
    for n, row in enumerate(rows):
        key, other = row_key(row), int(near.other[n])
        if key in keys or other >= 0:
            shown = examples[other].user_text[:80] if other >= 0 else row.user_text[:80]
            found[n] = ("repeats an example", f"The same as an example, or nearly: “{shown}”.")
        elif key in seen or (groups[n] >= 0 and groups[n] in taken):
            found[n] = ("written twice", "The same as another new prompt, or nearly.")
        else:
            seen.add(key)
            taken.add(groups[n])
    return found


def held_out_repeats(
    ctx: Context, rows: Sequence[Row], held: InputArtifact, *, threshold: float
) -> dict[int, tuple[str, str]]:
    """Position → cause and reason of the rows that are too near to a held-out one. The reason names the row, not its text."""
    folder = ctx.scratch / "written"
    write_rows(folder, rows)
    source = source_of(ctx, held.path, name="the held-out rows")
    known = HeldBack(tie_families([folder, held.path]))
    known.add(source)
    leaks = find_leaks(
        lambda: rows, known, [source], threshold=threshold, beat=lambda *_: ctx.beat(), scratch=ctx.scratch
    )
    return {n: ("too near to a held-out row", known.reason(leak)) for n, leak in leaks.items()}
