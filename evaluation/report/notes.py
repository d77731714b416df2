"""What a reader must know before believing a report's figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.figures.scoring import Judged
from evaluation.metrics.base import answer_key
from evaluation.report.outside_notes import named, outside_notes
from vault.rows import Row


def find_notes(
    rows: Sequence[Row],
    judged: Sequence[Judged],
    *,
    seen_labels: frozenset[str] | None = None,
    leakage: Mapping[str, Any] | None = None,
) -> list[str]:
    """Failures, samples, missing answers, a teacher that changed, overlap with the training, labels not trained on."""
    notes = []
    for j in judged:
        if j.failed and j.items:
            notes.append(f"{j.candidate.label} failed on {j.failed:,} of {len(j.items):,} rows; they count as wrong.")
        if j.candidate.kind != "teacher" and 0 < len(j.items) < len(rows):
            sampled = "" if j.candidate.kind == "outside" else " (a seeded sample)"
            notes.append(f"{j.candidate.label} was asked {len(j.items):,} of the {len(rows):,} rows{sampled}.")
        if not j.items:
            notes.append(f"{j.candidate.label} was asked no row, so it has no figures.")
    without = sum(row.reference is None for row in rows)
    if rows and without == len(rows):
        notes.append(
            "No row has a reference answer, so accuracy is unknown; agreement with the teacher stands in for it."
        )
    elif without:
        notes.append(f"{without:,} of {len(rows):,} rows have no reference answer; accuracy is over the others.")
    if rows and not any(row.completion is not None for row in rows):
        notes.append("No row has a teacher's answer, so agreement with the teacher is unknown.")
    notes += changed_teacher(teacher_models(rows))
    notes += outside_notes(judged, teacher_models(rows))
    if leakage is not None:
        notes.append(leakage_note(leakage, rows=len(rows)))
    if seen_labels is not None:
        notes += unseen_labels(rows, seen_labels)
    return notes


def teacher_models(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every model name and fingerprint that the teacher's provider gave with its answers, most rows first."""
    found = Counter(
        (str(row.meta["model"]), str(row.meta.get("fingerprint") or ""))
        for row in rows
        if row.completion is not None and row.meta.get("model")
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [{"model": model, "fingerprint": mark, "rows": n} for (model, mark), n in ordered]


def changed_teacher(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """A note when the answers come from more than one model, or from more than one build of one."""
    count, shown = named(models)
    if count > 1:
        return [
            f"The teacher's answers come from {count} models: {shown}. If one was asked for, its provider changed "
            "what stands behind the name; the figures are those of the mixture."
        ]
    marks = [entry for entry in models if entry["fingerprint"]]
    if len(marks) > 1:
        return [
            f"The provider gave {len(marks)} different fingerprints for “{marks[0]['model']}”: it was changed or moved "
            "while it answered."
        ]
    return []


def leakage_note(found: Mapping[str, Any], *, rows: int) -> str:
    """What the comparison of held-out and training questions brought."""
    both = int(found["same"]) + int(found["normalised"])
    if not both:
        return (
            f"No held-out question lies among the {found['checked']:,} training rows (compared without case, spaces, signs and "
            "system prompt; near-copies are the leakage guard's business)."
        )
    return (
        f"{both:,} of {rows:,} held-out {_rows(rows)} {'asks' if both == 1 else 'ask'} what a training row asks "
        f"({found['same']:,} letter for letter): the figures flatter the student. Put a leakage guard before the training."
    )


def _rows(n: int) -> str:
    return "row" if n == 1 else "rows"


def unseen_labels(rows: Sequence[Row], seen: frozenset[str]) -> list[str]:
    """A note when right answers of held-out rows never occurred in training."""
    known = {answer_key(label) for label in seen}
    targets = [target_of_row(row) for row in rows]
    unseen = Counter(t for t in targets if t is not None and answer_key(t) not in known)
    if not unseen:
        return []
    shown = ", ".join(f"“{label}”" for label, _ in unseen.most_common(5))
    more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
    total = sum(unseen.values())
    return [
        f"{total:,} held-out {'row has a label' if total == 1 else 'rows have labels'} that the student was not trained on "
        f"({shown}{more}); it can only be wrong there, and this counts."
    ]


def target_of_row(row: Row) -> str | None:
    """The right answer of a row: its reference, or the teacher's answer where there is none."""
    return row.reference_text if row.reference is not None else row.completion_text
