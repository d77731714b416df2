"""A teacher at work in a step: the settings that say which one, its key, its price, and the engine run with its store.

Shared by every step that asks a language model, so that all of them keep the same promises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import model_validator

from pipelines.steps import sieve
from pipelines.steps.asking import Find
from pipelines.steps.base import Context, InputArtifact, Step
from pipelines.teachers.base import Sampling, Teacher
from pipelines.teachers.budget import Ledger
from pipelines.teachers.desk import Desk
from pipelines.teachers.engine import Limits, Outcome, Progress, ask_all
from pipelines.teachers.prices import FREE, Price, find_price
from pipelines.teachers.storage import MemoryStore, Question
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from studio.registries import TEACHERS
from vault.rows import Row, read_rows

if TYPE_CHECKING:
    from studio.models import ProviderCredential

    TeacherName = str
else:
    TeacherName = Literal[tuple(TEACHERS)]

UNFINGERPRINTED = frozenset({"credential", "concurrency", "timeout", "cost_cap_usd", "at_cap"})
"""Settings of :class:`TeacherParams` that change how it is asked, not what it answers."""
ASKS = ("cost_cap_usd", "at_cap")
"""Settings that a person may change at the cost cap."""

Questions = Callable[[Iterable[Row]], Iterator[Question]]


class TeacherParams(BaseParams):
    """Which teacher, how it is reached, and what it may cost."""

    teacher: TeacherName = param("openai", label="Teacher", help="Who answers.")
    model: str = param(
        "", label="Model", help="The model's name as the provider spells it. Not needed for recorded answers."
    )
    credential: str = param(
        "",
        label="Credential",
        help="The stored API key to use. Servers of your own may need none.",
        widget="credential",
    )
    base_url: str = param(
        "",
        label="Address",
        help="Of an OpenAI-compatible server, up to and including /v1, for example http://127.0.0.1:11434/v1.",
    )
    temperature: float | None = param(
        None, label="Temperature", help="Empty leaves it to the provider; some models accept no other.", ge=0, le=2
    )
    max_tokens: int = param(
        512, label="Longest answer", help="Answers that reach it count as cut off.", unit="tokens", ge=1, le=200_000
    )
    cost_cap_usd: float | None = param(
        None,
        label="Cost cap",
        help="The step stops and asks before it could pass this. Empty: no cap.",
        unit="USD",
        gt=0,
    )
    at_cap: Literal["ask", "keep"] = param(
        "ask",
        label="At the cap",
        help="“ask” waits for a person; “keep” goes on with the answers so far and rejects the rest.",
        advanced=True,
    )
    concurrency: int = param(8, label="Calls at once", ge=1, le=256, advanced=True)
    timeout: float = param(120.0, label="Time limit of a call", unit="s", ge=1, le=3600, advanced=True)
    price_in: float | None = param(
        None,
        label="Input price",
        help="Overrides the built-in list.",
        unit="USD per million tokens",
        ge=0,
        advanced=True,
    )
    price_out: float | None = param(
        None,
        label="Output price",
        help="Overrides the built-in list.",
        unit="USD per million tokens",
        ge=0,
        advanced=True,
    )

    @model_validator(mode="after")
    def _reachable_and_priced(self) -> Self:
        if self.teacher != "recorded" and not self.model:
            raise ValueError("Enter the name of the teacher's model.")
        if self.teacher == "openai_compatible" and not self.base_url and not self.credential:
            raise ValueError("Enter the address of the OpenAI-compatible server, or choose a credential that has it.")
        if (self.price_in is None) != (self.price_out is None):
            raise ValueError("Enter both prices, or neither.")
        return self


class LiveParams(TeacherParams):
    """A teacher that is asked something new."""

    purpose: ClassVar[str] = "answer that"
    """What recorded answers can't do."""

    @model_validator(mode="after")
    def _asks_somebody(self) -> Self:
        if self.teacher == "recorded":
            raise ValueError(f"Recorded answers can't {self.purpose}: choose a teacher that can be asked.")
        return self


class AskingStep(Step):
    """A step that asks a language model. Its params are :class:`TeacherParams` and more."""

    queue = "io"
    unfingerprinted = UNFINGERPRINTED
    asks = ASKS

    def resolve(self, params: Any, *, workspace_id: Any) -> dict[str, Any]:
        """The address the answers come from; with ``at_cap`` "keep", the cap decides the output too."""
        return facts_of(params, workspace_id=workspace_id)


def facts_of(params: TeacherParams, *, workspace_id: Any) -> dict[str, Any]:
    """What decides the answers beside the params: the address they come from; with ``at_cap`` "keep", the cap too."""
    found = find_credential(params, workspace_id=workspace_id) if params.credential else None
    facts: dict[str, Any] = {"address": params.base_url or (found.base_url if found else "")}
    if params.at_cap == "keep":
        facts["cost_cap_usd"] = params.cost_cap_usd
    return facts


def open_teacher(ctx: Context, params: TeacherParams) -> Teacher:
    """The teacher these params name, with its key read from the workspace's credentials. Raises ``StepError``."""
    from django.conf import settings

    kind = TEACHERS[params.teacher]
    secret, base_url = read_secret(ctx, params, kind)
    teacher: Teacher = kind.open(
        {**params.model_dump(), "base_url": base_url},
        secret=secret,
        allowed_hosts=settings.ALLOWED_HOSTS_OUT,
        timeout=params.timeout,
        concurrency=params.concurrency,
    )
    return teacher


def read_secret(ctx: Context, params: TeacherParams, kind: type[Teacher]) -> tuple[str | None, str]:
    """The key of the named credential, and the one address it may be sent to; ``(None, address)`` where none is needed.

    Raises ``StepError`` when it is missing, another provider's, or meant for another address.
    """
    from django.utils import timezone

    from studio.models import ProviderCredential

    if not params.credential:
        if kind.needs_key:
            raise StepError(
                f"{kind.label} needs an API key, and this step names no credential.",
                action="Add the key under Settings → Provider keys and choose it in this step.",
            )
        return None, params.base_url
    found = find_credential(params, workspace_id=ctx.workspace_id)
    if found is None:
        raise StepError(
            f"There is no credential '{params.credential}' in this workspace.",
            action="Add it under Settings → Provider keys, or choose another in this step.",
        )
    if found.provider != params.teacher:
        raise StepError(
            f"Credential '{found.name}' is a key for {found.provider}, and the teacher is {params.teacher}.",
            action="Choose a credential of the same provider: a key is never sent to another.",
        )
    if params.base_url.rstrip("/") not in ("", found.base_url.rstrip("/")):
        meant = found.base_url or "the provider's own address"
        raise StepError(
            f"Credential '{found.name}' may be sent to {meant} only, and this step's address is {params.base_url}.",
            action="Leave the address of this step empty, or store a key for that address.",
        )
    ProviderCredential.objects.filter(pk=found.pk).update(last_used_at=timezone.now())
    return found.reveal(), found.base_url


def find_credential(params: TeacherParams, *, workspace_id: Any) -> ProviderCredential | None:
    """The credential these params name, when the workspace has it."""
    from studio.models import ProviderCredential

    return ProviderCredential.objects.filter(workspace_id=workspace_id, name=params.credential).first()


def price_of(params: TeacherParams, kind: type[Teacher]) -> Price | None:
    """What the model costs; a cap without a price is an error, for it could not be kept."""
    if not kind.priced:
        return FREE
    price = find_price(params.teacher, params.model, price_in=params.price_in, price_out=params.price_out)
    if price is None and params.cost_cap_usd is not None:
        raise StepError(
            f"The price of {params.model} is not known, so the cost cap of ${params.cost_cap_usd:,.2f} can't be kept.",
            action="Enter the input and output price in this step (0 for a server of your own), or remove the cap.",
        )
    return price


def converse(
    ctx: Context,
    params: TeacherParams,
    source: InputArtifact,
    teacher: Teacher,
    questions: Questions,
    *,
    sampling: Sampling,
    price: Price | None,
) -> tuple[Outcome, Find]:
    """Ask what ``questions`` makes of the rows of ``source`` that the store can't answer; gives the outcome and how to find
    the answers. The network is on a loop of its own, database and progress stay on this thread. Closes the teacher.

    Raises :class:`~pipelines.teachers.budget.CapReached` at the cost cap when a person is to be asked (``at_cap``).
    """
    from pipelines.calls import TeacherCalls

    desk = Desk()
    memory = MemoryStore()
    calls = TeacherCalls(
        desk=desk,
        workspace_id=ctx.workspace_id,
        step_run_id=ctx.step_run_id,
        teacher=params.teacher,
        after=ctx.asks_anew_after,
    )
    rows = sieve.rows_of(ctx, source, note="Counting the questions")
    total = len({question.key for question in questions(rows)})

    def show(progress: Progress) -> None:
        ctx.progress(progress.done, progress.total, unit="answers", note=note_of(progress))

    async def report(progress: Progress) -> None:
        await desk.do(lambda: show(progress))

    async def main() -> Outcome:
        try:
            return await ask_all(
                questions(read_rows(source.path)),
                total=total,
                teacher=teacher,
                sampling=sampling,
                store=calls if teacher.priced else memory,
                limits=Limits(concurrency=params.concurrency, timeout=params.timeout),
                price=price,
                cap_usd=params.cost_cap_usd if teacher.priced else None,
                ledger=Ledger(ctx.scratch / "in-doubt.usd"),
                on_progress=report,
            )
        finally:
            await teacher.aclose()

    outcome = desk.run(main)
    if outcome.cap is not None:
        if params.at_cap != "keep":
            raise outcome.cap
        ctx.log(str(outcome.cap))
    return outcome, calls.find if teacher.priced else memory.find


def note_of(progress: Progress) -> str:
    """What the run page says beside the bar."""
    parts = [f"{progress.rate:.1f} answers/s"] if progress.answered else []
    parts.append("cost unknown" if progress.cost_usd is None else f"${progress.cost_usd:.4f}")
    if progress.reused:
        parts.append(f"{progress.reused:,} already answered")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.note:
        parts.append(progress.note)
    return " · ".join(parts)
