"""Rows to questions and answers back to rows: the part of asking a teacher that needs neither network nor database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from pipelines.steps import sieve
from pipelines.steps.base import Context, InputArtifact
from pipelines.teachers.base import Sampling
from pipelines.teachers.engine import LOOK_AHEAD
from pipelines.teachers.storage import Question, StoredCall, question_key
from vault.rows import Message, Row, from_json, to_json, write_rows

T = TypeVar("T")
NOT_ASKED = "Not asked: the cost cap was reached."

Find = Callable[[list[str]], dict[str, StoredCall]]
"""Keys (a few hundred at most) → the stored calls among them."""


@dataclass(frozen=True)
class Asker:
    """What turns rows into questions. ``identity`` says what makes the teacher's answers its own."""

    teacher: str
    identity: Mapping[str, Any]
    sampling: Sampling
    samples: int = 1
    system_prompt: str = ""
    keep_existing: bool = True

    def is_kept(self, row: Row) -> bool:
        """Whether the row's own answer stands."""
        return self.keep_existing and row.completion is not None

    def questions_of(self, row: Row) -> list[Question]:
        """One question for each sample of a row."""
        messages = with_system(row.prompt, self.system_prompt)
        return [
            Question(question_key(self.teacher, dict(self.identity), messages, self.sampling, n), messages, n)
            for n in range(self.samples)
        ]

    def questions(self, rows: Iterable[Row]) -> Iterator[Question]:
        """Every question of the rows that are to be asked, in order."""
        for row in rows:
            if not self.is_kept(row):
                yield from self.questions_of(row)


def with_system(prompt: list[Message], system_prompt: str) -> list[Message]:
    """``prompt`` with this system message first, in place of its own; as it is when the text is empty."""
    if not system_prompt:
        return prompt
    return [{"role": "system", "content": system_prompt}, *(m for m in prompt if m.get("role") != "system")]


def sample_row(row: Row, question: Question) -> Row:
    """The row as it was asked; samples after the first get ids of their own and remember the row they come from."""
    if question.sample == 0:
        return replace(row, prompt=question.messages)
    lineage = [*(i for i in row.meta.get("derived_from") or [] if i != row.id), row.id]
    meta = {**row.meta, "sample": question.sample, "sample_of": row.id, "derived_from": lineage}
    return replace(row, id=f"{row.id}-{question.sample + 1}", prompt=question.messages, meta=meta)


def filled(row: Row, call: StoredCall, *, teacher: str) -> Row:
    """The row with its answer, and in ``meta`` who gave it, how long it took and what it cost (all its tries)."""
    answer = call.completion
    meta = {
        **row.meta,
        "teacher": teacher,
        "model": answer.model,
        "usage": asdict(answer.usage),
        "cost_usd": call.cost_usd if answer.cost_usd is None else answer.cost_usd,
        "latency_ms": round(answer.latency_ms, 1),
        "at": call.at,
    }
    if answer.fingerprint:
        meta["fingerprint"] = answer.fingerprint
    return replace(row, completion=answer.message(), meta=meta)


@dataclass(slots=True)
class Written:
    """What was written: rows kept and dropped, why they were dropped (most frequent first), and the bill."""

    kept: int = 0
    dropped: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    own_answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0

    def book(self, call: StoredCall) -> None:
        """Add one answer to the bill."""
        usage = call.completion.usage
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cached_tokens += usage.cached_tokens
        self.cost_usd += call.cost_usd or 0.0


def write_answers(
    ctx: Context, source: InputArtifact, asker: Asker, find: Find, *, failed: Mapping[str, str]
) -> Written:
    """Write ``rows`` and ``rejects`` into the scratch area from the input rows and the stored calls. Memory: a few hundred
    rows.

    A question that neither has a good answer nor is in ``failed`` was not asked (the cost cap ended the work).
    """
    written = Written()
    scratch, spool = ctx.scratch, ctx.scratch / "rejects.jsonl"
    rows = sieve.rows_of(ctx, source, note="Writing the answers")
    with spool.open("w", encoding="utf-8") as rejects:
        written.kept = write_rows(scratch / "rows", _answered(rows, asker, find, failed, written, rejects))
    written.dropped = write_rows(scratch / "rejects", sieve.beating(ctx, _read(spool)))
    spool.unlink()
    return written


def _answered(
    rows: Iterable[Row], asker: Asker, find: Find, failed: Mapping[str, str], written: Written, rejects: IO[str]
) -> Iterator[Row]:
    for chunk in chunks(rows, max(LOOK_AHEAD // asker.samples, 1)):
        asked = [[] if asker.is_kept(row) else asker.questions_of(row) for row in chunk]
        calls = find([question.key for questions in asked for question in questions])
        for row, questions in zip(chunk, asked, strict=True):
            if not questions:
                written.own_answers += 1
                yield row
            for question in questions:
                call, made = calls.get(question.key), sample_row(row, question)
                if call is not None and not call.problem:
                    written.book(call)
                    yield filled(made, call, teacher=asker.teacher)
                    continue
                reason = failed.get(question.key) or (call.problem if call else NOT_ASKED)
                written.causes[cause_of(reason)] += 1
                record = to_json(made.rejected(by="generate", reason=reason))
                rejects.write(json.dumps(record, ensure_ascii=False) + "\n")


def cause_of(reason: str) -> str:
    """A reason without what differs from row to row, for counting."""
    for cause in ("cut off", "empty", "refused", "Not asked"):
        if cause in reason:
            return cause.lower()
    return reason.split(":", 1)[0].rstrip(".")[:80]


def chunks(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """The same in lists of at most ``size``."""
    chunk: list[T] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _read(spool: Path) -> Iterator[Row]:
    with spool.open(encoding="utf-8") as lines:
        for line in lines:
            yield from_json(json.loads(line))
