"""Have a teacher answer the rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.asking import Asker, Find, Written, filled, with_system, write_answers
from pipelines.steps.base import Context, InputArtifact, Output, Port, StepResult
from pipelines.teachers import recorded
from pipelines.teachers.base import Sampling, Teacher
from pipelines.teachers.budget import Ledger
from pipelines.teachers.desk import Desk
from pipelines.teachers.engine import Limits, Outcome, Progress, ask_all
from pipelines.teachers.prices import FREE, Price, find_price
from pipelines.teachers.recorded import RecordedTeacher
from pipelines.teachers.storage import MemoryStore, StoredCall
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from studio.registries import TEACHERS
from vault.rows import Row, count_rows, read_rows, write_rows

if TYPE_CHECKING:
    from studio.models import ProviderCredential

    TeacherName = str
else:
    TeacherName = Literal[tuple(TEACHERS)]


class Generate(base.Step):
    """Asks a teacher for the answer to every row, keeps each answer the moment it arrives, and never asks for it twice.

    Rows the teacher could not answer leave by ``rejects`` with the reason.
    """

    label = "Ask a teacher"
    group = "Teacher"
    queue = "io"
    inputs = {
        "rows": Port("dataset", "Prompts to answer"),
        "answers": Port("dataset", "Recorded answers to replay (recorded teacher only)", optional=True),
    }
    outputs = {
        "rows": Port("dataset", "Rows with the teacher's answer"),
        "rejects": Port("dataset", "Rows without a usable answer, each with its reason"),
    }
    unfingerprinted = frozenset({"credential", "concurrency", "timeout", "cost_cap_usd", "at_cap"})

    asks = ("cost_cap_usd", "at_cap")
    help = (
        "A large model answers every row, and its answers are what the student learns. Each answer is kept the moment it "
        "arrives and is never paid for twice, whatever happens to the worker."
    )

    class Params(BaseParams):
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
        answers_from: recorded.Column = param(
            "completion",
            label="Recorded answers",
            help="For the recorded teacher: which field of the rows is its answer.",
        )
        system_prompt: str = param(
            "",
            label="System prompt",
            help="Sent before every prompt, in place of a system message the row brings. Empty: rows as they are.",
            widget="textarea",
        )
        temperature: float | None = param(
            None, label="Temperature", help="Empty leaves it to the provider; some models accept no other.", ge=0, le=2
        )
        max_tokens: int = param(
            512, label="Longest answer", help="Answers that reach it count as cut off.", unit="tokens", ge=1, le=200_000
        )
        samples: int = param(
            1, label="Answers to each prompt", help="More than one needs a temperature above 0.", ge=1, le=32
        )
        keep_existing: bool = param(
            True, label="Keep answers that are there", help="Rows that already have an answer are not asked again."
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
        def _fit_together(self) -> Generate.Params:
            if self.teacher != "recorded" and not self.model:
                raise ValueError("Enter the name of the teacher's model.")
            if self.teacher == "openai_compatible" and not self.base_url and not self.credential:
                raise ValueError(
                    "Enter the address of the OpenAI-compatible server, or choose a credential that has it."
                )
            if self.samples > 1 and self.teacher != "recorded" and self.temperature == 0:
                raise ValueError("More than one answer to each prompt needs a temperature above 0.")
            if (self.price_in is None) != (self.price_out is None):
                raise ValueError("Enter both prices, or neither.")
            return self

    def resolve(self, params: Params, *, workspace_id: Any) -> dict[str, Any]:
        """The address the answers come from; with ``at_cap`` "keep", the cap decides the output too."""
        found = find_credential(params, workspace_id=workspace_id) if params.credential else None
        facts: dict[str, Any] = {"address": params.base_url or (found.base_url if found else "")}
        if params.at_cap == "keep":
            facts["cost_cap_usd"] = params.cost_cap_usd
        return facts

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source, recording = inputs["rows"], inputs.get("answers")
        if params.teacher == "recorded" and recording is None:
            return replay_own(ctx, params, source)
        if params.teacher != "recorded" and recording is not None:
            raise StepError(
                f"Recorded answers are wired in, but the teacher is {params.teacher}.",
                action="Choose the teacher “recorded”, or remove that wire.",
            )
        return ask(ctx, params, source, recording)


def open_teacher(ctx: Context, params: Generate.Params) -> Teacher:
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


def read_secret(ctx: Context, params: Generate.Params, kind: type[Teacher]) -> tuple[str | None, str]:
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


def find_credential(params: Generate.Params, *, workspace_id: Any) -> ProviderCredential | None:
    """The credential these params name, when the workspace has it."""
    from studio.models import ProviderCredential

    return ProviderCredential.objects.filter(workspace_id=workspace_id, name=params.credential).first()


def price_of(params: Generate.Params, kind: type[Teacher]) -> Price | None:
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


def ask(ctx: Context, params: Generate.Params, source: InputArtifact, recording: InputArtifact | None) -> StepResult:
    """Ask for everything that is missing, then write the rows from the store."""
    price = price_of(params, TEACHERS[params.teacher])
    teacher = open_teacher(ctx, params)
    asker = Asker(
        teacher=params.teacher,
        identity=teacher.identity(),
        sampling=Sampling(max_tokens=params.max_tokens, temperature=params.temperature),
        samples=params.samples,
        system_prompt=params.system_prompt,
        keep_existing=params.keep_existing,
    )
    if isinstance(teacher, RecordedTeacher) and recording is not None:
        known = teacher.learn(sieve.rows_of(ctx, recording, note="Reading the recorded answers"))
        ctx.log(f"{known:,} prompts have a recorded answer.")
        rows = sieve.rows_of(ctx, source, note="Looking for the recorded answers")
        teacher.prepare([q.messages for q in asker.questions(rows) if q.sample == 0])
    outcome, find = converse(ctx, params, source, teacher, asker, price)
    if outcome.cap is not None:
        if params.at_cap != "keep":
            raise outcome.cap
        ctx.log(str(outcome.cap))
    written = write_answers(ctx, source, asker, find, failed=outcome.failed)
    return result_of(ctx, params, source, written, outcome, price)


def converse(
    ctx: Context, params: Generate.Params, source: InputArtifact, teacher: Teacher, asker: Asker, price: Price | None
) -> tuple[Outcome, Find]:
    """Run the engine. The network is on a loop of its own, database and progress stay on this thread."""
    from pipelines.calls import TeacherCalls

    desk = Desk()
    memory = MemoryStore()
    calls = TeacherCalls(desk=desk, workspace_id=ctx.workspace_id, step_run_id=ctx.step_run_id, teacher=params.teacher)
    rows = sieve.rows_of(ctx, source, note="Counting the questions")
    total = len({question.key for question in asker.questions(rows)})

    def show(progress: Progress) -> None:
        ctx.progress(progress.done, progress.total, unit="answers", note=note_of(progress))

    async def report(progress: Progress) -> None:
        await desk.do(lambda: show(progress))

    async def main() -> Outcome:
        try:
            return await ask_all(
                asker.questions(read_rows(source.path)),
                total=total,
                teacher=teacher,
                sampling=asker.sampling,
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


def result_of(
    ctx: Context,
    params: Generate.Params,
    source: InputArtifact,
    written: Written,
    outcome: Outcome,
    price: Price | None,
) -> StepResult:
    """Outputs and summary; raises ``StepError`` when not one row was answered."""
    causes, total = dict(written.causes.most_common()), written.kept + written.dropped
    if written.kept == 0 and written.dropped:
        told = "; ".join(f"{count:,} × {cause}" for cause, count in list(causes.items())[:3])
        raise StepError(
            f"The teacher answered none of the {written.dropped:,} questions: {told}.",
            action="Mend the cause, then retry.",
        )
    cost = None if price is None else round(written.cost_usd, 9)
    progress, headline = outcome.progress, sieve.headline(total=total, kept=written.kept, dropped=causes)
    incomplete = bool(outcome.passing) or outcome.cap is not None
    summary = {
        "rows_in": total,
        "rows_kept": written.kept,
        "dropped": causes,
        "headline": f"{headline} Run it again to ask for what is missing." if incomplete else headline,
        "answers_new": progress.answered,
        "answers_reused": progress.reused,
        "answers_kept": written.own_answers,
        "input_tokens": written.input_tokens,
        "output_tokens": written.output_tokens,
        "cached_tokens": written.cached_tokens,
        "cost_usd": cost,
        "unconfirmed_usd": round(progress.unconfirmed_usd, 9),
    }
    if incomplete:
        summary[base.INCOMPLETE] = True
    meta = sieve.passed_on(source, rows=written.kept, teacher=params.teacher, model=params.model, cost_usd=cost)
    rejects = Output(ctx.scratch / "rejects", {"rows": written.dropped})
    return StepResult({"rows": Output(ctx.scratch / "rows", meta), "rejects": rejects}, summary)


def replay_own(ctx: Context, params: Generate.Params, source: InputArtifact) -> StepResult:
    """The recorded teacher without a recording of its own: each row's own completion or reference is the answer."""
    total = count_rows(source.path)
    missing: list[str] = []

    def answered() -> Iterator[Row]:
        for row in sieve.reported(ctx, read_rows(source.path), total=total):
            if params.answers_from == "reference" and params.keep_existing and row.completion is not None:
                yield row
                continue
            answer = recorded.answer_of(row, column=params.answers_from)
            if answer is None:
                missing.append(row.user_text[:80])
                continue
            asked = replace(row, prompt=with_system(row.prompt, params.system_prompt))
            yield filled(asked, StoredCall("", answer, at=str(row.meta.get("at") or "")), teacher=params.teacher)

    kept = write_rows(ctx.scratch / "rows", answered())
    if missing:
        raise recorded.missing_answers(missing, total=total)
    write_rows(ctx.scratch / "rejects", [])
    headline = f"{kept:,} recorded {'answer' if kept == 1 else 'answers'} replayed."
    summary = {"rows_in": total, "rows_kept": kept, "dropped": {}, "headline": headline}
    meta = sieve.passed_on(source, rows=kept, teacher=params.teacher, model=params.model)
    rejects = Output(ctx.scratch / "rejects", {"rows": 0})
    return StepResult({"rows": Output(ctx.scratch / "rows", meta), "rejects": rejects}, summary)
