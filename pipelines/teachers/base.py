"""What a teacher is: something that answers chat messages, once a call, and says what the answer cost in tokens.

Retries, concurrency, cost and storage belong to :mod:`pipelines.teachers.engine`; a teacher only asks and translates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Self

from pydantic import ValidationError

from studio.lib.errors import StudioError
from studio.lib.params import BaseParams, problems
from vault.rows import Message

FinishReason = Literal["stop", "length", "tool_calls", "refusal", "other"]


class TeacherError(StudioError):
    """A call that brought no answer.

    ``retryable``: the same call may succeed later. ``retry_after``: seconds the provider asked to wait. ``fatal``: no call
    with this key, model or address can succeed, so the whole step must stop. ``billed``: the provider may have charged for it.
    """

    def __init__(
        self,
        message: str,
        *,
        action: str = "",
        retryable: bool = False,
        retry_after: float | None = None,
        fatal: bool = False,
        billed: bool = False,
    ) -> None:
        super().__init__(message, action=action)
        self.retryable = retryable
        self.retry_after = retry_after
        self.fatal = fatal
        self.billed = billed


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to answer. ``temperature`` None leaves it to the provider (some models accept no other value). ``stream``: have the answer
    sent as it is made, to time its first token; the answer itself is the same."""

    max_tokens: int = 512
    temperature: float | None = None
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens billed. ``input_tokens`` includes the ``cached_tokens`` that the provider read from its own cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. ``model`` is the model as the provider named it, ``raw_id`` the provider's id of the response."""

    text: str
    model: str
    finish_reason: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    latency_ms: float = 0.0
    raw_id: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    cost_usd: float | None = None
    """What the answer cost when it was first asked for, where the answer itself knows (a recorded one)."""
    first_ms: float | None = None
    """Time to the first token, where the answer was streamed."""
    fingerprint: str = ""
    """The provider's mark of the build that answered (OpenAI's ``system_fingerprint``), where it gives one."""

    def message(self) -> Message:
        """The answer as the assistant's message of a row."""
        message: Message = {"role": "assistant", "content": self.text}
        if self.tool_calls:
            message["tool_calls"] = self.tool_calls
            message["content"] = self.text or None
        return message

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Completion:
        """The inverse of :meth:`to_json`."""
        return cls(**{**value, "usage": Usage(**value["usage"])})


@dataclass(frozen=True, slots=True)
class Connection:
    """What a teacher may use besides its params: the key (never part of a fingerprint), reachable hosts, the time limit."""

    secret: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    timeout: float = 120.0
    concurrency: int = 8


class Teacher:
    """Base of all teachers. Subclasses set the class variables and ``Params`` and implement :meth:`complete`."""

    label: ClassVar[str]
    needs_key: ClassVar[bool] = True
    priced: ClassVar[bool] = True
    """Whether its answers cost money: then they are stored one by one, and a cost cap needs prices."""

    class Params(BaseParams):
        """A teacher without parameters."""

    def __init__(self, params: Any, *, connection: Connection) -> None:
        self.params = params
        self.connection = connection

    @classmethod
    def open(
        cls,
        values: Mapping[str, Any],
        *,
        secret: str | None = None,
        allowed_hosts: Collection[str] = (),
        timeout: float = 120.0,
        concurrency: int = 8,
    ) -> Self:
        """A teacher from plain values: those its ``Params`` know are used, blank ones take their default.

        Raises ``StudioError`` for values that don't fit and for a forbidden address.
        """
        known = {name: values[name] for name in cls.Params.model_fields if values.get(name) not in (None, "")}
        connection = Connection(secret, tuple(allowed_hosts), timeout, concurrency)
        try:
            params = cls.Params.model_validate(known)
        except ValidationError as error:
            said = "; ".join(f"{field}: {text}" for field, text in problems(error))
            raise StudioError(
                f"{cls.label} can't be used as it is set up: {said}", action="Mend these values."
            ) from None
        return cls(params, connection=connection)

    def identity(self) -> dict[str, Any]:
        """What makes its answers its own (provider, model, address), for the fingerprint of a request. No secrets."""
        return dict(self.params.model_dump(mode="json"))

    def prepare(self, prompts: Sequence[list[Message]]) -> None:
        """Look at all prompts before the first is asked; raises ``StepError`` when it is already clear that it can't work."""

    async def complete(self, messages: list[Message], sampling: Sampling, *, sample: int = 0) -> Completion:
        """Answer ``messages``; ``sample`` counts the answers asked for to the same prompt. Raises :class:`TeacherError`."""
        raise NotImplementedError

    async def list_models(self) -> list[str]:
        """Names of the models it offers: the cheapest proof that address and key work. Raises :class:`TeacherError`."""
        raise NotImplementedError

    def offered_models(self) -> list[str]:
        """:meth:`list_models` for callers without an event loop; closes the teacher."""
        from pipelines.teachers.desk import Desk

        async def main() -> list[str]:
            try:
                return await self.list_models()
            finally:
                await self.aclose()

        return Desk().run(main)

    async def aclose(self) -> None:
        """Give back connections."""
