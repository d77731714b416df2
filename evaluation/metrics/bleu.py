"""BLEU over the whole set, for translations. Counts and figures are those of sacrebleu with its defaults."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from evaluation.metrics.base import Item, Metric, target_of
from evaluation.statistics import Estimate, draw_sums

ORDER = 4
MAX_CHARACTERS = 20_000
_TOKEN_RULES = [
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
]
_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}


def tokens_of(text: str) -> list[str]:
    """The tokens of mteval-v13a, as sacrebleu's ``13a`` makes them."""
    text = text[:MAX_CHARACTERS].rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for name, sign in _ENTITIES.items():
        text = text.replace(name, sign)
    text = f" {text} "
    for rule, by in _TOKEN_RULES:
        text = rule.sub(by, text)
    return text.split()


def counts_of(answer: str, target: str) -> list[int]:
    """Lengths of both texts, then matches of n-grams of 1..4, then n-grams of the answer."""
    given, wanted = tokens_of(answer), tokens_of(target)
    matches, totals = [], []
    for n in range(1, ORDER + 1):
        ours = Counter(tuple(given[i : i + n]) for i in range(len(given) - n + 1))
        theirs = Counter(tuple(wanted[i : i + n]) for i in range(len(wanted) - n + 1))
        matches.append(sum((ours & theirs).values()))
        totals.append(sum(ours.values()))
    return [len(given), len(wanted), *matches, *totals]


def bleu(counts: Sequence[float], *, effective: bool = False) -> float:
    """BLEU 0..1 of summed :func:`counts_of` (Papineni et al. 2002) with exponential smoothing (Chen and Cherry 2014).

    ``effective``: orders that the answer is too short for are left out, as for a single sentence.
    """
    given, wanted = counts[:2]
    matches, totals = counts[2 : 2 + ORDER], counts[2 + ORDER :]
    if not any(matches):
        return 0.0
    logs, smooth = [], 1.0
    for matched, total in zip(matches, totals, strict=True):
        if total == 0:
            break
        if matched == 0:
            smooth *= 2
        logs.append(math.log(matched / total if matched else 1 / (smooth * total)))
    if len(logs) < ORDER and not effective:
        return 0.0
    brevity = 1.0 if given >= wanted else math.exp(1 - wanted / given)
    return brevity * math.exp(sum(logs) / len(logs))


class Bleu(Metric):
    """BLEU over all rows at once (tokens 13a, exponential smoothing) against the reference, or the teacher where there is none.

    One figure of the whole set and no mean: a row's own score, which slices and comparisons use, is its sentence BLEU.
    """

    label = "BLEU"
    tasks = ("text",)

    def score(self, item: Item) -> float | None:
        """Sentence BLEU 0..1, 0 for a failed answer, None where there is nothing to compare with."""
        target = target_of(item)
        if target is None:
            return None
        return 0.0 if item.answer is None else bleu(counts_of(item.answer, target), effective=True)

    def aggregate(
        self, items: Sequence[Item], *, seed: int, clusters: Sequence[str | None] | None = None
    ) -> Estimate | None:
        """Corpus BLEU with a bootstrap interval over rows, or over clusters of rows (Koehn 2004). A failed answer is an empty one."""
        kept = [(target, i) for i, item in enumerate(items) if (target := target_of(item)) is not None]
        if not kept:
            return None
        counts = [counts_of(items[i].answer or "", target) for target, i in kept]
        names = None if clusters is None else [clusters[i] for _, i in kept]
        value = bleu([sum(column) for column in zip(*counts, strict=True)])
        found = [bleu(drawn) for drawn in _draws(counts, names, seed=seed)]
        found.sort()
        low, high = found[int(0.025 * len(found))], found[min(len(found) - 1, int(0.975 * len(found)))]
        return Estimate(value, min(low, value), max(high, value), len(counts))


def _draws(counts: list[list[int]], clusters: list[str | None] | None, *, seed: int) -> Any:
    return draw_sums(counts, clusters=clusters, seed=seed, resamples=1_000).tolist()
