"""Where a student loses: the groups of its lost rows, computed once a report in a worker, and what became of them since."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from evaluation.losses.failures import Losses, LostRow, TrainRow, group_losses
from evaluation.models import Scorecard
from evaluation.rows.columns import ITEMS_FILE, column
from evaluation.rows.marks import CandidateMarks, Marks, places_in, read_marks
from evaluation.rows.origins import source_versions
from evaluation.statistics import Estimate, PairedCounts, mcnemar_exact, paired_difference
from pipelines.models import StepOutput
from studio.jobs import State
from studio.lib.errors import StudioError
from vault import derivations, store
from vault.browsing import open_table
from vault.models import Artifact, ArtifactKind, DatasetVersion, Derivation
from vault.query import Condition, Filter
from vault.rows import read_rows

NAME = "losses-1"
MOST_TRAINING = 5_000
"""Training rows that the lost ones are held against."""
MOST_IDS = 40
MOST_VALUE = 1_500
"""Training rows that one review looks at, and characters of their ids: what an address holds."""


def request(card: Scorecard, report: Mapping[str, Any]) -> Derivation:
    """The groups of a report's lost rows, asked for now unless they are there."""
    return derivations.request(card.report, NAME, params_of(card, report))


def find(card: Scorecard, report: Mapping[str, Any]) -> Derivation | None:
    """The groups as a job, if somebody asked for them and their files are still there."""
    made = derivations.find(card.report, NAME, params_of(card, report))
    lost = made is not None and made.state == State.SUCCEEDED and not derivations.folder(made).exists()
    return None if lost else made


def params_of(card: Scorecard, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the groups are computed from besides the report: the rows that the student learnt from, if they are known."""
    found = training_of(card, report)
    return {"training": str(found.pk)} if found else {}


def training_of(card: Scorecard, report: Mapping[str, Any]) -> Artifact | None:
    """The rows that the student of a report learnt from: as the report says, else as the run's own train step had them."""
    sha = (report.get("facts") or {}).get("Training rows", "")
    known = Artifact.objects.filter(workspace=card.workspace_id, kind=ArtifactKind.DATASET)
    if sha:
        return known.filter(sha256=sha).first()
    outputs = StepOutput.objects.filter(step_run__run=card.step_run.run_id)
    learnt = card.step_run.run.steps.filter(step="train", outputs__artifact__sha256=card.student_sha).first()
    source = (learnt.wiring if learnt else {}).get("train")
    if source is None:
        return None
    out = outputs.filter(step_run__node=source["node"], port=source["port"]).select_related("artifact").first()
    return out.artifact if out else None


def finished(card: Scorecard, report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The groups as :meth:`Losses.as_json` has them, or None when nobody asked for them yet or they are not done."""
    made = find(card, report)
    return dict(made.result) if made is not None and made.state == State.SUCCEEDED else None


def groups_of(card: Scorecard, report: Mapping[str, Any]) -> list[list[int]]:
    """The rows of each group, those that fit in none last; none when they are not computed yet."""
    found = finished(card, report)
    return [*(group["rids"] for group in found["groups"]), found["others"]] if found else []


def derive(
    rows: Path, out: Path, *, params: Mapping[str, Any], beat: Callable[[int, int, str], None]
) -> dict[str, Any]:
    """The deriver: a report's folder in, its groups out."""
    from evaluation.report.scorecards import REPORT_FILE

    del out
    report = json.loads((rows / REPORT_FILE).read_text(encoding="utf-8"))
    student = next((c["name"] for c in report["candidates"] if c["kind"] == "student"), "")
    teacher = next((c["name"] for c in report["candidates"] if c["kind"] == "teacher"), "")
    marks = read_marks(rows, tuple(c["name"] for c in report["candidates"]))
    if student not in marks.candidates:
        return Losses(0, 0, [], [], "No student was asked.").as_json()
    beat(0, marks.rows, "Reading the rows")
    lost, won = _split(rows, marks, student, teacher)
    training = list[TrainRow]()
    if params.get("training"):
        artifact = Artifact.objects.filter(pk=params["training"]).first()
        training = _training(artifact) if artifact is not None else []
    beat(len(lost), marks.rows, "Grouping what was lost")
    return group_losses(lost, won=won, training=training, labels=report["task"] == "labels").as_json()


def _split(folder: Path, marks: Marks, student: str, teacher: str) -> tuple[list[LostRow], list[tuple[int, str]]]:
    """The rows that the student lost, and position and text of those it won."""
    import pyarrow.parquet as pq

    mine, other = marks.candidates[student], marks.candidates.get(teacher)
    texts = ("question", "teacher", "reference", column(student, "answer"))
    table = pq.read_table(folder / ITEMS_FILE, columns=list(texts))
    questions, teachers, references, answers = (table.column(name).to_pylist() for name in texts)
    missed = other.wrong if other is not None else np.zeros(marks.rows, dtype=bool)
    wrong, right = mine.wrong, mine.judged & mine.right
    lost = [
        LostRow(
            rid=rid,
            text=questions[rid] or "",
            right=(references[rid] if references[rid] is not None else teachers[rid]) or "",
            given=answers[rid] or "",
            teacher_wrong=bool(missed[rid]),
        )
        for rid in np.flatnonzero(wrong).tolist()
    ]
    return lost, [(rid, questions[rid] or "") for rid in np.flatnonzero(right).tolist()]


def _training(artifact: Artifact) -> list[TrainRow]:
    """Training rows evenly over the file, at most :data:`MOST_TRAINING`; none when it is not on this machine."""
    try:
        folder = store.path(artifact)
    except StudioError:
        return []
    total = int(artifact.meta.get("rows") or 0)
    every = max(1, -(-total // MOST_TRAINING))
    return [
        TrainRow(row.id, row.user_text, row.completion_text or "")
        for n, row in enumerate(read_rows(folder))
        if n % every == 0
    ][:MOST_TRAINING]


# --- what to do about it ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToReview:
    """Training rows to look at again: how many are there, and the filter that shows them in the Vault."""

    version: DatasetVersion
    rows: int
    query: str


def rows_to_review(card: Scorecard, group: Mapping[str, Any]) -> ToReview | None:
    """The training rows nearest to a group that carry one of the answers it mixes up (without any such: the nearest), in the
    dataset of the run that holds most of them; None when none does."""
    answers = {answer for pair in group["pairs"] for answer in pair[:2]}
    near = [row for row in group["alike"] if row["answer"] in answers] or group["alike"]
    if not near:
        return None
    ids = [row["id"] for row in near[:MOST_IDS]]
    condition = _condition(ids)
    while len(condition.value) > MOST_VALUE and len(ids) > 1:
        ids = ids[: len(ids) // 2]
        condition = _condition(ids)
    query = urlencode({"field": condition.field, "op": condition.op, "value": condition.value})
    best: ToReview | None = None
    for version in source_versions(card):
        try:
            rows = len(open_table(version).positions(Filter(conditions=(condition,))))
        except StudioError:
            continue
        if rows > (best.rows if best else 0):
            best = ToReview(version, rows, query)
    return best


def _condition(ids: Sequence[str]) -> Condition:
    return Condition("id", "regex", "^(" + "|".join(_shortened(ids)) + ")")


def _shortened(ids: Sequence[str]) -> list[str]:
    """Patterns for these ids: hashes by their first 16 digits, others whole."""
    return [row_id[:16] if re.fullmatch(r"[0-9a-f]{32,}", row_id) else re.escape(row_id) + "$" for row_id in ids]


# --- what became of it ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A slice in two evaluations of the same rows: shares that were right, and now minus before (95 % interval)."""

    n: int
    before: float
    after: float
    fixed: int
    broken: int
    difference: Estimate
    p: float
    """Exact McNemar."""


def change_on(
    rids: Sequence[int] | None, old: Marks, was: CandidateMarks, new: Marks, now: CandidateMarks
) -> Change | None:
    """What became of these rows of the old report (None: all that both were judged on); None when they share none."""
    at = places_in(old, new)
    chosen = np.ones(old.rows, dtype=bool)
    if rids is not None:
        chosen[:] = False
        chosen[[rid for rid in rids if rid < old.rows]] = True
    if not new.rows:
        return None
    there = np.where(at >= 0, at, 0)
    both = chosen & (at >= 0) & was.judged & now.judged[there]
    first, second = was.right[both], now.right[there][both]
    counts = PairedCounts(
        both=int(np.count_nonzero(first & second)),
        only_a=int(np.count_nonzero(second & ~first)),
        only_b=int(np.count_nonzero(first & ~second)),
        neither=int(np.count_nonzero(~first & ~second)),
    )
    difference = paired_difference(counts)
    if difference is None:
        return None
    fixed, broken = int(counts.only_a), int(counts.only_b)
    p = mcnemar_exact(fixed, broken)
    return Change(int(counts.n), float(np.mean(first)), float(np.mean(second)), fixed, broken, difference, p)
