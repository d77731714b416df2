"""Drop exact repeats, and say where one prompt has different answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.canonical import fingerprint
from studio.lib.params import BaseParams, param
from vault.rows import Row, count_rows, read_rows

Key = Literal["prompt", "prompt and answer"]


class DedupeExact(base.Step):
    """Keeps one row of each set of exact copies: the first that has a reference answer, else the first.

    Prompts that occur with different answers are counted as conflicts, whichever rows are kept.
    """

    label = "Remove exact duplicates"
    group = "Curation"
    help = "Copies cost training time and make some prompts count twice. Different answers to one prompt are reported."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        key: Key = param(
            "prompt",
            label="Rows are copies when they share",
            help="With “prompt and answer”, a prompt may stay several times as long as its answers differ.",
        )

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        plan = find_copies(sieve.rows_of(ctx, source, note="comparing"), key=params.key)
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="writing")
        result, _ = sieve.sift(
            ctx,
            judge(rows, plan=plan),
            by="dedupe_exact",
            meta=sieve.passed_on(source),
            action="The input of this step is empty: look at the step before it.",
        )
        if plan.conflicts:
            prompts = "prompt has" if plan.conflicts == 1 else "prompts have"
            headline = f"{result.summary['headline']} {plan.conflicts:,} {prompts} more than one answer."
            summary = {**result.summary, "conflicts": plan.conflicts, "headline": headline}
            return replace(result, summary=summary)
        return replace(result, summary={**result.summary, "conflicts": 0})


@dataclass(frozen=True)
class Copies:
    """Which rows go: position of a dropped row → position and id of the row kept for it. ``conflicts``: prompts seen with
    more than one answer."""

    dropped: Mapping[int, tuple[int, str]]
    conflicts: int


def find_copies(rows: Iterable[Row], *, key: Key) -> Copies:
    """One pass over the rows. Memory: a hash for each distinct prompt and answer, not the rows."""
    best: dict[str, tuple[int, str, bool]] = {}
    members: dict[str, list[int]] = {}
    answers: dict[str, set[str]] = {}
    for position, row in enumerate(rows):
        prompt = fingerprint(row.prompt)[:32]
        answer = fingerprint(row.completion_text)[:32]
        if row.completion is not None:
            answers.setdefault(prompt, set()).add(answer)
        name = prompt if key == "prompt" else prompt + answer
        has_reference = row.reference is not None
        if name not in best:
            best[name] = (position, row.id, has_reference)
            continue
        members.setdefault(name, [best[name][0]]).append(position)
        if has_reference and not best[name][2]:
            best[name] = (position, row.id, True)
    dropped = {p: best[name][:2] for name, positions in members.items() for p in positions if p != best[name][0]}
    return Copies(dropped, sum(len(texts) > 1 for texts in answers.values()))


def judge(rows: Iterable[Row], *, plan: Copies) -> Iterator[Verdict]:
    """A verdict on each row of the same sequence the plan was made from."""
    for position, row in enumerate(rows):
        kept = plan.dropped.get(position)
        if kept is None:
            yield Verdict(row)
        else:
            yield Verdict(row, "exact copies", f"A copy of row {kept[0] + 1:,} (id {kept[1]}).")
