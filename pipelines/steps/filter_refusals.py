"""Drop answers in which the teacher declines, says nothing, or stops in the middle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.quality import refusals, truncation
from vault.rows import Row, text_of


class FilterRefusals(base.Step):
    """Drops rows whose answer begins with a refusal ("I'm sorry, but I can't help with that", in fifteen European languages),
    and, as asked, empty answers and those that were cut off. The reason quotes the words."""

    label = "Filter refusals"
    group = "Curation"
    help = "A student that is shown refusals learns to refuse. Empty and cut-off answers teach it to stop early."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        where: Literal["opening", "whole answer"] = param(
            "opening",
            label="Refusals to drop",
            help=(
                "“opening”: every answer that begins with a refusal. “whole answer”: only answers that are nothing else "
                f"(at most {refusals.WHOLE} characters), so that “I can't see your account, but here is how…” stays."
            ),
        )
        phrases: list[str] = param(
            list,
            label="More phrases",
            help="One a line. An answer with one of them in its first sentences counts as a refusal; case does not matter.",
            widget="lines",
        )
        empty: bool = param(
            True, label="Drop empty answers", help="Also rows without an answer, so use this step after the teacher."
        )
        truncated: bool = param(
            False,
            label="Drop answers that were cut off",
            help="By the provider's word where it is known; else an open code block, open JSON, or prose that ends "
            "inside a sentence.",
        )

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        result, _ = sieve.sift(
            ctx,
            judge(sieve.rows_of(ctx, source), params=params),
            by="filter_refusals",
            meta=sieve.passed_on(source),
            action="Read the rejected answers: the teacher may refuse the task as a whole, or was never asked.",
        )
        return result


def judge(rows: Iterable[Row], *, params: FilterRefusals.Params) -> Iterator[Verdict]:
    """A verdict on each row."""
    for row in rows:
        yield Verdict(row, *fault(row, params=params))


def fault(row: Row, *, params: FilterRefusals.Params) -> tuple[str, str]:
    """``(cause, reason)`` why the answer is none, or two empty texts."""
    answer = text_of(row.completion)
    if answer is None or not answer.strip():
        if not params.empty:
            return "", ""
        return ("without an answer", "The row has no answer.") if answer is None else ("empty", "The answer is empty.")
    if found := refusals.find_refusal(answer, phrases=params.phrases, whole=params.where == "whole answer"):
        return "refusals", f"The answer refuses: “{found}”."
    if params.truncated:
        word = row.meta.get("finish_reason")
        if truncation.is_truncated(answer, word if isinstance(word, str) else None):
            return "cut off", f"The answer stops in the middle: “…{answer.rstrip()[-60:]}”."
    return "", ""
