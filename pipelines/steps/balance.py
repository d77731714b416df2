"""Bring labels or tags to similar numbers of rows: fewer of the many, more of the few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.picking import UNGROUPED, By, Groups, group_rows, key_for
from pipelines.steps.sieve import Verdict
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import Row, count_rows, read_rows

MOST_GROUPS = 2_000
SHOWN = 5


class Balance(base.Step):
    """Caps the rows of each label or tag by a seeded draw (the others leave by ``rejects``), and, if asked, repeats rows of the
    small ones. A repeated row has an id of its own and names its original in ``meta["derived_from"]``.
    """

    label = "Balance"
    group = "Curation"
    help = (
        "A student learns what is frequent. Cap the frequent labels, or repeat the rare ones. Use it after the split, on the "
        "training rows only, so that the held-out rows stay as they come in real life."
    )
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        by: By = param("label", label="Balance by", help="A label is the reference answer, else the teacher's answer.")
        tags: list[str] = param(
            list,
            label="Tags",
            help="One a line, the most important first: a row counts for the first it has. Empty: each row's first tag.",
            widget="lines",
        )
        target: Literal["smallest", "median", "number"] = param(
            "median",
            label="Rows of each",
            help="As many as the smallest has, as the middle one has, or a number of yours.",
        )
        number: int | None = param(None, label="Number", help="For the target “number”.", unit="rows", ge=1)
        repeat: bool = param(
            False,
            label="Repeat rows of the small ones",
            help="Up to the target, each row about equally often. Repeated rows teach nothing new, but count more.",
        )
        most_copies: int = param(
            5,
            label="Most times a row stands",
            help="Repetition stops there.",
            unit="times",
            ge=2,
            le=1_000,
            advanced=True,
        )
        seed: int = param(0, label="Seed", help="Another seed gives other rows.", ge=0, advanced=True)

        @model_validator(mode="after")
        def a_number(self) -> Self:
            if (self.target == "number") != (self.number is not None):
                raise ValueError(
                    "Enter how many rows each shall have"
                    if self.number is None
                    else "The number is only used with the target “number”: choose it, or leave the number empty"
                )
            if self.tags and self.by != "tag":
                raise ValueError("Tags are listed, but rows are balanced by label: choose “tag”, or remove them")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        key = key_for(params.by, tags=params.tags)
        groups = group_rows(sieve.rows_of(ctx, source, note="counting"), key=key, seed=params.seed)
        plan = make_plan(groups, params=params)
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="writing")
        result, _ = sieve.sift(
            ctx,
            judge(rows, plan=plan, groups=groups),
            by="balance",
            meta=sieve.passed_on(source),
            action="The input of this step is empty: look at the step before it.",
        )
        return replace(
            result, summary={**result.summary, **told(plan, groups, rows=total, written=result.summary["rows_kept"])}
        )


@dataclass(frozen=True)
class Plan:
    """``target``: rows of each group. ``times``: how often each row stands in the output, in order; 0 drops it."""

    target: int
    times: list[int]


def make_plan(groups: Groups, *, params: Balance.Params) -> Plan:
    """How often each row stands. Rows without a label or tag stay as they are. Raises ``StepError`` when the answers are no
    labels, or no row has a tag."""
    sizes = Counter({key: size for key, size in groups.sizes().items() if key != UNGROUPED})
    if not sizes and groups.of:
        hint = "Tag rows in the Vault first, or balance by label." if params.by == "tag" else "Ask a teacher first."
        raise StepError(f"No row has a {params.by} to balance by.", action=hint)
    if len(sizes) > MOST_GROUPS:
        raise StepError(
            f"The rows have {len(sizes):,} different {params.by}s; at most {MOST_GROUPS:,} can be balanced.",
            action="Free-text answers are no labels: balance by tag.",
        )
    ordered = sorted(sizes.values())
    target = {"smallest": ordered[0] if ordered else 1, "median": ordered[len(ordered) // 2] if ordered else 1}.get(
        params.target, params.number or 1
    )
    times = [1] * len(groups.of)
    for key, members in groups.members().items():
        if key == UNGROUPED:
            continue
        for position in members[target:]:
            times[position] = 0
        if params.repeat and len(members) < target:
            wanted = min(target, len(members) * params.most_copies)
            for rank, position in enumerate(members):
                times[position] = wanted // len(members) + (rank < wanted % len(members))
    return Plan(target, times)


def judge(rows: Iterable[Row], *, plan: Plan, groups: Groups) -> Iterator[Verdict]:
    """A verdict on each row of the same sequence the plan was made from; copies follow their row."""
    keys = groups.keys
    for row, number, times in zip(rows, groups.of, plan.times, strict=True):
        if times == 0:
            name = groups.names[keys[number]]
            shown = name if len(name) <= 60 else f"{name[:59]}…"
            yield Verdict(
                row, "beyond the target", f"“{shown}” has more than {plan.target:,} rows; this one was not drawn."
            )
            continue
        yield Verdict(row)
        for copy in range(2, times + 1):
            yield Verdict(copied(row, copy))


def copied(row: Row, number: int) -> Row:
    """The ``number``-th time a row stands: another id, the same everything, and where it comes from."""
    lineage = [*(i for i in row.meta.get("derived_from") or [] if i != row.id), row.id]
    return replace(row, id=f"{row.id}+{number}", meta={**row.meta, "copy": number, "derived_from": lineage})


def told(plan: Plan, groups: Groups, *, rows: int, written: int) -> dict[str, object]:
    """The summary: what came of each group, and how many rows were dropped and repeated."""
    keys, after = groups.keys, Counter[str]()
    for number, times in zip(groups.of, plan.times, strict=True):
        after[keys[number]] += times
    before = groups.sizes()
    kept = sum(times > 0 for times in plan.times)
    copies = written - kept
    short = [groups.names[key] or "(none)" for key, size in after.items() if key != UNGROUPED and size < plan.target]
    dropped = {"beyond the target": rows - kept} if rows > kept else {}
    headline = sieve.headline(total=rows, kept=kept, dropped=dropped)
    if copies:
        headline += f" {copies:,} {'copy' if copies == 1 else 'copies'} added."
    if short:
        names = ", ".join(f"“{name[:40]}”" for name in short[:SHOWN]) + (", …" if len(short) > SHOWN else "")
        headline += f" {len(short):,} still {'has' if len(short) == 1 else 'have'} fewer than {plan.target:,}: {names}."
    return {
        "rows_in": rows,
        "rows_kept": kept,
        "rows_out": written,
        "copies": copies,
        "target": plan.target,
        "groups": {groups.names[key] or "(none)": [before[key], after[key]] for key in keys},
        "headline": headline,
    }
