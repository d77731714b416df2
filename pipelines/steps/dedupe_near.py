"""Drop near-duplicates, and keep the best of each group."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from pipelines.steps import base, sieve
from pipelines.steps.base import Context, InputArtifact, StepResult
from pipelines.steps.sieve import Verdict
from studio.lib.params import BaseParams, param
from vault.lineage import question
from vault.quality.near_duplicates import Nearest, find_copies
from vault.quality.shingles import I64
from vault.rows import ROWS_FILE, Row, count_rows, read_rows

Compare = Literal["prompt", "prompt and answer"]
Prefer = Literal["first", "longest answer", "highest score", "most confident"]
SHARED = 0.25
"""Share of the text that many rows have in common from which on the step speaks of it."""


class DedupeNear(base.Step):
    """Keeps one row of each set of near-duplicates. A row goes only for a row it is directly alike to, and names it.

    Alike: the share of short runs of characters (4 letters, 2 ideographs) that two texts have in common is at least the
    threshold. Found by MinHash, decided exactly.
    """

    label = "Remove near-duplicates"
    group = "Curation"
    help = (
        "Copies with a changed word, a typo or another sign teach nothing new and make some prompts count twice. Text that "
        "many rows share, such as a prompt template, is not compared."
    )
    inputs = sieve.ROWS_IN
    outputs = sieve.ROWS_AND_REJECTS

    class Params(BaseParams):
        threshold: float = param(
            0.8,
            label="Alike from",
            help="Share of the text that two rows have in common. 1: only the same text. A changed word in a sentence of ten "
            "leaves about 0.8; below 0.6, different questions begin to be taken for one.",
            ge=0.3,
            le=1,
        )
        compare: Compare = param(
            "prompt",
            label="Compare",
            help="With “prompt and answer”, like prompts stay as long as their answers differ.",
        )
        prefer_reference: bool = param(
            True, label="Prefer rows with a reference", help="A row somebody gave the right answer for stays first."
        )
        prefer: Prefer = param(
            "first",
            label="Then prefer",
            help="Score: a judge's. Confidence: a student's (meta.confidence), or the probability of the likeliest answer "
            "when samples were compared. Ties: the first row.",
        )
        seed: int = param(0, label="Seed", help="Of the hash functions that propose pairs.", ge=0, advanced=True)

    def run(self, ctx: Context, params: Params, inputs: Mapping[str, InputArtifact]) -> StepResult:
        source = inputs["rows"]
        total = count_rows(source.path)
        ranking = Ranking(params)
        texts = ranking.reading(sieve.beating(ctx, read_rows(source.path)), text=text_for(params.compare))
        found = find_copies(
            texts,
            rank=ranking.ranks,
            threshold=params.threshold,
            beat=lambda done, of, note: ctx.progress(done, total if note == "reading" else of, note=note),
            seed=params.seed,
            scratch=ctx.scratch,
        )
        rows = sieve.reported(ctx, read_rows(source.path), total=total, note="writing")
        result, _ = sieve.sift(
            ctx,
            judge(rows, found=found, ids=ids_at(source.path, found.other)),
            by="dedupe_near",
            meta=sieve.passed_on(source),
            action="The input of this step is empty: look at the step before it.",
        )
        return replace(result, summary={**result.summary, **told(found, result.summary["headline"])})


def text_for(compare: Compare) -> Callable[[Row], str]:
    """What is compared of a row. The system prompt never is: a long one would make all rows alike."""
    if compare == "prompt":
        return question
    return lambda row: f"{question(row)}\n{row.completion_text or ''}"


@dataclass
class Ranking:
    """Collects, while rows are read, which of them are better than others. Memory: nine bytes a row."""

    params: DedupeNear.Params
    _unreferenced: array[int] = field(default_factory=lambda: array("b"))
    _worth: array[float] = field(default_factory=lambda: array("d"))

    def reading(self, rows: Iterable[Row], *, text: Callable[[Row], str]) -> Iterator[str]:
        """The texts of the rows, remembering what each row is worth."""
        for row in rows:
            self._unreferenced.append(int(self.params.prefer_reference and row.reference is None))
            self._worth.append(worth(row, prefer=self.params.prefer))
            yield text(row)

    def ranks(self) -> I64:
        """The place of each row among all, best first."""
        worth_ = np.frombuffer(self._worth, dtype=np.float64) if self._worth else np.empty(0)
        unreferenced = np.frombuffer(self._unreferenced, dtype=np.int8) if self._unreferenced else np.empty(0)
        order = np.lexsort((np.arange(len(worth_)), -worth_, unreferenced))
        ranks = np.empty(len(order), dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks


def worth(row: Row, *, prefer: Prefer) -> float:
    """How much a row is preferred, more is better; rows that say nothing about it come last (-1)."""
    if prefer == "longest answer":
        return float(len(row.completion_text or ""))
    if prefer == "highest score":
        judged = row.meta.get("judge")
        if not isinstance(judged, Mapping):
            return -1.0
        score, best = _number(judged.get("score")), _number(judged.get("max"))
        return score / best if best > 0 else score
    if prefer == "most confident":
        likeliest = max((answer["probability"] for answer in row.soft or []), default=None)
        return max(_number(row.meta.get("confidence")), _number(likeliest))
    return 0.0


def _number(value: Any) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and value == value
    return float(value) if known else -1.0


def ids_at(folder: Path, positions: I64) -> dict[int, str]:
    """The ids of the rows at these positions (-1: none)."""
    import pyarrow.parquet as pq

    wanted = np.unique(positions[positions >= 0])
    column = pq.read_table(folder / ROWS_FILE, columns=["id"]).column("id")
    return dict(zip(wanted.tolist(), column.take(wanted).to_pylist(), strict=True))


def judge(rows: Iterable[Row], *, found: Nearest, ids: Mapping[int, str]) -> Iterator[Verdict]:
    """A verdict on each row of the same sequence that was compared."""
    for row, other, alike in zip(rows, found.other.tolist(), found.similarity.tolist(), strict=True):
        if other < 0:
            yield Verdict(row)
        else:
            yield Verdict(
                row, "near-duplicates", f"{percent(alike)} like row {other + 1:,} (id {ids[other]}), which stays."
            )


def percent(similarity: float) -> str:
    """``"93 %"``; the same text only when it is the same."""
    return f"{min(99, round(100 * similarity)) if similarity < 1 else 100} %"


def told(found: Nearest, headline: str) -> dict[str, Any]:
    """How many groups there were, and the share of the text that was not compared when it is worth a word."""
    groups = len(np.unique(found.other[found.other >= 0]))
    summary: dict[str, Any] = {"groups": groups, "not_compared": round(found.ignored, 3)}
    if groups:
        headline = f"{headline} {groups:,} {'row stays' if groups == 1 else 'rows stay'} for them."
    if found.ignored >= SHARED:
        headline = f"{headline} {percent(found.ignored)} of the text is shared by many rows and was not compared."
    return {**summary, "headline": headline}
