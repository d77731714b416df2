"""Rounds: begin one, take more rows into it, hand over what people who left have not done, close it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max
from django.http import QueryDict
from django.utils import timezone

from studio import audit
from studio.lib.errors import StudioError
from studio.models import Membership, Role, Workspace
from vault import profile, store
from vault.browse_form import FilterForm
from vault.browsing import open_table
from vault.editing import drafts
from vault.models import DatasetVersion, ReviewItem, ReviewRound, ReviewSeat, ReviewTask
from vault.models.reviews import Answer, Order
from vault.reviewing import selection
from vault.reviewing.assignment import assign
from vault.reviewing.confidence import confidences
from vault.reviewing.outcomes import EDIT, REJECT
from vault.reviewing.verdicts import judged_rows, may_review

MOST_ROWS = 10_000
MOST_PER_ROW = 10


def start(
    version: DatasetVersion,
    *,
    title: str,
    order: str,
    query: str,
    rows: int,
    per_row: int,
    people: Sequence[User],
    by: User,
) -> ReviewRound:
    """Begin a round. Raises ``StudioError`` for no rows, too many, or fewer people than each row needs."""
    if per_row > len(people):
        raise StudioError(
            f"Each row needs {per_row} reviewers, but {len(people)} {'is' if len(people) == 1 else 'are'} chosen.",
            action="Choose more people, or fewer reviewers a row.",
        )
    rids = rows_under(version, query, user=by)
    if not len(rids):
        raise StudioError("No row passes this filter.", action="Widen the filter, or review the whole version.")
    number = (version.dataset.rounds.aggregate(n=Max("number"))["n"] or 0) + 1
    draft = ReviewRound(
        dataset=version.dataset,
        version=version,
        number=number,
        title=title.strip(),
        order=order,
        query=query,
        seed=number,
        per_row=per_row,
        population=len(rids),
        created_by=by,
    )
    chosen = _choose(draft, rids, limit=min(rows, MOST_ROWS), without=())
    with transaction.atomic():
        draft.save(force_insert=True)
        seats = [ReviewSeat(round=draft, user=user, name=user.get_username()) for user in people]
        ReviewSeat.objects.bulk_create(seats)
        _add(draft, chosen, first=1)
        audit.record(
            version.dataset.workspace,
            actor=by,
            verb="began the review",
            subject=f"{draft} of {version}",
            details={"rows": len(chosen), "per_row": per_row, "people": [seat.name for seat in seats]},
        )
    return draft


def rows_under(version: DatasetVersion, query: str, *, user: User) -> npt.NDArray[np.int32]:
    """Positions of the rows that the row browser shows at this address (its part after "?"), in row order."""
    return open_table(version, user=user).positions(FilterForm(QueryDict(query)).wanted())


def _choose(
    review: ReviewRound, rids: npt.NDArray[np.int32], *, limit: int, without: Sequence[int]
) -> list[selection.Chosen]:
    if review.order == Order.RANDOM:
        return selection.draw(rids, seed=review.seed, limit=limit, without=without)
    if review.order == Order.ROWS:
        return selection.in_order(rids, limit=limit, without=without)
    return selection.worth_a_look(
        store.path(review.version.artifact),
        root=settings.DATA_ROOT,
        rids=None if len(rids) == review.version.rows else rids,
        limit=limit,
        facts=profile.facts_path(review.version.artifact),
        confidences=confidences(review.version),
        without=without,
    )


def _add(review: ReviewRound, chosen: Sequence[selection.Chosen], *, first: int) -> None:
    """Inside a transaction: rows into the round, each with its reviewers."""
    items = [
        ReviewItem(
            round=review, position=first + n, rid=c.rid, score=c.score, reasons=c.reasons, stands_for=c.stands_for
        )
        for n, c in enumerate(chosen)
    ]
    ReviewItem.objects.bulk_create(items, batch_size=1000)
    numbers = list(review.items.filter(position__gte=first).order_by("position").values_list("pk", flat=True))
    active = [seat.pk for seat in review.seats.select_related("user") if may_review(seat)]
    load = {seat.pk: seat.n for seat in review.seats.annotate(n=Count("tasks"))}
    found = assign(numbers, active, per_row=review.per_row, seed=review.seed + first, load=load)
    ReviewTask.objects.bulk_create([ReviewTask(item_id=i, seat_id=s) for i, s in found], batch_size=1000)


def _hold(review: ReviewRound) -> None:
    """Inside a transaction: be the only one to change this round, and only while it is open."""
    held = ReviewRound.objects.select_for_update().get(pk=review.pk)
    if not held.is_open:
        raise StudioError(f"{held} is closed.", action="Begin another round to review more rows.")


def extend(review: ReviewRound, *, rows: int, by: User) -> int:
    """Take the next rows of the same order into the round; returns how many there were."""
    rids = rows_under(review.version, review.query, user=by)
    with transaction.atomic():
        _hold(review)
        had = list(review.items.values_list("rid", flat=True))
        limit = max(0, min(rows, MOST_ROWS - len(had)))
        chosen = _choose(review, rids, limit=limit, without=had)
        _add(review, chosen, first=(review.items.aggregate(n=Max("position"))["n"] or 0) + 1)
        audit.record(
            review.dataset.workspace,
            actor=by,
            verb="took more rows into the review",
            subject=f"{review} of {review.version}",
            details={"rows": len(chosen)},
        )
    return len(chosen)


def add_people(review: ReviewRound, *, people: Sequence[User], by: User) -> int:
    """Give people a seat and share what is open anew; returns how many are new."""
    with transaction.atomic():
        _hold(review)
        seated = set(review.seats.values_list("user_id", flat=True))
        new = [user for user in people if user.pk not in seated]
        ReviewSeat.objects.bulk_create([ReviewSeat(round=review, user=user, name=user.get_username()) for user in new])
        _share_anew(review)
        audit.record(
            review.dataset.workspace,
            actor=by,
            verb="shared anew the review",
            subject=f"{review} of {review.version}",
            details={"added": [user.get_username() for user in new]},
        )
    return len(new)


def _share_anew(review: ReviewRound) -> None:
    """Every open task goes to somebody who may still review, evenly; verdicts stay with who gave them."""
    review_tasks = ReviewTask.objects.filter(item__round=review)
    taken: dict[int, set[int]] = defaultdict(set)
    for item, seat in review_tasks.exclude(answer="").values_list("item_id", "seat_id"):
        taken[item].add(seat)
    open_items = list(
        review_tasks.filter(answer="").order_by("item__position").values_list("item_id", flat=True).distinct()
    )
    review_tasks.filter(answer="").delete()
    seats = list(review.seats.select_related("user"))
    active = [seat.pk for seat in seats if may_review(seat)]
    load = {seat.pk: seat.n for seat in review.seats.annotate(n=Count("tasks"))}
    found = assign(open_items, active, per_row=review.per_row, seed=review.seed, taken=taken, load=load)
    ReviewTask.objects.bulk_create([ReviewTask(item_id=i, seat_id=s) for i, s in found], batch_size=1000)


def reviewers(workspace: Workspace) -> list[User]:
    """Everybody in the workspace who may review."""
    members = Membership.objects.filter(workspace=workspace).select_related("user").order_by("user__username")
    return [member.user for member in members if member.at_least(Role.REVIEWER)]


def close(review: ReviewRound, *, by: User) -> dict[str, int]:
    """End the round and lay what came of it over the version as edits of its draft, which can be looked at and undone there.

    Rows on which reviewers still differ, and rows that nobody judged, stay as they are. Returns the counts. Raises
    ``StudioError`` when the round is closed already or the version's draft takes no edits now.
    """
    with transaction.atomic():
        _hold(review)
        edits, counts = _edits_of(review)
        if edits:
            draft = drafts.open_draft(review.version, user=by)
            for kind, params, rids in edits:
                drafts.add(draft, kind, params, rids=np.array(sorted(rids), dtype=np.int64), user=by)
        review.closed_at, review.closed_by, review.outcome = timezone.now(), by, counts
        review.save(update_fields=["closed_at", "closed_by", "outcome"])
        audit.record(
            review.dataset.workspace,
            actor=by,
            verb="closed the review",
            subject=f"{review} of {review.version}",
            details=counts,
        )
    return counts


def _edits_of(review: ReviewRound) -> tuple[list[tuple[str, dict[str, Any], list[int]]], dict[str, int]]:
    """The operations that a round comes to, and its counts. Equal changes of several rows are one operation."""
    texts: dict[str, list[int]] = defaultdict(list)
    tags: dict[str, list[int]] = defaultdict(list)
    rejected: list[int] = []
    counts = dict.fromkeys(
        (*(Answer(a).value for a in (Answer.ACCEPT, Answer.EDIT, Answer.REJECT)), "differ", "open"), 0
    )
    for item, judged in judged_rows(review):
        outcome = judged.outcome
        counts[outcome.answer or ("differ" if outcome.differs else "open")] += 1
        if outcome.answer == EDIT:
            texts[outcome.text or ""].append(item.rid)
        elif outcome.answer == REJECT:
            rejected.append(item.rid)
        for tag in outcome.tags:
            tags[tag].append(item.rid)
    reason = f"Rejected in review: {review}"
    edits: list[tuple[str, dict[str, Any], list[int]]] = [
        ("label", {"field": "completion", "text": text}, rids) for text, rids in texts.items()
    ]
    edits += [("tag", {"tag": tag}, rids) for tag, rids in tags.items()]
    if rejected:
        edits.append(("reject", {"reason": reason}, rejected))
    return edits, counts
