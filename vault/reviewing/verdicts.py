"""Verdicts: the next row for a person, what the person says of it, and taking it back.

A verdict is one conditional UPDATE: it is there when the answer to the request is. The same verdict twice changes nothing; a
verdict from a page that shows an older state (another tab judged the row meanwhile) is refused with :class:`Stale`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from studio.lib.errors import StudioError
from studio.models import Membership, Role
from vault.models import DatasetVersion, ReviewItem, ReviewRound, ReviewSeat, ReviewTask
from vault.models.reviews import Answer
from vault.reviewing.outcomes import Judged, Said

LONGEST_TEXT = 1_000_000
LONGEST_COMMENT = 4_000
LONGEST_TAG = 60
MOST_TAGS = 20


class Stale(StudioError):
    """The row was judged elsewhere after this page was shown."""

    def __init__(self, task: ReviewTask) -> None:
        said = task.get_answer_display().lower() if task.answer else "taken back"
        super().__init__(
            f"You changed this row in another tab: it is {said} there.",
            action="Look at it again; a new verdict replaces that one.",
        )


def may_review(seat: ReviewSeat) -> bool:
    """Whether this person is still in the workspace and may review."""
    member = Membership.objects.filter(workspace=seat.round.dataset.workspace_id, user=seat.user_id).first()
    return member is not None and member.at_least(Role.REVIEWER)


def seat_of(review: ReviewRound, user: Any) -> ReviewSeat | None:
    """The person's seat in a round, or None."""
    return review.seats.filter(user=user).first()


def tasks_of(review: ReviewRound, user: Any) -> QuerySet[ReviewTask]:
    """The person's rows in a round, in its order."""
    found = ReviewTask.objects.filter(item__round=review, seat__user=user)
    return found.select_related("item", "seat").order_by("item__position")


def next_task(review: ReviewRound, user: Any, *, after: int = 0, wrap: bool = True) -> ReviewTask | None:
    """The person's first open row after this position, or (unless ``wrap`` is off) the first open one before it."""
    open_tasks = tasks_of(review, user).filter(answer="")
    following = open_tasks.filter(item__position__gt=after).first()
    return open_tasks.first() if following is None and wrap else following


def is_blind(review: ReviewRound, user: Any) -> bool:
    """Whether this person may not see yet what others said: rows of the round are still open before him."""
    return review.is_open and tasks_of(review, user).filter(answer="").exists()


def waiting(user: Any, workspace: Any) -> list[tuple[ReviewRound, int]]:
    """Open rounds of a workspace with rows that wait for this person, the oldest first, and how many rows."""
    mine = Q(items__tasks__seat__user=user, items__tasks__answer="")
    rounds = ReviewRound.objects.filter(dataset__workspace=workspace, closed_at=None).filter(mine)
    counted = rounds.annotate(n=Count("items__tasks", filter=mine)).select_related("dataset__workspace", "version")
    return [(review, review.n) for review in counted.order_by("created_at")]


def waiting_items(user: Any, workspace: Any) -> list[dict[str, Any]]:
    """The same for lists of what waits: ``title``, ``text``, ``url``, ``since``."""
    return [
        {
            "title": f"{n:,} row{'s wait' if n != 1 else ' waits'} for your review",
            "text": f"{review} of {review.dataset}, version {review.version.number}",
            "url": f"{review.get_absolute_url()}desk/",
            "since": review.created_at,
        }
        for review, n in waiting(user, workspace)
    ]


def judge(
    task: ReviewTask,
    *,
    revision: int,
    answer: str,
    text: str | None = None,
    tags: list[str],
    comment: str = "",
    original: str | None,
) -> ReviewTask:
    """Record a verdict on the person's own row.

    ``original`` is the row's answer: an edit that changes nothing is an acceptance. Raises :class:`Stale`, or ``StudioError``
    when the round is closed, when the person has compared with the others already, or when something is too long.
    """
    answer, text = _checked(answer, text, original=original)
    tags = _clean_tags(tags)
    comment = comment.strip()
    if len(comment) > LONGEST_COMMENT:
        raise StudioError(
            f"The comment has {len(comment):,} characters; at most {LONGEST_COMMENT:,} are kept.", action="Shorten it."
        )
    said = {"answer": answer, "text": text, "tags": tags, "comment": comment}
    with transaction.atomic():
        review = ReviewRound.objects.select_for_update().get(pk=task.item.round_id)
        task.refresh_from_db()
        if all(getattr(task, name) == value for name, value in said.items()):
            return task
        _check_open(review, task)
        mine = ReviewTask.objects.filter(pk=task.pk, revision=revision)
        if not mine.update(**said, judged_at=timezone.now(), revision=F("revision") + 1):
            raise Stale(task)
        task.refresh_from_db()
    return task


def take_back(task: ReviewTask, *, revision: int) -> ReviewTask:
    """Undo a verdict: the row is open again, its tags and comment still filled in. Raises like :func:`judge`."""
    with transaction.atomic():
        review = ReviewRound.objects.select_for_update().get(pk=task.item.round_id)
        task.refresh_from_db()
        if not task.answer:
            return task
        _check_open(review, task)
        mine = ReviewTask.objects.filter(pk=task.pk, revision=revision)
        if not mine.update(answer="", judged_at=None, revision=F("revision") + 1):
            raise Stale(task)
        task.refresh_from_db()
    return task


def last_judged(review: ReviewRound, user: Any) -> ReviewTask | None:
    """The row this person judged last."""
    return tasks_of(review, user).exclude(answer="").order_by("-judged_at", "-pk").first()


def _check_open(review: ReviewRound, task: ReviewTask) -> None:
    """Raise ``StudioError`` when the round is closed, or when the person has seen what others said of this row."""
    if not review.is_open:
        raise StudioError(f"{review} was closed.", action="What you said before is kept; this verdict came too late.")
    if task.answer and ReviewSeat.objects.filter(pk=task.seat_id, compared_at__isnull=False).exists():
        raise StudioError(
            "You have seen what the others said, so your verdicts stay as they are.",
            action="An editor can decide the row in the list of differences.",
        )


def compare(review: ReviewRound, user: Any) -> None:
    """Note that this person now sees what the others said. Call it before showing that; raises when the person is blind."""
    if is_blind(review, user):
        left = tasks_of(review, user).filter(answer="").count()
        raise StudioError(
            f"You still have {left:,} row{'s' if left != 1 else ''} to review in {review}.",
            action="What others said shows when you are done, so that nobody follows anybody.",
        )
    review.seats.filter(user=user, compared_at=None).update(compared_at=timezone.now())


def _checked(answer: str, text: str | None, *, original: str | None) -> tuple[str, str | None]:
    if answer not in Answer.values:
        raise StudioError(f"“{answer}” is not a verdict.", action=f"Use one of {', '.join(Answer.values)}.")
    if answer != Answer.EDIT:
        return answer, None
    if text is None:
        raise StudioError("An edit needs the new answer.", action="Type the answer as it should be.")
    text = text.replace("\r\n", "\n")
    if len(text) > LONGEST_TEXT:
        raise StudioError(f"The answer has {len(text):,} characters.", action=f"Keep it under {LONGEST_TEXT:,}.")
    return (Answer.ACCEPT, None) if text == original else (answer, text)


def _clean_tags(tags: list[str]) -> list[str]:
    found = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(found) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in found):
        raise StudioError(
            f"A row takes at most {MOST_TAGS} tags of {LONGEST_TAG} characters.", action="Use fewer or shorter tags."
        )
    return found


def judged_rows(review: ReviewRound, *, only: Any = None) -> Iterator[tuple[ReviewItem, Judged]]:
    """Every row of the round with its verdicts; with ``only`` those of this person alone, and no decision."""
    tasks: dict[int, list[Said]] = {}
    given = ReviewTask.objects.filter(item__round=review).exclude(answer="").order_by("pk")
    if only is not None:
        given = given.filter(seat__user=only)
    for pk, seat, answer, text, tags in given.values_list("item_id", "seat_id", "answer", "text", "tags"):
        tasks.setdefault(pk, []).append(Said(seat, answer, text, tuple(tags)))
    for item in review.items.all():
        decided = Said(0, item.decision, item.decided_text) if item.decision and only is None else None
        yield item, Judged(tuple(tasks.get(item.pk, ())), decided)


def decide(item: ReviewItem, *, answer: str, text: str | None, original: str | None, by: User) -> None:
    """An editor's word on a row on which reviewers differ; it can be changed until the round is closed."""
    answer, text = _checked(answer, text, original=original)
    if answer == Answer.SKIP:
        raise StudioError("A decision is not a skip.", action="Accept, edit or reject the row.")
    with transaction.atomic():
        review = ReviewRound.objects.select_for_update().get(pk=item.round_id)
        if not review.is_open:
            raise StudioError(f"{review} is closed.", action="Edit the row itself in the row browser.")
        item.decision, item.decided_text, item.decided_by, item.decided_at = answer, text, by, timezone.now()
        item.save(update_fields=["decision", "decided_text", "decided_by", "decided_at"])


NAMES = {"accepted": Answer.ACCEPT, "edited": Answer.EDIT, "rejected": Answer.REJECT, "skipped": Answer.SKIP}


def positions_with(version: DatasetVersion, verdict: str, *, user: Any) -> npt.NDArray[np.int64] | None:
    """Positions of a version's rows by verdict: "accepted", "edited", "rejected", "skipped", or "none" for rows without one;
    None for another name.

    In an open round a person sees only what he said himself; what others said shows once the round is closed.
    """
    if verdict != "none" and verdict not in NAMES:
        return None
    may_see = Q(item__round__closed_at__isnull=False)
    if user is not None:
        may_see |= Q(seat__user=user)
    found = ReviewTask.objects.filter(may_see, item__round__version=version).exclude(answer="")
    if verdict != "none":
        found = found.filter(answer=NAMES[verdict])
    rids = np.unique(np.fromiter(found.values_list("item__rid", flat=True), dtype=np.int64))
    return np.setdiff1d(np.arange(version.rows), rids, assume_unique=True) if verdict == "none" else rids
