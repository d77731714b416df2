"""ROUGE-L: the longest common subsequence of words, for summaries."""

from __future__ import annotations

import re

from evaluation.metrics.base import Item, Metric, target_of
from studio.lib.params import BaseParams, param

WORDS = re.compile(r"\w+")
MAX_WORDS = 4_000
"""Longer texts are cut here: the time goes with the product of both lengths."""


def words_of(text: str) -> list[str]:
    """Lower-case words of any script. Stems are left alone, since they would be those of English."""
    return WORDS.findall(text.lower())[:MAX_WORDS]


def common_length(first: list[str], second: list[str]) -> int:
    """Length of the longest common subsequence, by bit-parallel dynamic programming (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for at, word in enumerate(second):
        places[word] = places.get(word, 0) | (1 << at)
    full = (1 << len(second)) - 1
    state = full
    for word in first:
        hits = state & places.get(word, 0)
        state = ((state + hits) | (state - hits)) & full
    return len(second) - state.bit_count()


def rouge_l(answer: str, target: str, *, beta: float = 1.0) -> float:
    """F-beta of the longest common subsequence of words (Lin 2004, section 3.1), 0..1; two empty texts are the same."""
    given, wanted = words_of(answer), words_of(target)
    if not given or not wanted:
        return float(given == wanted)
    common = common_length(given, wanted)
    if not common:
        return 0.0
    precision, recall = common / len(given), common / len(wanted)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision)


class RougeL(Metric):
    """ROUGE-L, the mean over rows: words in the same order as in the reference, or in the teacher's answer where there is none."""

    label = "ROUGE-L"
    tasks = ("text",)

    class Params(BaseParams):
        """How much more recall counts."""

        beta: float = param(
            1.0, label="Weight of recall", help="1: as much as precision, as common programs have it.", gt=0, le=100
        )

    def score(self, item: Item) -> float | None:
        """0..1, 0 for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        return 0.0 if item.answer is None else rouge_l(item.answer, target, beta=self.params.beta)
