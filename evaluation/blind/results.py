"""What blind votes come to: preferences and ratings with intervals, and how far the judges agree. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from evaluation.statistics import bootstrap
from vault.agreement import krippendorff_alpha, wilson

TIE = 0.5
WORTH = {"first": 1.0, "second": 0.0, "both": TIE, "neither": TIE}


class Vote(NamedTuple):
    """One person's word on one item. ``item``: the item's number; ``source``: of a rating, whose answer it was."""

    item: int
    person: int
    choice: str
    swapped: bool = False
    scores: dict[str, int] = {}
    source: str = ""


def _share(total: float, n: int) -> dict[str, float] | None:
    found = wilson(total, n)
    return None if found is None else {"value": found.value, "low": found.low, "high": found.high, "n": n}


def pairs(votes: Sequence[Vote], *, same: int, weight: float | None) -> dict[str, Any]:
    """How often the first source is preferred to the second.

    ``same``: drawn rows with one and the same answer twice, which nobody is asked about: each is a tie. ``weight``: the share
    of all rows on which the answers differ, when only such rows were drawn; the others count as ties then. An item counts
    once, by the mean of its votes; skipped votes count for nothing. Intervals are Wilson's over items (with a mean of several
    votes they are on the safe side). ``score`` is the first source's: wins and half the ties, 0..1.
    """
    told = [vote for vote in votes if vote.choice in WORTH]
    by_item: dict[int, list[Vote]] = defaultdict(list)
    for vote in told:
        by_item[vote.item].append(vote)
    n = len(by_item) + same
    shares = {}
    for choice in WORTH:
        total = sum(sum(v.choice == choice for v in mine) / len(mine) for mine in by_item.values())
        shares[choice] = _share(total, n)
    worth = sum(sum(WORTH[v.choice] for v in mine) / len(mine) for mine in by_item.values()) + TIE * same
    score = _share(worth, n)
    if score is not None and weight is not None:
        score = {k: v if k == "n" else weight * v + (1 - weight) * TIE for k, v in score.items()}
    sided = [vote for vote in told if vote.choice in ("first", "second")]
    left = sum((vote.choice == "first") != vote.swapped for vote in sided)
    return {
        "items": len(by_item),
        "same": same,
        "votes": len(told),
        "skipped": len(votes) - len(told),
        "shares": shares,
        "score": score,
        "left": _share(left, len(sided)),
        "alpha": krippendorff_alpha([[v.choice for v in mine] for mine in by_item.values()]),
    }


def ratings(votes: Sequence[Vote], *, criteria: Sequence[str], sources: Sequence[str], seed: int) -> dict[str, Any]:
    """Mean rating of each source by each criterion, over items, with bootstrap intervals; alpha for numbers by criterion."""
    told = [vote for vote in votes if vote.choice == "rated"]
    means: dict[str, dict[str, Any]] = {}
    alphas = {}
    for criterion in criteria:
        by_item: dict[tuple[str, int], list[int]] = defaultdict(list)
        for vote in told:
            if criterion in vote.scores:
                by_item[vote.source, vote.item].append(vote.scores[criterion])
        means[criterion] = {}
        for source in sources:
            values = [sum(given) / len(given) for (whose, _), given in sorted(by_item.items()) if whose == source]
            found = bootstrap(values, seed=seed)
            means[criterion][source] = None if found is None else found._asdict()
        alphas[criterion] = alpha_of_numbers(list(by_item.values()))
    return {
        "items": len({vote.item for vote in told}),
        "votes": len(told),
        "skipped": len(votes) - len(told),
        "means": means,
        "alphas": alphas,
    }


def alpha_of_numbers(units: Sequence[Sequence[float]]) -> float | None:
    """Krippendorff's alpha for interval data: two ratings differ by the square of their distance. None without a pair.

    Source: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section E. When all ratings are equal
    there is nothing to disagree about, and alpha is 1.0.
    """
    kept = [unit for unit in units if len(unit) > 1]
    values = [value for unit in kept for value in unit]
    n = len(values)
    if n == 0:
        return None
    observed = sum(_squares(unit) / (len(unit) - 1) for unit in kept) / n
    expected = _squares(values) / (n * (n - 1))
    return 1.0 if expected == 0 else 1 - observed / expected


def _squares(values: Sequence[float]) -> float:
    """Sum of squared differences over all ordered pairs."""
    n = len(values)
    return 2 * (n * sum(v * v for v in values) - sum(values) ** 2)
