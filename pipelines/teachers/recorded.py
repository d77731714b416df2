"""A teacher that replays answers given earlier: no network, no key, no cost, and the same answer every time.

Answers are rows (:mod:`vault.rows`) whose ``completion`` (or ``reference``) is the answer and whose ``meta`` may say which model gave
it, its ``usage``, ``cost_usd`` and ``latency_ms``. They are found by the hash of the prompt as it would be sent. Several answers
to one prompt are its samples, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal

from pipelines.teachers.base import Completion, Connection, Sampling, Teacher, TeacherError, Usage
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import Message, Row, prompt_id

Column = Literal["completion", "reference"]
SHOWN = 3


class RecordedTeacher(Teacher):
    """Replays stored answers. Fill it with :meth:`learn` before asking."""

    label: ClassVar[str] = "Recorded answers"
    needs_key: ClassVar[bool] = False
    priced: ClassVar[bool] = False

    class Params(BaseParams):
        """Which field of the recorded rows is the answer."""

        answers_from: Column = param(
            "completion", label="Answer field", help="Which field of the recorded rows holds the answer."
        )

    def __init__(self, params: Any, *, connection: Connection) -> None:
        super().__init__(params, connection=connection)
        self.answers: dict[str, list[Completion]] = {}

    def learn(self, rows: Iterable[Row]) -> int:
        """Take the answers of ``rows`` and return how many prompts are known now. Memory: the answers, not the prompts."""
        for row in rows:
            answer = answer_of(row, column=self.params.answers_from)
            if answer is not None:
                self.answers.setdefault(prompt_id(row.prompt), []).append(answer)
        return len(self.answers)

    def prepare(self, prompts: Sequence[list[Message]]) -> None:
        """Raise ``StepError`` with the count when prompts have no recorded answer."""
        missing = [prompt for prompt in prompts if prompt_id(prompt) not in self.answers]
        if missing:
            raise missing_answers([_last_words(prompt) for prompt in missing], total=len(prompts))

    async def complete(self, messages: list[Message], sampling: Sampling, *, sample: int = 0) -> Completion:
        """The recorded answer to exactly these messages."""
        known = self.answers.get(prompt_id(messages), [])
        if sample >= len(known):
            raise TeacherError(
                f"There are {len(known)} recorded answers to this prompt, and answer {sample + 1} was asked for",
                action="Lower the number of samples, or record more answers.",
            )
        return known[sample]

    async def list_models(self) -> list[str]:
        """The models whose answers were recorded."""
        return sorted({answer.model for answers in self.answers.values() for answer in answers})


def answer_of(row: Row, *, column: Column) -> Completion | None:
    """A row's stored answer with what ``meta`` knows of it, or None when the field is empty."""
    message = row.completion if column == "completion" else row.reference
    if message is None:
        return None
    meta = row.meta if column == "completion" else {}
    usage = meta.get("usage") or {}
    return Completion(
        text=message.get("content") or "",
        tool_calls=message.get("tool_calls") or [],
        model=str(meta.get("model") or "recorded"),
        usage=Usage(**{name: int(usage.get(name) or 0) for name in ("input_tokens", "output_tokens", "cached_tokens")}),
        latency_ms=float(meta.get("latency_ms") or 0.0),
        cost_usd=meta.get("cost_usd"),
        raw_id=str(meta.get("raw_id") or ""),
    )


def missing_answers(examples: Sequence[str], *, total: int) -> StepError:
    """The error for prompts without a recorded answer: how many, and the first few."""
    shown = "; ".join(f"“{text}”" for text in examples[:SHOWN])
    more = ", …" if len(examples) > SHOWN else ""
    return StepError(
        f"{len(examples):,} of {total:,} prompts have no recorded answer: {shown}{more}.",
        action="Record answers for them, remove these rows first, or choose another teacher.",
    )


def _last_words(prompt: list[Message]) -> str:
    text = next((m.get("content") or "" for m in reversed(prompt) if m.get("role") == "user"), "")
    return text if len(text) <= 80 else text[:79] + "…"
