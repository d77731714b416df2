"""People's grades against a judge's: the golden set in figures. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean, median_low
from typing import Any, NamedTuple

from evaluation.figures.scoring import estimate
from evaluation.judging.rubrics import levels
from evaluation.statistics import bootstrap, kendall_tau, weighted_kappa_estimate, wilson
from pipelines.steps.verdicts import Scale

SEED = 0


class HumanGrade(NamedTuple):
    """One person's grade of one answer. ``item``: what names the answer in every report."""

    item: str
    person: Any
    score: int


def agreement(human: Sequence[HumanGrade], judge: Mapping[str, int], *, scale: Scale) -> dict[str, Any]:
    """How far the judge agrees with people over the answers that both graded, and people with one another.

    Several people's grades of one answer count once: by their median for kappa and the table, by their mean for tau and the
    bias (judge − people, in points of the scale). ``confusion`` has people's grades in its rows.
    """
    by_item: dict[str, list[int]] = defaultdict(list)
    for grade in human:
        by_item[grade.item].append(grade.score)
    steps = levels(scale)
    shared = sorted(by_item.keys() & judge.keys())
    pairs = [(median_low(by_item[item]), judge[item]) for item in shared]
    means = [fmean(by_item[item]) for item in shared]
    given = [judge[item] for item in shared]
    order = kendall_tau(means, given)
    return {
        "n": len(shared),
        "graded": len(by_item),
        "grades": len(human),
        "people": len({grade.person for grade in human}),
        "tau": order.tau,
        "tau_p": order.p,
        "kappa": estimate(weighted_kappa_estimate(pairs, levels=steps, seed=SEED)),
        "exact": estimate(wilson(sum(a == b for a, b in pairs), len(pairs))),
        "bias": estimate(bootstrap([b - a for a, b in zip(means, given, strict=True)], seed=SEED)),
        "confusion": [[sum(pair == (row, column) for pair in pairs) for column in steps] for row in steps],
        "between_people": between_people(human, scale=scale),
    }


def between_people(human: Sequence[HumanGrade], *, scale: Scale) -> dict[str, Any] | None:
    """How far people agree with one another, over answers that two or more of them graded: what a judge can't be held to exceed.

    Each pair of people on an answer counts, in a fixed order. None where nobody graded what another did.
    """
    by_item: dict[str, list[HumanGrade]] = defaultdict(list)
    for grade in human:
        by_item[grade.item].append(grade)
    pairs = []
    items = 0
    for _, mine in sorted(by_item.items()):
        ordered = sorted(mine, key=lambda grade: str(grade.person))
        found = [(a.score, b.score) for a, b in combinations(ordered, 2)]
        pairs += found
        items += bool(found)
    if not pairs:
        return None
    order = kendall_tau([a for a, _ in pairs], [b for _, b in pairs])
    return {
        "n": items,
        "kappa": estimate(weighted_kappa_estimate(pairs, levels=levels(scale), seed=SEED)),
        "tau": order.tau,
        "exact": estimate(wilson(sum(a == b for a, b in pairs), len(pairs))),
    }
