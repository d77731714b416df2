"""Blind reviews: begin one, take votes, undo them, close it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from evaluation.blind import results
from evaluation.boards.tables import open_items
from evaluation.models import BlindItem, BlindReview, BlindSeat, BlindTask, Scorecard
from evaluation.models.blind import BlindKind, BlindPlan
from evaluation.signoff.reading import subject_of
from studio import audit
from studio.lib.errors import StudioError
from studio.models import Membership, Role, Workspace
from vault.reviewing.assignment import assign

MOST_ROWS = 1_000
MOST_PER_ROW = 10
MOST_CRITERIA = 6
CHOICES = ("left", "right", "both", "neither", "skip")


def start(
    card: Scorecard,
    *,
    kind: str,
    plan: str,
    sources: Sequence[str],
    criteria: Sequence[str],
    rows: int,
    per_row: int,
    seed: int,
    people: Sequence[User],
    by: User,
) -> BlindReview:
    """Draw rows, hide the names, share the items out. Raises ``StudioError`` when there is nothing to compare or nobody to judge."""
    _check(sources, criteria, kind=kind, per_row=per_row, people=people)
    table = open_items(card)
    missing = [name for name in sources if name not in table.marks.candidates]
    if missing:
        raise StudioError(f"Nobody called “{missing[0]}” answered in this report.", action="Choose others.")
    a, b = (table.marks.candidates[name] for name in sources)
    both = a.asked & b.asked & ~a.failed & ~b.failed
    differs = both & (a.key != b.key)
    pool = np.flatnonzero(differs if plan == BlindPlan.DIFFER else both)
    if not len(pool):
        raise StudioError(
            "There is no row on which both answered" + (" and differ." if plan == BlindPlan.DIFFER else "."),
            action="Choose other candidates, or draw from all rows.",
        )
    drawn = np.random.default_rng(seed).permutation(pool)[: min(rows, MOST_ROWS)]
    with transaction.atomic():
        Workspace.objects.select_for_update().get(pk=card.workspace_id)
        review = BlindReview.objects.create(
            scorecard=card,
            number=(card.blind_reviews.aggregate(n=Max("number"))["n"] or 0) + 1,
            kind=kind,
            plan=plan,
            sources=list(sources),
            criteria=list(criteria) if kind == BlindKind.RATING else [],
            seed=seed,
            per_row=per_row,
            population=int(both.sum()),
            differing=int(differs.sum()),
            created_by=by,
        )
        _share_out(review, [(int(rid), bool(differs[rid])) for rid in drawn], people=people)
        audit.record(
            card.workspace,
            actor=by,
            verb="began a blind review of",
            subject=subject_of(card),
            details={"number": review.number, "rows": len(drawn), "people": [user.get_username() for user in people]},
        )
    return review


def _check(sources: Sequence[str], criteria: Sequence[str], *, kind: str, per_row: int, people: Sequence[User]) -> None:
    if len(set(sources)) != 2:
        raise StudioError("Two different candidates are compared.", action="Choose two.")
    if kind == BlindKind.RATING and not 0 < len(criteria) <= MOST_CRITERIA:
        raise StudioError(
            f"A rating needs 1 to {MOST_CRITERIA} criteria.", action="Write one a line: right, clear, polite."
        )
    if per_row > len(people):
        raise StudioError(
            f"Each row needs {per_row} people, but {len(people)} {'is' if len(people) == 1 else 'are'} chosen.",
            action="Choose more people, or fewer a row.",
        )


def _share_out(review: BlindReview, drawn: Sequence[tuple[int, bool]], *, people: Sequence[User]) -> None:
    chance = random.Random(review.seed)  # noqa: S311 -- a draw that can be repeated, not a secret
    if review.kind == BlindKind.PAIRS:
        wanted = [(rid, "", differs) for rid, differs in drawn]
    else:
        wanted = [(rid, source, differs) for rid, differs in drawn for source in review.sources]
        # Side by side the two answers to a row would tell of each other.
        chance.shuffle(wanted)
    BlindItem.objects.bulk_create(
        [
            BlindItem(review=review, position=n, rid=rid, source=source, differs=differs)
            for n, (rid, source, differs) in enumerate(wanted, start=1)
        ]
    )
    BlindSeat.objects.bulk_create([BlindSeat(review=review, user=user, name=user.get_username()) for user in people])
    # Two equal answers are a tie without anybody's word.
    asked = review.items.all() if review.kind == BlindKind.RATING else review.items.filter(differs=True)
    items, seats = (list(found.values_list("pk", flat=True)) for found in (asked, review.seats.all()))
    BlindTask.objects.bulk_create(
        [
            BlindTask(item_id=item, seat_id=seat, swapped=chance.random() < 0.5)
            for item, seat in assign(items, seats, per_row=review.per_row, seed=review.seed)
        ]
    )


def tasks_of(review: BlindReview, user: Any) -> QuerySet[BlindTask]:
    """The person's items, in order."""
    found = BlindTask.objects.filter(item__review=review, seat__user=user)
    return found.select_related("item__review", "seat").order_by("item__position")


def waiting_items(user: User, workspace: Workspace) -> list[dict[str, Any]]:
    """Open reviews with items for this person: ``title``, ``text``, ``url``, ``since``, ``action``."""
    if not Membership.objects.filter(workspace=workspace, user=user).exclude(role=Role.VIEWER).exists():
        return []
    mine = Q(items__tasks__seat__user=user, items__tasks__choice="")
    known = BlindReview.objects.filter(scorecard__workspace=workspace, closed_at=None).filter(mine)
    counted = known.annotate(n=Count("items__tasks", filter=mine)).select_related(
        "scorecard__workspace", "scorecard__step_run__run__version__pipeline"
    )
    return [
        {
            "title": f"{review.n:,} answer{'s wait' if review.n != 1 else ' waits'} for your blind judgement",
            "text": f"{review} of {subject_of(review.scorecard)}",
            "url": f"{review.get_absolute_url()}desk/",
            "since": review.created_at,
            "action": "Judge",
        }
        for review in counted
    ]


def vote(task: BlindTask, *, choice: str, scores: Mapping[str, str], revision: int) -> None:
    """Record what a person said of an item. ``choice``: left, right, both, neither, skip; for a rating "rated" or skip.

    Raises ``StudioError`` for anything else, for a closed review, and when the item was judged in another tab meanwhile.
    """
    review = task.item.review
    said: dict[str, Any] = {"choice": choice, "scores": {}}
    if review.kind == BlindKind.RATING and choice != "skip":
        said = {"choice": "rated", "scores": _checked_scores(review.criteria, scores)}
    elif choice not in CHOICES:
        raise StudioError(f"“{choice}” is not a choice.", action=f"Use one of {', '.join(CHOICES)}.")
    elif choice in ("left", "right"):
        said["choice"] = "first" if (choice == "left") != task.swapped else "second"
    _write(task, revision=revision, judged_at=timezone.now(), **said)


def take_back(task: BlindTask, *, revision: int) -> None:
    """The item is open again. Raises like :func:`vote`."""
    _write(task, revision=revision, choice="", scores={}, judged_at=None)


def _write(task: BlindTask, *, revision: int, **values: Any) -> None:
    with transaction.atomic():
        review = BlindReview.objects.select_for_update().get(pk=task.item.review_id)
        if not review.is_open:
            raise StudioError(f"{review} was closed.", action="What you said before is kept; this came too late.")
        mine = BlindTask.objects.filter(pk=task.pk, revision=revision)
        if not mine.update(**values, revision=F("revision") + 1):
            raise StudioError("You judged this in another tab.", action="Undo takes it back.")


def _checked_scores(criteria: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for n, criterion in enumerate(criteria):
        value = given.get(f"score_{n}", "")
        if value not in ("1", "2", "3", "4", "5"):
            raise StudioError(
                f"“{criterion}” has no rating.", action="Give each a number from 1 to 5, or skip the answer."
            )
        found[criterion] = int(value)
    return found


def outcome_of(review: BlindReview) -> dict[str, Any]:
    """What the votes come to, and who gave how many."""
    given = BlindTask.objects.filter(item__review=review).exclude(choice="").order_by("pk")
    votes = [
        results.Vote(t.item_id, t.seat_id, t.choice, t.swapped, t.scores, t.item.source)
        for t in given.select_related("item")
    ]
    if review.kind == BlindKind.PAIRS:
        weight = review.differing / review.population if review.plan == BlindPlan.DIFFER else None
        same = review.items.filter(differs=False).count()
        found = results.pairs(votes, same=same, weight=weight)
    else:
        found = results.ratings(votes, criteria=review.criteria, sources=review.sources, seed=review.seed)
    seats = review.seats.annotate(total=Count("tasks"), done=Count("tasks", filter=~Q(tasks__choice="")))
    return {**found, "people": [{"name": s.name, "done": s.done, "total": s.total} for s in seats]}


def close(review: BlindReview, *, by: User) -> BlindReview:
    """End it: the outcome is written and shows in the report. Raises ``StudioError`` when it is closed or nobody voted."""
    with transaction.atomic():
        card = review.scorecard
        Workspace.objects.select_for_update().get(pk=card.workspace_id)
        held = BlindReview.objects.select_for_update().get(pk=review.pk)
        if not held.is_open:
            raise StudioError(f"{held} is closed already.", action="Begin another one for more rows.")
        outcome = outcome_of(held)
        if not outcome["votes"] and not outcome.get("same"):
            raise StudioError("Nobody has judged anything yet.", action="Judge some, then close it.")
        held.outcome, held.closed_at = outcome, timezone.now()
        held.save(update_fields=["outcome", "closed_at"])
        audit.record(
            card.workspace,
            actor=by,
            verb="closed a blind review of",
            subject=subject_of(card),
            details={"number": held.number, "votes": outcome["votes"]},
        )
    return held
