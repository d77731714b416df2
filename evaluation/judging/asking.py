"""Putting the cases of one judgement to the judge: written down once, asked, asked once more where a reply was no verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evaluation.judging.bench import Ask, Bench, Verdict, hear
from evaluation.judging.cases import Chosen, golden_cases, read_cases
from pipelines.steps import sieve
from pipelines.steps.asking import NOT_ASKED, Find, chunks
from pipelines.steps.base import Context, InputArtifact
from pipelines.steps.judge import LEAST_TRIED, USELESS
from pipelines.teachers.engine import LOOK_AHEAD
from pipelines.teachers.storage import Question, StoredCall
from studio.lib.errors import StepError
from vault.rows import Row, write_rows


@dataclass
class Bill:
    """What the replies that were used amount to; one that serves several equal questions is paid once."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    seen: set[str] = field(default_factory=set)
    models: Counter[str] = field(default_factory=Counter)

    @property
    def model(self) -> str:
        """The model's name as its provider gives it, the most frequent one."""
        return self.models.most_common(1)[0][0] if self.models else ""

    def book(self, call: StoredCall) -> None:
        """Add one reply."""
        if call.key in self.seen:
            return
        self.seen.add(call.key)
        self.models[call.completion.model] += 1
        self.input_tokens += call.completion.usage.input_tokens
        self.output_tokens += call.completion.usage.output_tokens
        self.cost_usd += call.cost_usd or 0.0


def write_cases(
    ctx: Context, source: InputArtifact, chosen: Chosen, golden: Iterable[Mapping[str, Any]]
) -> InputArtifact:
    """The chosen rows of a report with everybody's answers, then the golden answers, as rows in the scratch area."""
    names = list(dict.fromkeys([*chosen.candidates, *(name for pair in chosen.pairs for name in pair)]))
    folder = ctx.scratch / "cases"

    def cases() -> Iterator[Row]:
        yield from sieve.beating(ctx, read_cases(source.path, names, chosen.rids))
        yield from golden_cases(golden)

    write_rows(folder, cases())
    return InputArtifact(sha=source.sha, kind="dataset", path=folder, meta={})


def chunk_size(bench: Bench) -> int:
    """Cases whose questions can be looked up at once."""
    return max(1, LOOK_AHEAD // bench.asks_per_case)


def asked_of(bench: Bench, cases: Iterable[Row], find: Find) -> Iterator[tuple[Row, list[Ask], dict[str, StoredCall]]]:
    """Every case with its questions and the replies to them. Memory: a few hundred replies."""
    for chunk in chunks(cases, chunk_size(bench)):
        asks = [list(bench.asks(case)) for case in chunk]
        calls = find([ask.question.key for mine in asks for ask in mine])
        for case, mine in zip(chunk, asks, strict=True):
            yield case, mine, calls


def spool_repairs(ctx: Context, source: InputArtifact, bench: Bench, find: Find) -> Path:
    """A file with the questions whose reply is no verdict, worded anew. Raises ``StepError`` when nearly all of them are none."""
    path, heard, useless, example = ctx.scratch / "repairs.jsonl", 0, 0, ""
    seen: set[str] = set()
    with path.open("w", encoding="utf-8") as out:
        for case, asks, calls in asked_of(bench, sieve.rows_of(ctx, source, note="Reading the verdicts"), find):
            for ask in asks:
                call = calls.get(ask.question.key)
                if call is None or call.problem or call.key in seen:
                    continue
                seen.add(call.key)
                heard += 1
                if isinstance(bench.read(case, ask, call), str):
                    useless += 1
                    example = example or call.completion.text.strip()
                    repair = bench.repair(ask, call.completion.text)
                    out.write(json.dumps(repair.messages, ensure_ascii=False) + "\n")
    if heard >= LEAST_TRIED and useless > USELESS * heard:
        raise StepError(
            f"{useless:,} of {heard:,} replies of the judge are no verdict. The first: “{example[:120]}”.",
            action="Choose a model that can keep to a form, or raise “Longest answer” if its verdicts break off.",
        )
    return path


def read_questions(path: Path, bench: Bench) -> Iterator[Question]:
    """Every question in a file of repairs."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield bench.question(json.loads(line))


def judge(
    ctx: Context, source: InputArtifact, bench: Bench, find: Find, *, failed: Mapping[str, str], bill: Bill
) -> Iterator[Verdict]:
    """The verdicts on every case, from the stored replies."""
    rows = sieve.rows_of(ctx, source, note="Writing the verdicts")
    for chunk in chunks(asked_of(bench, rows, find), chunk_size(bench)):
        repairs = {}
        for case, asks, calls in chunk:
            for ask in asks:
                call = calls.get(ask.question.key)
                if call is not None:
                    bill.book(call)
                    if not call.problem and isinstance(bench.read(case, ask, call), str):
                        repairs[call.key] = bench.repair(ask, call.completion.text).key
        again = find(list(repairs.values())) if repairs else {}
        for call in again.values():
            bill.book(call)
        for case, asks, calls in chunk:
            heard = hear(bench, case, asks, calls, again, failed=failed, unasked=NOT_ASKED)
            yield from bench.settle(case, heard)
