"""Is this a label task, and what are the labels: read off the answers themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from evaluation.metrics.base import answer_key

MAX_LABELS = 200
MAX_CHARACTERS = 80
USES_PER_LABEL = 2


def find_labels(answers: Iterable[str], *, max_labels: int = MAX_LABELS) -> list[str] | None:
    """The closed set of labels that ``answers`` come from, sorted, or None when they are free text.

    Labels are few (at most ``max_labels``), short (one line of up to 80 characters) and used again (twice on average).
    Spellings that differ only in case, spaces or punctuation are one label, under its most frequent spelling.
    """
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    total = 0
    for answer in answers:
        text = answer.strip()
        if not text or len(text) > MAX_CHARACTERS or "\n" in text:
            return None
        total += 1
        spellings[answer_key(text)][text] += 1
        if len(spellings) > max_labels:
            return None
    if not spellings or total < USES_PER_LABEL * len(spellings):
        return None
    return sorted(min(s, key=lambda text: (-s[text], text)) for s in spellings.values())


def dedupe_labels(labels: Sequence[str]) -> list[str]:
    """``labels`` without those that normalise to an earlier one; order kept."""
    first: dict[str, str] = {}
    for label in labels:
        first.setdefault(answer_key(label), label)
    return list(first.values())
