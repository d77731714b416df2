"""A dataset as multiple-choice questions. Pure: rows in, plain data out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from studio.lib.errors import StepError
from vault.rows import Row

MOST_CHOICES = 50
LONGEST = 20_000


class Questions(NamedTuple):
    """``lines``: ``{"id", "question", "choices", "answer"}`` for the child. ``left_out``: rows that are no question."""

    lines: list[dict[str, Any]]
    left_out: int


def questions_of(rows: Iterable[Row]) -> Questions:
    """Every row with a right answer and others to choose from: those in its ``meta.choices``, else the answer that was not preferred to
    it, else the different right answers of the whole dataset, where they are a closed set.

    The right answer is the reference, or the completion where there is none. Raises ``StepError`` when no row is a question.
    """
    kept = list(rows)
    answers = [right_answer(row) for row in kept]
    own = [own_choices(row, answer) for row, answer in zip(kept, answers, strict=True)]
    shared = sorted({answer for answer, mine in zip(answers, own, strict=True) if answer and mine is None})
    closed = shared if 2 <= len(shared) <= MOST_CHOICES else []
    lines = []
    for row, answer, mine in zip(kept, answers, own, strict=True):
        choices = closed if mine is None else mine
        text = text_of(row.prompt)
        if answer in choices and len(choices) >= 2 and text and len(text) <= LONGEST:
            lines.append({"id": row.id, "question": text, "choices": choices, "answer": choices.index(answer)})
    if not lines:
        raise StepError(
            f"None of the {len(kept):,} rows is a question with answers to choose from: they have {len(shared):,} different right "
            "answers and no choices of their own.",
            action=f"Wire a dataset whose right answers are 2 to {MOST_CHOICES} different ones, or whose rows have a list “choices” in "
            "their meta that holds the right answer.",
        )
    return Questions(lines, len(kept) - len(lines))


def right_answer(row: Row) -> str:
    """The reference, or the completion; blank without either."""
    return ((row.reference_text if row.reference is not None else row.completion_text) or "").strip()


def own_choices(row: Row, answer: str) -> list[str] | None:
    """A row's own choices, each once, in their order; empty when they are not a list of texts, None when it has none of its own."""
    if "choices" not in row.meta:
        worse = row.meta.get("non_preferred")
        text = str(worse.get("content") or "").strip() if isinstance(worse, dict) else ""
        return [answer, text] if answer and text and text != answer else None
    found = row.meta["choices"]
    if not isinstance(found, list) or not all(isinstance(c, str) for c in found) or len(found) > MOST_CHOICES:
        return []
    return list(dict.fromkeys(c.strip() for c in found if c.strip()))


def text_of(prompt: Sequence[Any]) -> str:
    """A prompt as one text: its messages with a blank line between them, and who speaks where that changes more than once."""
    texts = [(str(m.get("role") or ""), str(m.get("content") or "").strip()) for m in prompt]
    spoken = [role for role, text in texts if text and role not in ("system", "developer")]
    if len(spoken) > 1:
        return "\n\n".join(f"{role}: {text}" for role, text in texts if text)
    return "\n\n".join(text for _, text in texts if text)
