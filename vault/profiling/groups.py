"""Rows that are alike: exact copies, near duplicates, and answers that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vault.profiling import scan, summary
from vault.profiling.facts import NONE, Facts, Ints, Mask
from vault.profiling.scan import Beat
from vault.quality.label_noise import find_conflicts
from vault.quality.near_duplicates import find_groups

THRESHOLD = 0.8
"""Similarity from which two prompts are near duplicates."""
NOTE = "Near duplicates"


def group(rows: Path, facts: Facts, *, scratch: Path, beat: Beat) -> None:
    """Fill in groups and the flags that come from them. ``scratch``: a folder for temporary files."""
    facts.exact_group = exact_groups(facts.row_key)
    facts.mark("exact_duplicate", facts.exact_group != NONE)
    facts.near_group, near = near_groups(rows, facts, scratch=scratch, beat=beat)
    facts.mark("near_duplicate", near)
    facts.mark("label_conflict", find_conflicts(facts.prompt_key, facts.label_key))
    if summary.few_labels(summary.label_plan(facts)):
        # Free texts that answer alike questions always differ; labels should not.
        grouped = np.where(facts.near_group != NONE, facts.label_key, 0)
        near = find_conflicts(facts.near_group, grouped) & ~facts.flagged("label_conflict")
        facts.mark("near_label_conflict", near)


def exact_groups(keys: Ints) -> Ints:
    """For each row the first row with the same key, or ``NONE`` when it is the only one."""
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    return np.where(counts[inverse] > 1, first[inverse], NONE).astype(np.int64)


def near_groups(rows: Path, facts: Facts, *, scratch: Path, beat: Beat) -> tuple[Ints, Mask]:
    """For each row the first row whose prompt is the same or nearly the same (``NONE`` when there is none), and a mask of
    the rows whose group holds prompts that are not the same to the letter.

    Prompts that are the same to the letter are compared once.
    """
    _, first, inverse, counts = np.unique(facts.body_key, return_index=True, return_inverse=True, return_counts=True)
    order = np.sort(first)
    texts = _bodies(rows, order, total=len(facts), beat=beat)

    def compare(done: int, total: int, note: str) -> None:
        if note.startswith("comparing"):
            beat(len(facts), len(facts), f"{NOTE}: {note}")

    found = find_groups(texts, threshold=THRESHOLD, beat=compare, scratch=scratch).group
    group_of_first = np.full(len(facts), NONE, dtype=np.int64)
    if len(order):
        # From positions among the distinct prompts to positions among the rows.
        group_of_first[order] = np.where(found >= 0, order[found], NONE)
    near = group_of_first[first]
    alike = np.where((near == NONE) & (counts > 1), first, near)
    return alike[inverse].astype(np.int64), (near != NONE)[inverse]


def _bodies(rows: Path, wanted: Ints, *, total: int, beat: Beat) -> Iterator[str]:
    """What was asked in the rows at these positions (in order)."""
    chosen = np.zeros(total, dtype=np.bool_)
    chosen[wanted] = True
    start = 0
    for batch in scan.conversations(rows):
        for row, is_wanted in zip(batch, chosen[start : start + len(batch)].tolist(), strict=True):
            if is_wanted:
                yield row.body[: scan.READ_AT_MOST]
        start += len(batch)
        beat(start, total, NOTE)
