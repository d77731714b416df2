"""Drop rows whose prompt or answer is too short or too long, in characters or in the tokens of a student."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from pydantic import field_validator, model_validator

from pipelines.steps import base, sieve
from pipelines.steps.asking import chunks
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from pipelines.steps.student import BASE_MODELS, base_model_config
from pipelines.steps.train import DEFAULT_MODEL, KINDS, base_identity
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.quality import token_lengths
from vault.quality.gguf_tokenizer import UnreadableTokenizer
from vault.quality.token_lengths import TokenCounter, Turn
from vault.rows import Row, text_of

BATCH = 500
"""Rows whose tokens are counted at once."""


class FilterLength(base.Step):
    """Keeps rows whose prompt and answer lengths lie inside limits; the others leave with the number that was off.

    In characters, the prompt's length is that of all its messages but the system prompt. In tokens, the whole conversation
    counts, with all that the student's chat template writes around it: what the student has to hold in its context. A row
    without an answer is not judged by the answer limits.
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
        student: str = param(
            "",
            label="Student",
            help="The base model whose tokens are counted: embedded:…, hub:org/name@revision, folder:/path or "
            "gguf:/path/file.gguf. Empty: tokens are not counted.",
            widget="base_model",
            suggestions=(DEFAULT_MODEL,),
        )
        tokens_max: int | None = param(
            None,
            label="Longest row",
            help="System prompt, prompt and answer together, as the student reads them. Empty: as many as its context holds.",
            unit="tokens",
            ge=1,
        )
        answer_tokens_max: int | None = param(
            None, label="Longest answer in tokens", help="Empty: no limit.", unit="tokens", ge=1, advanced=True
        )

        @field_validator("student")
        @classmethod
        def known_kind(cls, value: str) -> str:
            kind, _, rest = value.partition(":")
            if value and (kind not in KINDS or not rest):
                raise ValueError(f"Write {DEFAULT_MODEL}, hub:org/name@revision, folder:/path or gguf:/path/file.gguf")
            if kind == "hub" and not all(rest.partition("@")[::2]):
                raise ValueError("Name the model's revision: hub:org/name@commit (or @tag)")
            return value

        @model_validator(mode="after")
        def limits_in_order(self) -> Self:
            for what in ("prompt", "answer"):
                low, high = getattr(self, f"{what}_min"), getattr(self, f"{what}_max")
                if low > high:
                    raise ValueError(f"The shortest {what} ({low:,}) is longer than the longest {what} ({high:,})")
            if not self.student and (self.tokens_max or self.answer_tokens_max):
                raise ValueError("A limit in tokens needs a student: each model cuts text into tokens of its own")
            return self

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The student's identity: another tokenizer counts otherwise."""
        return {"student": base_identity(params.student)} if params.student else {}

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        tokens = Tokens(counter_for(ctx, params.student), params=params) if params.student else None
        result, _ = sieve.sift(
            ctx,
            judge(sieve.rows_of(ctx, source), limits=params, tokens=tokens),
            by="filter_length",
            meta=sieve.passed_on(source),
            action="Widen the limits of this step, or look at the dataset: its prompts or answers may be empty.",
        )
        if tokens is None:
            return result
        more = {"student": params.student, "tokens_max": tokens.most, "longest_row_tokens": tokens.longest}
        return replace(result, summary={**result.summary, **{name: value for name, value in more.items() if value}})


def counter_for(ctx: Context, ref: str) -> TokenCounter:
    """The student's token counter: from what is on this machine's disk, else made ready by a child. Raises ``StepError``."""
    from vault.profiling import students

    path = next((student.path for student in students.choices() if student.ref == ref), None)
    try:
        if path is not None:
            try:
                return token_lengths.load(path)
            except UnreadableTokenizer:
                pass  # The child reads more kinds of files.
        return token_lengths.load(Path(ctx.run_child(BASE_MODELS, base_model_config(ref))["path"]))
    except UnreadableTokenizer as problem:
        raise StepError(
            f"The tokens of {ref} can't be counted: {problem}",
            action="Choose a student with a tokenizer.json, or limit the length in characters.",
        ) from None


class Tokens:
    """Lengths in a student's tokens. ``most``: of a whole row, None where neither the step nor the model sets a limit."""

    def __init__(self, counter: TokenCounter, *, params: FilterLength.Params) -> None:
        self.counter = counter
        self.most = params.tokens_max or counter.context
        self.most_of_answer = params.answer_tokens_max
        self.longest = 0

    def broken(self, rows: list[Row]) -> list[tuple[str, str]]:
        """``(cause, reason)`` for each row, two empty texts where its tokens lie inside the limits."""
        prompts = [turns_of(row) for row in rows]
        answers = [text_of(row.completion) for row in rows]
        wholes = [p if a is None else [*p, ("assistant", a)] for p, a in zip(prompts, answers, strict=True)]
        counts = self.counter.count(wholes)
        heads = self.counter.count(prompts) if self.most_of_answer else [0] * len(rows)
        self.longest = max([self.longest, *counts])
        return [
            self._judge(count, None if answer is None else count - head)
            for count, head, answer in zip(counts, heads, answers, strict=True)
        ]

    def _judge(self, whole: int, answer: int | None) -> tuple[str, str]:
        if self.most is not None and whole > self.most:
            return "with too many tokens", f"The row has {whole:,} tokens; at most {self.most:,}."
        if self.most_of_answer is not None and answer is not None and answer > self.most_of_answer:
            said = f"The answer has {answer:,} tokens; at most {self.most_of_answer:,}."
            return "with too many tokens in the answer", said
        return "", ""


def turns_of(row: Row) -> list[Turn]:
    """Role and text of each message of the prompt."""
    return [(str(message.get("role") or ""), text_of(message) or "") for message in row.prompt]


def judge(rows: Iterable[Row], *, limits: FilterLength.Params, tokens: Tokens | None = None) -> Iterator[Verdict]:
    """A verdict on each row; the first limit that is broken gives the reason. Tokens are counted last: they cost most."""
    if tokens is None:
        for row in rows:
            yield Verdict(row, *broken_limit(row, limits=limits))
        return
    for chunk in chunks(rows, BATCH):
        found = [broken_limit(row, limits=limits) for row in chunk]
        counted = iter(tokens.broken([row for row, (cause, _) in zip(chunk, found, strict=True) if not cause]))
        for row, (cause, reason) in zip(chunk, found, strict=True):
            yield Verdict(row, cause, reason) if cause else Verdict(row, *next(counted))


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
