"""A closed blind review as the pages show it."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Count, Q

from evaluation.models import BlindReview, Scorecard
from evaluation.models.blind import BlindKind
from evaluation.report.scorecards import read_report
from evaluation.signoff.reading import roles_of


class Judge(NamedTuple):
    """One person's progress. ``gone``: no longer in the team; the votes count all the same."""

    name: str
    done: int
    total: int
    gone: bool


def people_of(review: BlindReview) -> list[Judge]:
    """Everybody with a seat, and how far they are; what they said is not told."""
    roles = roles_of(review.scorecard.workspace_id)
    seats = review.seats.annotate(total=Count("tasks"), done=Count("tasks", filter=~Q(tasks__choice="")))
    return [Judge(s.name, s.done, s.total, s.user_id not in roles) for s in seats]


def shown(review: BlindReview, report: dict[str, Any] | None = None) -> dict[str, Any]:
    """Its outcome with the candidates' names, for the partial ``evaluation/_blind.html``."""
    found = report or read_report(review.scorecard.report)
    known = {c["name"]: c for c in found["candidates"]}
    sources = [known.get(name, {"name": name, "label": name, "kind": "base"}) for name in review.sources]
    outcome = review.outcome
    context: dict[str, Any] = {"review": review, "sources": sources, "outcome": outcome, "people": people_of(review)}
    if review.kind == BlindKind.PAIRS:
        words = (f"{sources[0]['label']} better", f"{sources[1]['label']} better", "Both good", "Neither")
        roles = (sources[0]["kind"], sources[1]["kind"], "", "")
        context["shares"] = list(zip(words, outcome["shares"].values(), roles, strict=True))
    else:
        context["means"] = [
            (
                criterion,
                [(s, outcome["means"][criterion].get(s["name"])) for s in sources],
                outcome["alphas"].get(criterion),
            )
            for criterion in review.criteria
        ]
    return context


def closed_of(card: Scorecard, report: dict[str, Any]) -> list[dict[str, Any]]:
    """Every closed blind review of a report, ready to be shown."""
    return [shown(review, report) for review in card.blind_reviews.filter(closed_at__isnull=False)]
