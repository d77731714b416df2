"""Drop rows whose prompt or answer is too short or too long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.rows import Row


class FilterLength(base.Step):
    """Keeps rows whose prompt and answer lengths lie inside limits; the others leave with the number that was off.

    The prompt's length is that of all its messages but the system prompt. A row without an answer is not judged by the
    answer limits.
    """

    label = "Filter by length"
    group = "Curation"
    help = "Odd lengths are a cheap sign of broken rows: empty answers, pasted documents, runaway generations."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        prompt_min: int = param(1, label="Shortest prompt", help="Without the system prompt.", unit="characters", ge=0)
        prompt_max: int = param(
            20_000, label="Longest prompt", help="Without the system prompt.", unit="characters", ge=1
        )
        answer_min: int = param(1, label="Shortest answer", help="The teacher's answer.", unit="characters", ge=0)
        answer_max: int = param(8_000, label="Longest answer", help="The teacher's answer.", unit="characters", ge=1)
        messages_max: int = param(
            100,
            label="Most messages",
            help="Messages in the prompt, the system prompt included.",
            unit="messages",
            ge=1,
        )

        @model_validator(mode="after")
        def limits_in_order(self) -> Self:
            for what in ("prompt", "answer"):
                low, high = getattr(self, f"{what}_min"), getattr(self, f"{what}_max")
                if low > high:
                    raise ValueError(f"The shortest {what} ({low:,}) is longer than the longest {what} ({high:,})")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        result, _ = sieve.sift(
            ctx,
            judge(sieve.rows_of(ctx, source), limits=params),
            by="filter_length",
            meta=sieve.passed_on(source),
            action="Widen the limits of this step, or look at the dataset: its prompts or answers may be empty.",
        )
        return result


def judge(rows: Iterable[Row], *, limits: FilterLength.Params) -> Iterator[Verdict]:
    """A verdict on each row; the first limit that is broken gives the reason."""
    for row in rows:
        yield Verdict(row, *broken_limit(row, limits=limits))


def broken_limit(row: Row, *, limits: FilterLength.Params) -> tuple[str, str]:
    """``(cause, reason)`` of the first limit the row breaks, or two empty texts."""
    if len(row.prompt) > limits.messages_max:
        return (
            "with too many messages",
            f"The prompt has {len(row.prompt):,} messages; at most {limits.messages_max:,}.",
        )
    size = sum(len(m.get("content") or "") for m in row.prompt if m.get("role") != "system")
    found = _outside("prompt", size, low=limits.prompt_min, high=limits.prompt_max)
    answer = row.completion_text
    if not found[0] and answer is not None:
        found = _outside("answer", len(answer.strip()), low=limits.answer_min, high=limits.answer_max)
    return found


def _outside(what: str, size: int, *, low: int, high: int) -> tuple[str, str]:
    if size < low:
        return f"with too short {_article(what)}", f"The {what} has {size:,} characters; at least {low:,}."
    if size > high:
        return f"with too long {_article(what)}", f"The {what} has {size:,} characters; at most {high:,}."
    return "", ""


def _article(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"
