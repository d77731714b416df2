"""Do held-out questions also lie in the training rows? Looked up before the figures are believed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vault.lineage import exact_key, question_key
from vault.rows import Row

EXAMPLES = 20


def check_leakage(held_out: Sequence[Row], training: Iterable[Row]) -> dict[str, Any]:
    """``checked``: training rows read. ``same``: held-out rows whose question stands there letter for letter. ``normalised``:
    further ones, equal but for case, spaces, signs and system prompt. ``examples``: ids of the first held-out rows found.

    Memory: two keys a held-out row; the training rows stream by.
    """
    exact = {exact_key(row): False for row in held_out}
    loose = {question_key(row): False for row in held_out}
    checked = 0
    for row in training:
        checked += 1
        if (key := exact_key(row)) in exact:
            exact[key] = True
        if (key := question_key(row)) in loose:
            loose[key] = True
    same = [row.id for row in held_out if exact[exact_key(row)]]
    found = set(same)
    normalised = [row.id for row in held_out if row.id not in found and loose[question_key(row)]]
    return {
        "checked": checked,
        "same": len(same),
        "normalised": len(normalised),
        "examples": [*same, *normalised][:EXAMPLES],
    }
