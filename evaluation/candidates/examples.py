"""Worked examples for a prompted base model, chosen from training rows only."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from evaluation.metrics.base import answer_key
from vault.rows import Row, normalise


def choose_examples(
    train: Iterable[Row], *, count: int, seed: int, held_out: Collection[str] = ()
) -> list[dict[str, Any]]:
    """``count`` rows with answers as ``{"prompt", "completion"}``, spread over the answers: no answer twice before each had
    its turn. Rows whose question is in ``held_out`` (see :func:`question_key`) are left out. System messages are dropped:
    the prompt that is asked brings its own."""
    generator = random.Random(seed)  # noqa: S311 -- a repeatable choice, not a secret
    by_answer: defaultdict[str, list[Row]] = defaultdict(list)
    for row in train:
        if row.completion is not None and row.completion_text and question_key(row) not in held_out:
            by_answer[answer_key(row.completion_text)].append(row)
    groups = [by_answer[key] for key in sorted(by_answer)]
    generator.shuffle(groups)
    for group in groups:
        generator.shuffle(group)
    chosen: list[Row] = []
    turn = 0
    while len(chosen) < count and groups:
        groups = [g for g in groups if len(g) > turn]
        chosen += [g[turn] for g in groups]
        turn += 1
    return [as_example(row) for row in chosen[:count]]


def as_example(row: Row) -> dict[str, Any]:
    """A row as a worked example without its system messages."""
    prompt = [m for m in row.prompt if m.get("role") not in ("system", "developer")]
    return {"prompt": prompt, "completion": row.completion}


def question_key(row: Row) -> str:
    """What makes two rows ask the same: the normalised text of everything but the system messages."""
    said = (m.get("content") or "" for m in row.prompt if m.get("role") not in ("system", "developer"))
    return normalise("\n".join(said))
