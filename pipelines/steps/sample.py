"""Take a part of the rows by chance, the same part every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import model_validator

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.picking import Groups, apportion, group_rows, key_for
from pipelines.steps.sieve import Verdict
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import Row, count_rows, read_rows

MOST_GROUPS = 2_000


class Sample(base.Step):
    """Keeps a number of rows, or a share of them, chosen by a seeded hash of their ids; stratified, each label or tag keeps
    its share of the whole. The other rows leave by ``rejects``. The order of the rows stays."""

    label = "Sample"
    group = "Curation"
    help = "Try a pipeline on a few rows first, or cap what a teacher is asked. The same seed gives the same rows."
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        size: int | None = param(1_000, label="Rows to keep", help="Empty: by share instead.", unit="rows", ge=1)
        share: float | None = param(
            None, label="Share to keep", help="0.1 is 10 %. Used when no number of rows is given.", gt=0, le=1
        )
        stratify: Literal["no", "label", "tag"] = param(
            "no",
            label="Keep the shares of",
            help="With label or tag, each keeps its share of the rows (to the row); a label is the reference, else the answer.",
        )
        seed: int = param(0, label="Seed", help="Another seed gives other rows.", ge=0, advanced=True)

        @model_validator(mode="after")
        def a_size(self) -> Self:
            if self.size is None and self.share is None:
                raise ValueError("Enter a number of rows or a share")
            if self.size is not None and self.share is not None:
                raise ValueError("Enter a number of rows or a share, not both")
            return self

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        key = key_for(params.stratify) if params.stratify != "no" else (lambda row: ("", ""))
        groups = group_rows(sieve.rows_of(ctx, source, note="drawing"), key=key, seed=params.seed)
        if len(groups.numbers) > MOST_GROUPS:
            raise StepError(
                f"The rows have {len(groups.numbers):,} different {params.stratify}s; at most {MOST_GROUPS:,} can keep their "
                "shares.",
                action="Free-text answers are no labels: stratify by tag, or not at all.",
            )
        wanted = params.size if params.size is not None else max(1, round(total * (params.share or 0.0)))
        taken = choose(groups, wanted)
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="writing")
        result, _ = sieve.sift(
            ctx,
            judge(rows, taken=taken, wanted=wanted),
            by="sample",
            meta=sieve.passed_on(source),
            action="The input of this step is empty: look at the step before it.",
        )
        more: dict[str, Any] = {"groups": len(groups.numbers)} if params.stratify != "no" else {}
        if wanted > total:
            more["headline"] = f"{result.summary['headline']} There are no {wanted:,} rows."
        return replace(result, summary={**result.summary, **more})


def choose(groups: Groups, wanted: int) -> bytearray:
    """For each row, in order, 1 when it is taken."""
    places = apportion(wanted, groups.sizes())
    taken = bytearray(len(groups.of))
    for key, members in groups.members().items():
        for position in members[: places[key]]:
            taken[position] = 1
    return taken


def judge(rows: Iterable[Row], *, taken: bytearray, wanted: int) -> Iterator[Verdict]:
    """A verdict on each row of the same sequence the draw was made from."""
    reason = f"Not among the {wanted:,} rows that were drawn."
    for row, inside in zip(rows, taken, strict=True):
        yield Verdict(row) if inside else Verdict(row, "not drawn", reason)
