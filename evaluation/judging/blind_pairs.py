"""A judge's preferences against those of people in closed blind reviews of the same rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluation.figures.scoring import estimate
from evaluation.judging.verdict_file import file_of, read_verdicts
from evaluation.models import BlindReview, BlindTask, Scorecard
from evaluation.models.blind import BlindKind
from evaluation.statistics import cohen_kappa_estimate, wilson

MEANT = {"first": "win", "second": "loss", "both": "tie", "neither": "tie"}
BACK = {"win": "loss", "loss": "win", "tie": "tie"}


def majority(votes: Sequence[str]) -> str:
    """What most of the votes on a row mean for its first answer; a tie where no outcome leads."""
    counted = Counter(votes).most_common(2)
    return "tie" if len(counted) > 1 and counted[0][1] == counted[1][1] else counted[0][0]


def compared(people: Mapping[int, str], judge: Mapping[int, str]) -> dict[str, Any] | None:
    """Agreement over the rows on which both said who won: win, tie or loss of one candidate. None without such a row."""
    shared = sorted(people.keys() & judge.keys())
    pairs: list[tuple[str, str | None]] = [(people[rid], judge[rid]) for rid in shared]
    if not pairs:
        return None
    return {
        "n": len(pairs),
        "kappa": estimate(cohen_kappa_estimate(pairs, seed=0)),
        "exact": estimate(wilson(sum(a == b for a, b in pairs), len(pairs))),
    }


def votes_of(card: Scorecard, a: str, b: str) -> dict[int, str]:
    """Row → what people said of ``a`` against ``b``, from every closed blind review of pairs of this run's reports.

    The reports of one run have the same rows in the same places when they have one row set.
    """
    reviews = BlindReview.objects.filter(
        scorecard__step_run__run=card.step_run.run_id,
        scorecard__row_set=card.row_set,
        scorecard__student_sha=card.student_sha,
        kind=BlindKind.PAIRS,
        closed_at__isnull=False,
    )
    found: dict[int, list[str]] = {}
    for review in reviews:
        if set(review.sources) != {a, b}:
            continue
        votes = BlindTask.objects.filter(item__review=review, choice__in=MEANT).order_by("pk")
        for rid, choice in votes.values_list("item__rid", "choice"):
            meant = MEANT[choice]
            found.setdefault(rid, []).append(meant if review.sources[0] == a else BACK[meant])
    return {rid: majority(votes) for rid, votes in found.items()}


def people_on_pairs(card: Scorecard, judge: Mapping[str, Any], folder: Path) -> list[dict[str, Any]]:
    """For each pair of the judge that people judged blind too: labels and agreement."""
    found = []
    for pair in judge["pairs"]:
        people = votes_of(card, pair["a"], pair["b"]) if card.row_set else {}
        if not people:
            continue
        verdicts = read_verdicts(file_of(folder, judge["number"]), columns=("rid", "candidate", "other", "outcome"))
        said = {
            v["rid"]: v["outcome"]
            for v in verdicts
            if v["outcome"] and (v["candidate"], v["other"]) == (pair["a"], pair["b"])
        }
        agreed = compared(people, said)
        if agreed:
            found.append({"a_label": pair["a_label"], "b_label": pair["b_label"], **agreed})
    return found
