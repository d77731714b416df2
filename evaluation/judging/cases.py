"""What is put before a judge: rows of a report with the answers of the chosen candidates, and golden answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.rows.columns import ITEMS_FILE, column
from evaluation.rows.marks import read_marks
from studio.lib.canonical import fingerprint
from studio.lib.errors import StepError
from studio.lib.registry import close_matches
from vault.rows import Message, Row, assistant

GOLDEN = "golden"
"""Stands for the candidate where an answer comes from the golden set; no report's candidate is called so."""
BATCH = 500


@dataclass(frozen=True)
class Chosen:
    """Who is judged (names as the report has them) and which pairs are compared."""

    candidates: list[str]
    pairs: list[tuple[str, str]]
    rids: list[int]
    population: int
    """Rows that could have been drawn."""


def item_key(prompt: Sequence[Message], answer: str, reference: str | None) -> str:
    """Thirty-two hex digits that are equal for the same answer to the same prompt beside the same reference, in any report."""
    return fingerprint([list(prompt), answer, reference])[:32]


def choose(
    report: Mapping[str, Any],
    folder: Path,
    *,
    candidates: str,
    against: str,
    mode: str,
    rows: int,
    seed: int,
) -> Chosen:
    """Whom and what to judge of a report. Raises ``StepError`` for a name that nobody has, and where nothing is left."""
    known = [str(c["name"]) for c in report["candidates"]]
    kinds = {str(c["name"]): str(c["kind"]) for c in report["candidates"]}
    named = _named(candidates, known) or known
    pairs: list[tuple[str, str]] = []
    if mode != "grades":
        student = next((name for name in known if kinds[name] == "student"), None)
        if student is None:
            raise StepError(
                "There is no student in this report to compare with the others.",
                action="Choose “grades” as what is asked, or let the student answer in the evaluate step.",
            )
        teacher = next((name for name in known if kinds[name] == "teacher"), None)
        others = _named(against, known) or ([teacher] if teacher else [n for n in known if n != student][:1])
        pairs = [(student, other) for other in others if other != student]
        if not pairs:
            raise StepError(
                "There is nobody to compare the student with.",
                action="Name another candidate under “Compare the student with”, or choose “grades”.",
            )
    graded = named if mode != "pairs" else []
    wanted = list(dict.fromkeys([*graded, *(name for pair in pairs for name in pair)]))
    marks = read_marks(folder, tuple(known))
    asked = [marks.candidates[name].asked for name in wanted if name in marks.candidates]
    pool = np.flatnonzero(np.logical_or.reduce(asked)).tolist() if asked else []
    if not pool:
        raise StepError(
            "The report has no row that one of these candidates was asked.",
            action="Check the evaluate step: did it have held-out rows and candidates?",
        )
    chosen = pool
    if rows and rows < len(pool):
        chosen = sorted(random.Random(seed).sample(pool, rows))  # noqa: S311 -- a repeatable sample
    return Chosen(graded, pairs, chosen, len(pool))


def _named(text: str, known: Sequence[str]) -> list[str]:
    """Names in a text, separated by commas or line breaks. Raises ``StepError`` for one that the report has not."""
    names = [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]
    for name in names:
        if name not in known:
            raise StepError(f"Nobody called “{name}” answered in this report.", action=close_matches(name, list(known)))
    return list(dict.fromkeys(names))


def read_cases(folder: Path, names: Sequence[str], rids: Sequence[int]) -> Iterator[Row]:
    """The rows at these ascending positions, each with ``meta["answers"]``: candidate → its answer, None for a failure;
    who was not asked is missing; and ``meta["measures"]``: candidate → what single metrics said of it. The row's id is its position, ``completion`` the teacher's answer. Memory: one batch."""
    import pyarrow.parquet as pq

    wanted = iter(rids)
    following = next(wanted, None)
    own = [column(name, field) for name in names for field in ("answer", "asked", "error", "measures")]
    with pq.ParquetFile(folder / ITEMS_FILE) as source:
        own = [name for name in own if name in source.schema_arrow.names]
        for batch in source.iter_batches(BATCH, columns=["_rid", "prompt", "question", "teacher", "reference", *own]):
            first = batch.column(0)[0].as_py() if len(batch) else 0
            while following is not None and following < first + len(batch):
                record = batch.slice(following - first, 1).to_pylist()[0]
                yield case_of(record, names)
                following = next(wanted, None)
            if following is None:
                return


def case_of(record: Mapping[str, Any], names: Sequence[str]) -> Row:
    """One record of ``items.parquet`` as a row with everybody's answers."""
    answers = {
        name: None if record[column(name, "error")] is not None else record[column(name, "answer")]
        for name in names
        if record[column(name, "asked")]
    }
    said = {name: text for name in names if (text := record.get(column(name, "measures")))}
    reference, teacher = record["reference"], record["teacher"]
    return Row(
        id=str(record["_rid"]),
        prompt=json.loads(record["prompt"]),
        completion=None if teacher is None else assistant(teacher),
        reference=None if reference is None else assistant(reference),
        meta={"answers": answers, "measures": said} if said else {"answers": answers},
    )


def golden_cases(items: Iterable[Mapping[str, Any]]) -> Iterator[Row]:
    """Golden answers (``prompt``, ``answer``, ``reference``, ``key``) as cases of a candidate of their own."""
    for item in items:
        reference = item["reference"]
        yield Row(
            id=f"{GOLDEN}-{item['key']}",
            prompt=list(item["prompt"]),
            completion=None,
            reference=None if reference is None else assistant(reference),
            meta={"answers": {GOLDEN: item["answer"]}},
        )


def rid_of(case: Row) -> int:
    """A case's position in the report, -1 for a golden answer."""
    return int(case.id) if case.id.isdecimal() else -1
