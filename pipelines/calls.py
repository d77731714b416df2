"""Teachers' answers in the database: the durable store of :mod:`pipelines.teachers.engine`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q, Sum

from pipelines.models import TeacherCall
from pipelines.teachers.base import Completion, Usage
from pipelines.teachers.desk import Desk
from pipelines.teachers.storage import StoredCall
from studio.lib.canonical import fingerprint

STORE_TRIES = 5


class TeacherCalls:
    """A ``CallStore`` on the ``TeacherCall`` table of one workspace. Its queries run on the desk's thread.

    With ``after``, the teacher is asked anew: of what is stored, only this step run's calls with a higher id are known.
    """

    def __init__(
        self, *, desk: Desk, workspace_id: Any, step_run_id: Any, teacher: str, after: int | None = None
    ) -> None:
        self.desk = desk
        self.workspace_id = workspace_id
        self.step_run_id = step_run_id
        self.teacher = teacher
        self.after = after

    async def load(self, keys: Sequence[str]) -> dict[str, StoredCall]:
        """See ``CallStore``."""
        return await self.desk.do(lambda: self.find(keys))

    async def put(self, call: StoredCall) -> None:
        """See ``CallStore``. Committed when this returns."""
        await self.desk.do(lambda: self.keep(call))

    async def spent(self) -> float:
        """See ``CallStore``."""
        return await self.desk.do(self.sum_up)

    def find(self, keys: Sequence[str]) -> dict[str, StoredCall]:
        """The stored calls among ``keys`` (at most a few hundred); bad answers only of this step run."""
        rows = TeacherCall.objects.filter(workspace_id=self.workspace_id, fingerprint__in=keys)
        if self.after is not None:
            rows = rows.filter(step_run_id=self.step_run_id, pk__gt=self.after)
        return {row.fingerprint: stored(row) for row in rows if not row.problem or row.step_run_id == self.step_run_id}

    def keep(self, call: StoredCall) -> None:
        """Insert or replace one call; durable before the slot asks the next question."""
        answer, usage = call.completion, call.completion.usage
        values = {
            "teacher": self.teacher,
            "model": answer.model[:200],
            "answer": {
                "message": answer.message(),
                "raw_id": answer.raw_id,
                "build": answer.fingerprint,
                "first_ms": answer.first_ms,
            },
            "finish_reason": answer.finish_reason,
            "prompt_tokens": usage.input_tokens,
            "completion_tokens": usage.output_tokens,
            "cached_tokens": usage.cached_tokens,
            "cost_usd": call.cost_usd,
            "latency_ms": answer.latency_ms,
            "problem": call.problem[:300],
            "tries": call.tries,
        }
        mine = {"workspace_id": self.workspace_id, "fingerprint": call.key, "step_run_id": self.step_run_id}
        for rest in reversed(range(STORE_TRIES)):
            try:
                with transaction.atomic():
                    self.set_aside(call.key)
                    if not TeacherCall.objects.filter(**mine).update(**values):
                        TeacherCall.objects.create(**mine, **values)
                return
            except IntegrityError:
                # Another run stored its answer to this question a moment ago: that one is set aside next.
                if not rest:
                    raise

    def set_aside(self, key: str) -> None:
        """An answer of another step run (or from before it was asked anew) stays as a bill, under a key no question has."""
        mine = Q(step_run_id=self.step_run_id) & (Q() if self.after is None else Q(pk__gt=self.after))
        others = TeacherCall.objects.filter(workspace_id=self.workspace_id, fingerprint=key).exclude(mine)
        for pk in others.values_list("pk", flat=True):
            TeacherCall.objects.filter(pk=pk).update(fingerprint=fingerprint({"superseded": key, "call": str(pk)}))

    def sum_up(self) -> float:
        """US dollars of this step run's calls, of those since it was asked anew."""
        calls = TeacherCall.objects.filter(step_run_id=self.step_run_id)
        if self.after is not None:
            calls = calls.filter(pk__gt=self.after)
        return float(calls.aggregate(total=Sum("cost_usd"))["total"] or 0.0)


def stored(row: TeacherCall) -> StoredCall:
    """A database row as the engine's record."""
    message = row.answer["message"]
    completion = Completion(
        text=message.get("content") or "",
        tool_calls=message.get("tool_calls") or [],
        model=row.model,
        finish_reason=row.finish_reason,  # type: ignore[arg-type]
        usage=Usage(row.prompt_tokens, row.completion_tokens, row.cached_tokens),
        latency_ms=row.latency_ms,
        raw_id=row.answer.get("raw_id", ""),
        first_ms=row.answer.get("first_ms"),
        fingerprint=row.answer.get("build", ""),
    )
    return StoredCall(
        row.fingerprint, completion, problem=row.problem, tries=row.tries, cost_usd=row.cost_usd, at=row.at.isoformat()
    )
