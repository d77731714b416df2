"""The held-out rows before anyone is asked: which are used, and whether their answers are labels or free text."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.candidates.asking import Mode, Setting
from evaluation.figures.labels import dedupe_labels, find_labels
from evaluation.report.notes import target_of_row
from pipelines.steps.base import InputArtifact
from vault.rows import Row, read_rows


def take_rows(rows: list[Row], *, count: int, seed: int) -> list[Row]:
    """``count`` rows chosen by ``seed`` in their own order (all of them for 0), each id once."""
    unique = list({row.id: row for row in reversed(rows)}.values())[::-1]
    if not count or count >= len(unique):
        return unique
    chosen = set(random.Random(seed).sample(range(len(unique)), count))  # noqa: S311 -- a repeatable sample
    return [row for i, row in enumerate(unique) if i in chosen]


def sampling_notes(found: Sequence[Row], used: Sequence[Row]) -> list[str]:
    """What was left out of the held-out rows before anyone was asked."""
    notes = []
    distinct = len({row.id for row in found})
    if distinct < len(found):
        notes.append(f"{len(found) - distinct:,} held-out rows share their id with an earlier one and were left out.")
    if len(used) < distinct:
        notes.append(f"A seeded sample of {len(used):,} of the {distinct:,} held-out rows was used.")
    return notes


def find_setting(
    rows: Sequence[Row], inputs: Mapping[str, InputArtifact], training: Mapping[str, Any], params: Any
) -> Setting:
    """Decide between labels and free text: by what the training says, else by the training rows' answers, else by the
    held-out rows' own."""
    train, notes = inputs.get("train"), list[str]()
    told = training.get("labels") or (train.meta.get("labels") if train else None) or inputs["rows"].meta.get("labels")
    labels = dedupe_labels(told) if told else None
    if labels is None and train is not None:
        labels = find_labels(row.completion_text or "" for row in read_rows(train.path) if row.completion is not None)
    seen = frozenset(labels) if labels else None
    targets = [text for text in map(target_of_row, rows) if text is not None]
    if labels is None and train is None:
        labels = find_labels(targets)
        notes = (
            ["The label set was read off the held-out rows, since no training rows were wired in."] if labels else []
        )
    if labels is None and params.labels in ("on", "only"):
        labels = dedupe_labels([text for text in sorted(set(targets)) if text.strip()])
        notes = [f"Every distinct answer of the held-out rows ({len(labels):,}) was taken as a label, as asked."]
    if not labels:
        return Setting(None, None, "generate", notes)
    # With scoring off the answers are labels all the same, and judged as such.
    modes: dict[str, Mode] = {"off": "generate", "only": "labels"}
    return Setting(labels, seen, modes.get(params.labels, "both"), notes)
