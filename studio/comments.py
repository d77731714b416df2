"""Threads of comments on anything: say, answer, change, delete, resolve, and count what is still open.

A subject is a kind (a name of ``studio.registries.SUBJECTS``) and a key; this module knows nothing else of it. Reviewers and
those above them write; viewers read. A thread is a comment without a parent, with its answers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from studio import audit, comment_text, notices
from studio.lib.errors import StudioError
from studio.models import Comment, Membership, Notification, Role, Workspace
from studio.registries import SUBJECTS

TEXT_LIMIT = 5_000
OFTEN = 30
WITHIN = timedelta(minutes=1)
"""More than :data:`OFTEN` comments of one person in so short a time are a script's."""


@dataclass(frozen=True)
class Subject:
    """What is commented on: ``title`` in words, ``url`` of the page that shows its comments."""

    title: str
    url: str


def find_subject(workspace: Workspace, kind: str, key: str) -> Subject | None:
    """The subject of that kind and key in this workspace, or None."""
    find = SUBJECTS.get(kind)
    return find(workspace, key) if find and len(key) <= 200 else None


# --- reading ---------------------------------------------------------------------------------------------------------


def threads(workspace: Workspace, kind: str, key: str) -> list[Comment]:
    """The threads of a subject, oldest first, each with its ``answers`` fetched."""
    found = Comment.objects.filter(workspace=workspace, kind=kind, key=key, parent__isnull=True)
    people = ("author", "deleted_by", "resolved_by")
    return list(found.select_related(*people).prefetch_related("answers__author", "answers__deleted_by"))


def _open(workspace: Workspace, kind: str) -> QuerySet[Comment]:
    """Threads that nobody resolved and in which something is left to read."""
    left = Comment.objects.filter(parent=OuterRef("pk"), deleted_at__isnull=True)
    return Comment.objects.filter(workspace=workspace, kind=kind, parent__isnull=True, resolved_at__isnull=True).filter(
        Q(deleted_at__isnull=True) | Exists(left)
    )


def count_open(workspace: Workspace, kind: str, key: str) -> int:
    """How many threads of a subject are not resolved."""
    return _open(workspace, kind).filter(key=key).count()


def count_open_under(workspace: Workspace, kind: str, prefix: str) -> dict[str, int]:
    """Open threads of all subjects whose key begins with ``prefix``: ``{key: count}`` without zeros."""
    return dict(Counter(_open(workspace, kind).filter(key__startswith=prefix).values_list("key", flat=True)))


def member_names(workspace: Workspace) -> list[str]:
    """The user names that can be mentioned."""
    members = Membership.objects.filter(workspace=workspace, user__is_active=True)
    return list(members.order_by("user__username").values_list("user__username", flat=True))


# --- writing ---------------------------------------------------------------------------------------------------------


def say(
    workspace: Workspace,
    *,
    kind: str,
    key: str,
    text: str,
    by: User,
    subject: Subject,
    parent: Comment | None = None,
    request_key: str = "",
) -> Comment:
    """Write a comment, or an answer to ``parent``, and tell whom it mentions or answers.

    With a ``request_key`` that was used before, the comment it made is returned and nothing is written or told.
    """
    if parent is not None and (parent.parent_id or (parent.kind, parent.key) != (kind, key)):
        raise StudioError("That is not a thread of this page.", action="Reload the page and answer there.")
    recent = Comment.objects.filter(workspace=workspace, author=by, created_at__gt=timezone.now() - WITHIN)
    if recent.count() >= OFTEN:
        raise StudioError("That are many comments within a minute.", action="Wait a little, then send it again.")
    try:
        with transaction.atomic():
            comment = Comment.objects.create(
                workspace=workspace,
                kind=kind,
                key=key,
                parent=parent,
                author=by,
                text=text[:TEXT_LIMIT],
                request_key=request_key,
            )
            _tell(comment, subject, by=by)
            return comment
    except IntegrityError:
        existing = Comment.objects.filter(workspace=workspace, request_key=request_key).first() if request_key else None
        if existing is None:
            raise
        if existing.author_id != by.pk:
            raise StudioError(
                "That form was sent by somebody else.", action="Reload the page and write again."
            ) from None
        return existing


@transaction.atomic
def change(comment: Comment, *, text: str, by: User, subject: Subject) -> None:
    """Another text for an own comment; people it mentions now and did not before are told."""
    before = comment.text
    comment.text, comment.edited_at = text[:TEXT_LIMIT], timezone.now()
    rows = Comment.objects.filter(pk=comment.pk, deleted_at__isnull=True)
    if before != comment.text and rows.update(text=comment.text, edited_at=comment.edited_at):
        _tell(comment, subject, by=by, before=before)


@transaction.atomic
def delete(comment: Comment, *, by: User) -> None:
    """Take a comment's text away for good; that it was there, and who deleted it, stays."""
    deleted = Comment.objects.filter(pk=comment.pk, deleted_at__isnull=True).update(
        text="", deleted_at=timezone.now(), deleted_by=by
    )
    if deleted and comment.author_id != by.pk:
        whose = comment.author.get_username() if comment.author else "somebody who left"
        audit.record(comment.workspace, actor=by, verb="deleted a comment of", subject=whose)


def resolve(thread: Comment, *, by: User) -> None:
    """The thread is settled: it counts no longer as open."""
    rows = Comment.objects.filter(pk=thread.pk, parent__isnull=True, resolved_at__isnull=True)
    rows.update(resolved_at=timezone.now(), resolved_by=by)


def reopen(thread: Comment) -> None:
    """The thread is not settled after all."""
    Comment.objects.filter(pk=thread.pk).update(resolved_at=None, resolved_by=None)


def move(workspace: Workspace, kind: str, key: str, new_key: str) -> None:
    """A subject goes by another key from now on: its comments follow."""
    Comment.objects.filter(workspace=workspace, kind=kind, key=key).update(key=new_key)


def may_change(comment: Comment, member: Membership) -> bool:
    """Only its author changes a comment, as long as it is there."""
    return comment.deleted_at is None and comment.author_id == member.user_id and member.at_least(Role.REVIEWER)


def may_delete(comment: Comment, member: Membership) -> bool:
    """Its author, or an owner of the workspace."""
    return comment.deleted_at is None and (may_change(comment, member) or member.at_least(Role.OWNER))


def _tell(comment: Comment, subject: Subject, *, by: User, before: str = "") -> None:
    """Tell the members whom a text mentions and ``before`` did not; for a new answer also those who wrote in the thread."""
    members = {m.user.get_username(): m for m in notices.members_of(comment.workspace)}
    mentioned = comment_text.find_mentions(comment.text, members)
    known = set(comment_text.find_mentions(before, members))
    news = _news(comment, subject, by=by, verb="mentioned you in")
    notices.tell_members([members[name] for name in mentioned if name not in known], news, by=by)
    if comment.parent is not None and not comment.edited_at:
        others = _authors(comment.parent) - {members[name].user_id for name in mentioned}
        answered = _news(comment, subject, by=by, verb="answered in")
        notices.tell_members([m for m in members.values() if m.user_id in others], answered, by=by)


def _news(comment: Comment, subject: Subject, *, by: User, verb: str) -> notices.News:
    return notices.News(
        event="comment",
        tone=Notification.Tone.MENTION,
        title=f"{by.get_username()} {verb} {subject.title}",
        text=comment.text,
        path=f"{subject.url}#comment-{comment.pk}",
    )


def _authors(thread: Comment) -> set[Any]:
    written: Iterable[Any] = Comment.objects.filter(Q(pk=thread.pk) | Q(parent=thread), deleted_at__isnull=True)
    return {comment.author_id for comment in written if comment.author_id}
