"""Keep the rows of a dataset that lie nearest to others, by the texts of their questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evaluation.metrics.base import answer_key
from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, Port, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.errors import StepError
from studio.lib.params import BaseParams, param
from vault.rows import count_rows, read_rows

MOST_LIKE = 5_000
"""Rows that others are held against."""
CHUNK = 2_000
"""Rows whose vectors are held at once."""


class NearestRows(base.Step):
    """Keeps the rows whose questions are most like one of the rows given as a pattern; the others leave by ``rejects``. Words and
    pieces of words count, as where lost rows are grouped; the pattern itself goes nowhere. The order of the rows stays."""

    label = "Nearest rows"
    group = "Curation"
    help = (
        "Take of a large dataset only what is like the rows that a student loses. A row that asks word for word what the pattern "
        "asks is dropped: it would be a held-out row in the training."
    )
    inputs = {"rows": Port("dataset", "Rows to choose from"), "like": Port("dataset", "Rows that they should be like")}
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        count: int = param(500, label="Rows to keep", unit="rows", ge=1, le=1_000_000)
        ids: str = param(
            "",
            label="Which rows of the pattern",
            help="Their ids, one a line. Empty: all of them.",
            widget="textarea",
            max_length=400_000,
            advanced=True,
        )

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        wanted = {line.strip() for line in params.ids.splitlines() if line.strip()}
        pattern = [
            row.user_text
            for row in sieve.beating(ctx, read_rows(inputs["like"].path))
            if not wanted or row.id in wanted
        ][:MOST_LIKE]
        if not pattern:
            raise StepError(
                "None of the rows named as the pattern is among those that came in.",
                action="Wire the held-out rows of the evaluation into 'like', or leave the ids empty.",
            )
        source = inputs["rows"]
        total = count_rows(source.path)
        texts = [row.user_text for row in sieve.rows_of(ctx, source, note="reading")]
        kept, copies = choose(pattern, texts, count=params.count, beat=ctx.beat)
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="writing")
        result, _ = sieve.sift(
            ctx,
            _judge(rows, kept, copies, count=params.count),
            by="nearest_rows",
            meta=sieve.passed_on(source),
            action="No row has a word in common with the pattern: choose another dataset.",
        )
        return result


def choose(
    pattern: Sequence[str], texts: Sequence[str], *, count: int, beat: Any = lambda: None
) -> tuple[set[int], set[int]]:
    """``(places of the nearest texts, places of those that ask what the pattern asks)``. The similarity is the cosine with the
    nearest text of the pattern; equal ones stay in their order."""
    import numpy as np
    from threadpoolctl import threadpool_limits

    from evaluation.losses.failures import Vectors

    asked = {answer_key(text) for text in pattern}
    copies = {at for at, text in enumerate(texts) if answer_key(text) in asked}
    near = np.zeros(len(texts))
    with threadpool_limits(1):
        vectors = Vectors(list(dict.fromkeys(pattern)))
        for start in range(0, len(texts), CHUNK):
            beat()
            part = vectors.of(texts[start : start + CHUNK]) @ vectors.own.T
            near[start : start + CHUNK] = np.asarray(part.max(axis=1).todense()).ravel()
    near[sorted(copies)] = 0
    order = np.argsort(-near, kind="stable")[:count]
    return {int(at) for at in order if near[at] > 0}, copies


def _judge(rows: Iterator[Any], kept: set[int], copies: set[int], *, count: int) -> Iterator[Verdict]:
    for at, row in enumerate(rows):
        if at in kept:
            yield Verdict(row)
        elif at in copies:
            yield Verdict(row, "asked by the pattern", "It asks what a row of the pattern asks.")
        else:
            yield Verdict(row, "not near", f"Not among the {count:,} rows nearest to the pattern.")
