"""What a judge's verdicts come to: mean grades, preferences, and how far the two orders agree. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evaluation.figures.scoring import estimate
from evaluation.judging.bench import Verdict
from evaluation.judging.cases import GOLDEN
from evaluation.judging.rubrics import levels, normal
from evaluation.statistics import Estimate, bootstrap, clustered_bootstrap, clustered_wilson, wilson
from pipelines.steps.verdicts import Scale

MOST_REASONS = 5

Clusters = Sequence[Hashable] | None
"""One name a row of the report (None: a row of its own), or None where every row stands alone."""


@dataclass
class Tally:
    """What is kept of the verdicts while they are written: numbers only. ``grades``: candidate → row → score."""

    grades: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    failed: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    pairs: dict[tuple[str, str], dict[int, Verdict]] = field(default_factory=lambda: defaultdict(dict))
    why: Counter[str] = field(default_factory=Counter)
    repaired: int = 0
    cut: int = 0
    golden: int = 0
    wanted: int = 0
    """Verdicts that the judge was to give."""
    items: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Every different answer that was graded → a row and a candidate that has it."""
    by_item: dict[str, int] = field(default_factory=dict)
    """Every graded answer, the golden ones too → its score."""

    def passing(self, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
        """The same verdicts, counted as they pass."""
        for verdict in verdicts:
            self.count(verdict)
            yield verdict

    def count(self, verdict: Verdict) -> None:
        """Add one."""
        self.repaired += verdict.repaired
        self.cut += verdict.cut
        self.wanted += verdict.status in ("asked", "unjudged")
        if verdict.status == "unjudged":
            self.why[verdict.why] += 1
        if verdict.status == "asked" and verdict.score is not None:
            self.by_item[verdict.item] = verdict.score
            if verdict.candidate != GOLDEN:
                self.items.setdefault(verdict.item, (verdict.rid, verdict.candidate))
        if verdict.candidate == GOLDEN:
            self.golden += verdict.status == "asked"
        elif verdict.other:
            # Its words are in the file; of very many pairs only what is counted is held.
            self.pairs[verdict.candidate, verdict.other][verdict.rid] = Verdict(
                verdict.rid,
                verdict.candidate,
                verdict.status,
                other=verdict.other,
                outcome=verdict.outcome,
                shown=verdict.shown,
                swapped=verdict.swapped,
                by_order=verdict.by_order,
            )
        elif verdict.status == "unjudged":
            self.unjudged[verdict.candidate] += 1
        elif verdict.score is not None:
            self.failed[verdict.candidate] += verdict.status == "failed"
            self.grades[verdict.candidate][verdict.rid] = verdict.score


def mean_of(values: Sequence[float], rids: Sequence[int], *, clusters: Clusters, seed: int) -> Estimate | None:
    """A mean of 0..1 with a bootstrap interval over rows, or over the clusters that they belong to."""
    if clusters is None:
        return bootstrap(values, seed=seed)
    return clustered_bootstrap(values, [clusters[rid] for rid in rids], seed=seed)


def share_of(hits: Sequence[bool], names: Sequence[Hashable] | None) -> Estimate | None:
    """A share with Wilson's interval; ``names``: the cluster of each."""
    return wilson(sum(hits), len(hits)) if names is None else clustered_wilson(hits, names)


def describe_grades(
    tally: Tally,
    candidates: Sequence[Mapping[str, Any]],
    *,
    scale: Scale,
    seed: int,
    clusters: Clusters = None,
) -> list[Any]:
    """One record for each graded candidate, in the report's order. ``mean`` is 0..1; a failure has the worst grade and counts;
    an answer that the judge gave no verdict on counts nowhere and is told."""
    found = []
    for candidate in candidates:
        name = candidate["name"]
        grades = tally.grades.get(name, {})
        if not grades and not tally.unjudged[name]:
            continue
        values = [normal(score, scale) for score in grades.values()]
        if scale == "pass or fail":
            names = None if clusters is None else [clusters[rid] for rid in grades]
            mean = share_of([value >= 0.5 for value in values], names)
        else:
            mean = mean_of(values, list(grades), clusters=clusters, seed=seed)
        scores = Counter(grades.values())
        found.append(
            {
                "name": name,
                "label": candidate["label"],
                "kind": candidate["kind"],
                "graded": len(grades),
                "failed": tally.failed[name],
                "unjudged": tally.unjudged[name],
                "mean": estimate(mean),
                "scores": {str(level): scores[level] for level in levels(scale)},
            }
        )
    return found


def describe_differences(
    tally: Tally,
    candidates: Sequence[Mapping[str, Any]],
    *,
    student: str,
    scale: Scale,
    seed: int,
    clusters: Clusters = None,
) -> list[dict[str, Any]]:
    """The student's mean grade less each other's, over the rows on which both have a grade."""
    mine = tally.grades.get(student, {})
    found = []
    for candidate in candidates:
        name = candidate["name"]
        theirs = tally.grades.get(name, {})
        shared = sorted(mine.keys() & theirs.keys())
        if name == student or not shared:
            continue
        gaps = [normal(mine[rid], scale) - normal(theirs[rid], scale) for rid in shared]
        found.append(
            {
                "other": name,
                "label": candidate["label"],
                "kind": candidate["kind"],
                "difference": estimate(mean_of(gaps, shared, clusters=clusters, seed=seed)),
            }
        )
    return found


def describe_pairs(
    tally: Tally, labels: Mapping[str, str], *, seed: int, clusters: Clusters = None
) -> list[dict[str, Any]]:
    """One record for each pair of candidates: shares of wins, ties and losses, and wins with half the ties as a score."""
    worth = {"win": 1.0, "tie": 0.5, "loss": 0.0}
    found = []
    for (a, b), verdicts in tally.pairs.items():
        told = [v for v in verdicts.values() if v.outcome is not None]
        names = None if clusters is None else [clusters[v.rid] for v in told]
        rids = [v.rid for v in told]
        found.append(
            {
                "a": a,
                "a_label": labels[a],
                "b": b,
                "b_label": labels[b],
                "rows": len(verdicts),
                "asked": sum(v.status == "asked" for v in told),
                "same": sum(v.status == "same" for v in told),
                "failed": sum(v.status == "failed" for v in told),
                "unjudged": len(verdicts) - len(told),
                **{said: estimate(share_of([v.outcome == said for v in told], names)) for said in worth},
                "score": estimate(mean_of([worth[str(v.outcome)] for v in told], rids, clusters=clusters, seed=seed)),
                "by_order": sum(v.by_order for v in told),
            }
        )
    return found


def describe_orders(tally: Tally, *, clusters: Clusters = None) -> dict[str, Any] | None:
    """How far the two orders of every pair agree, over all pairs that were asked; None when none was.

    ``agree``: the same verdict in both orders. ``by_order``: both verdicts named the same place, so that the order decided;
    ``first_when_by_order``: how many of them named the first. ``half``: a preference in one order and a tie in the other.
    ``first``: of all verdicts that preferred one, those that preferred the first.
    """
    asked = [v for verdicts in tally.pairs.values() for v in verdicts.values() if v.shown is not None]
    if not asked:
        return None
    by_order = [v for v in asked if v.by_order]
    halves = [(v.shown == "tie") != (v.swapped == "tie") for v in asked]
    half = sum(halves)
    said = [(w, v.rid) for v in asked for w in (v.shown, v.swapped) if w != "tie"]

    def names(rids: Sequence[int]) -> list[Hashable] | None:
        if clusters is None and len(tally.pairs) == 1:
            return None
        # Of several pairs, those of one row belong together.
        found = [None if clusters is None else clusters[rid] for rid in rids]
        return [("row", rid) if name is None else name for name, rid in zip(found, rids, strict=True)]

    agree = [not v.by_order and not h for v, h in zip(asked, halves, strict=True)]
    return {
        "pairs": len(asked),
        "agree": estimate(share_of(agree, names([v.rid for v in asked]))),
        "by_order": len(by_order),
        "half": half,
        "first_when_by_order": sum(v.shown == "first" for v in by_order),
        "first": estimate(share_of([w == "first" for w, _ in said], names([rid for _, rid in said]))),
    }
