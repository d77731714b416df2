"""Questions, what is kept of their answers, and where: the vocabulary that the engine and its stores share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.teachers.base import Completion, Sampling
from studio.lib.canonical import fingerprint
from vault.rows import Message


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask. ``key`` is the request's fingerprint: equal questions have equal keys and are asked once."""

    key: str
    messages: list[Message]
    sample: int = 0


@dataclass(frozen=True, slots=True)
class StoredCall:
    """What the store keeps of a question. ``problem`` is blank for a good answer; ``tries`` and ``cost_usd`` count all tries."""

    key: str
    completion: Completion
    problem: str = ""
    tries: int = 1
    cost_usd: float | None = None
    at: str = ""
    """When it was answered (ISO 8601), where the store knows."""


class CallStore(Protocol):
    """Where answers become durable. All methods are called from one event loop."""

    async def load(self, keys: Sequence[str]) -> dict[str, StoredCall]:
        """The stored calls among ``keys``. Bad answers of *other* steps are left out: they may be asked again."""

    async def put(self, call: StoredCall) -> None:
        """Keep a call; durable when this returns. Replaces what is stored under its key."""

    async def spent(self) -> float:
        """US dollars spent by this step so far, in earlier attempts too."""


class MemoryStore:
    """A store for answers that cost nothing and need not outlive the step."""

    def __init__(self) -> None:
        self.calls: dict[str, StoredCall] = {}

    async def load(self, keys: Sequence[str]) -> dict[str, StoredCall]:
        """See :class:`CallStore`."""
        return self.find(keys)

    def find(self, keys: Sequence[str]) -> dict[str, StoredCall]:
        """The stored calls among ``keys``."""
        return {key: self.calls[key] for key in keys if key in self.calls}

    async def put(self, call: StoredCall) -> None:
        """See :class:`CallStore`."""
        self.calls[call.key] = call

    async def spent(self) -> float:
        """See :class:`CallStore`."""
        return sum(call.cost_usd or 0.0 for call in self.calls.values())


def question_key(
    teacher: str, identity: dict[str, object], messages: list[Message], sampling: Sampling, sample: int
) -> str:
    """The fingerprint of a request: teacher, model and address, messages, sampling and sample number. No secrets."""
    body = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
    return fingerprint(
        {"teacher": teacher, "identity": identity, "messages": messages, "sampling": body, "sample": sample}
    )


def storable(text: str) -> str:
    """Text that every database and Parquet accept: NUL and lone surrogates become U+FFFD."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def problem_of(completion: Completion, *, max_tokens: int) -> str:
    """Why an answer can't be used, or ``""``."""
    if completion.finish_reason == "length":
        return f"The answer was cut off at {max_tokens:,} tokens."
    if completion.finish_reason == "refusal":
        return "The teacher refused to answer."
    if not completion.text.strip() and not completion.tool_calls:
        return "The answer was empty."
    return ""
