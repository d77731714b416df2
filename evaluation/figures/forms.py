"""One student in several forms: merged weights and GGUF files against the adapter, answer by answer. Pure.

Two answers are the same here when they are the same text but for white space around it: what is asked is not whether both are right
but whether the other form can stand in for the adapter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.candidates.predictions import Candidate
from evaluation.figures.scoring import Channel, Judged, answer_of, channels_of, estimate
from evaluation.statistics import wilson
from vault.rows import Row

KEPT = 200
"""Positions of differing rows kept in a report."""


def describe_forms(judged: Sequence[Judged], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A record for each candidate that is another form of one here, and each way in which both answered."""
    by_name = {j.candidate.name: j.candidate for j in judged}
    found = []
    for form in by_name.values():
        original = by_name.get(form.form_of)
        if original is not None:
            shared = [c for c in channels_of(form) if c in channels_of(original)]
            found += [compare_forms(original, form, rows, channel=channel) for channel in shared]
    return found


def compare_forms(original: Candidate, form: Candidate, rows: Sequence[Row], *, channel: Channel) -> dict[str, Any]:
    """On how many rows both gave the same answer. A row that neither could answer is not counted; one that only one of them could
    differs. ``positions``: the first differing rows, as positions in ``rows``."""
    same = counted = 0
    positions: list[int] = []
    differing = 0
    for position, row in enumerate(rows):
        if not (original.was_asked(row.id) and form.was_asked(row.id)):
            continue
        ours, theirs = (answer_of(c.answers.get(row.id), channel=channel) for c in (original, form))
        if ours is None and theirs is None:
            continue
        counted += 1
        if ours is not None and theirs is not None and ours.strip() == theirs.strip():
            same += 1
            continue
        differing += 1
        if len(positions) < KEPT:
            positions.append(position)
    return {
        "candidate": form.name,
        "label": form.label,
        "kind": form.kind,
        "of": original.name,
        "of_label": original.label,
        "channel": channel,
        "rows": counted,
        "same": same,
        "differing": differing,
        "share": estimate(wilson(same, counted)),
        "positions": positions,
    }


def sentence_of(form: Mapping[str, Any]) -> str:
    """What the figures say, in words."""
    scored = ", by the likeliest label" if form["channel"] == "scored" else ""
    name = f"{form['label']} against {form['of_label'].lower()}{scored}"
    if not form["rows"]:
        return f"{name}: neither answered any row."
    if not form["differing"]:
        return f"{name}: the same answer on all {form['rows']:,} rows."
    n = form["differing"]
    return f"{name}: the same answer on {form['same']:,} of {form['rows']:,} rows, another on {n:,}."
