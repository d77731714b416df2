"""What is told to whom, in the app, by e-mail and to webhooks: written in the transaction in which it happened.

Nothing here knows what a run is: the callers (``pipelines.running.news``, ``studio.comments``) bring plain words. The messages that
leave the house are :class:`~studio.models.Delivery` jobs, sent by ``studio.deliveries`` after the commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from studio import mail
from studio.jobs import FINISHED
from studio.models import Delivery, Membership, Notification, NotificationChoice, Role, Webhook, Workspace

About, Mail, Tone = NotificationChoice.About, NotificationChoice.Mail, Notification.Tone

EVENTS = {
    "run.succeeded": "A run succeeded",
    "run.failed": "A run failed",
    "run.cancelled": "A run was cancelled",
    "run.waiting": "A run waits for a person",
    "schedule.failed": "A schedule could not start its run",
}
"""What a webhook can be told of: name → words."""
TEST_EVENT = "webhook.test"

NEEDS_SOMEBODY = (Tone.FAILED, Tone.WAITING, Tone.MENTION)
TRIES = 8
"""How often a message is sent before it is given up; the delays between are in ``studio.deliveries``."""
TEXT_LIMIT = 2_000
KEEP_READ = timedelta(days=90)
KEEP_UNREAD = timedelta(days=365)
KEEP_DELIVERIES = timedelta(days=30)


@dataclass(frozen=True)
class News:
    """Something that happened, in plain words.

    ``path`` is the page that shows it. ``owner`` is the id of the user it belongs to (who started or scheduled the run).
    ``facts`` go to webhooks beside the words: plain JSON, no secret.
    """

    event: str
    tone: str
    title: str
    text: str
    path: str
    owner: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


# --- telling ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def tell(workspace: Workspace, news: News, *, by: User | None = None) -> None:
    """Tell the members who want to know (except ``by``, who did it) and the workspace's webhooks."""
    tell_members(_wanting(workspace, news.owner), news, by=by)
    tell_webhooks(workspace, news)


def _wanting(workspace: Workspace, owner: int | None) -> list[Membership]:
    """The members who want to be told of a run of ``owner``."""
    wanting = []
    for member in members_of(workspace):
        about = choice_of(member).about
        if about == About.ALL or (about == About.MINE and owner is not None and member.user_id == owner):
            wanting.append(member)
    return wanting


def members_of(workspace: Workspace) -> Iterable[Membership]:
    """The members who can sign in, with their users and choices."""
    rows = Membership.objects.filter(workspace=workspace, user__is_active=True)
    return rows.select_related("user", "notification_choice")


def choice_of(member: Membership) -> NotificationChoice:
    """What a member chose, or the unsaved default."""
    found: NotificationChoice | None = getattr(member, "notification_choice", None)
    return found or NotificationChoice(membership=member)


def tell_owners(workspace: Workspace, news: News) -> None:
    """Tell the workspace's owners of something only they can mend, whatever they chose about runs."""
    tell_members([m for m in members_of(workspace) if m.role == Role.OWNER], news)


@transaction.atomic
def tell_members(members: Iterable[Membership], news: News, *, by: User | None = None) -> None:
    """Tell these members in the app, and by e-mail those who chose so."""
    for member in members:
        if by is not None and member.user_id == by.pk:
            continue
        told = Notification.objects.create(
            user=member.user,
            workspace_id=member.workspace_id,
            tone=news.tone,
            title=_one_line(news.title)[:200],
            text=news.text[:TEXT_LIMIT],
            url=news.path[:300],
        )
        if wants_mail(member, news.tone):
            delivery = Delivery.objects.create(
                workspace_id=member.workspace_id, notification=told, event=news.event, max_attempts=TRIES
            )
            delivery.ring()


def wants_mail(member: Membership, tone: str) -> bool:
    """Whether this member chose to get a notification of this tone by e-mail too, and can."""
    if not mail.is_configured() or not member.user.email:
        return False
    chosen = choice_of(member).mail
    return chosen == Mail.ALL or (chosen == Mail.TROUBLE and tone in NEEDS_SOMEBODY)


def tell_webhooks(workspace: Workspace, news: News) -> None:
    """Queue the news for every webhook of the workspace that asked for it and is not paused."""
    hooks = [h for h in Webhook.objects.filter(workspace=workspace, active=True) if news.event in h.events]
    if hooks:
        payload = write_payload(workspace, news)
        for hook in hooks:
            queue(hook, event=news.event, payload=payload)


def queue(hook: Webhook, *, event: str, payload: Mapping[str, Any], tries: int = TRIES) -> Delivery:
    """A message to a webhook, announced to the workers once this transaction is committed."""
    delivery = Delivery.objects.create(
        workspace_id=hook.workspace_id, webhook=hook, event=event, payload=dict(payload), max_attempts=tries
    )
    delivery.ring()
    return delivery


def write_payload(workspace: Workspace, news: News) -> dict[str, Any]:
    """What a webhook is sent: docs/guides/webhooks.md describes every field."""
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "type": news.event,
        "timestamp": timezone.now().isoformat(),
        "workspace": {"slug": workspace.slug, "name": workspace.name},
        "text": _one_line(news.title),
        "details": news.text[:TEXT_LIMIT],
        "url": absolute(news.path),
        **news.facts,
    }


def absolute(path: str) -> str:
    """A page's address as somebody outside types it."""
    return settings.STUDIO_URL.rstrip("/") + path


def _one_line(text: str) -> str:
    return " ".join(text.split())


# --- reading ---------------------------------------------------------------------------------------------------------


def count_unread(user: Any, workspace: Workspace) -> int:
    """How many notifications of this workspace the user has not read."""
    return Notification.objects.filter(user=user, workspace=workspace, read_at__isnull=True).count()


def mark_read(user: Any, workspace: Workspace, *, pk: int | None = None) -> int:
    """Mark one notification read, or all of this workspace's. Returns how many were unread."""
    found = Notification.objects.filter(user=user, workspace=workspace, read_at__isnull=True)
    if pk is not None:
        found = found.filter(pk=pk)
    return found.update(read_at=timezone.now())


def settle_waiting(workspace: Workspace, *, path: str, below: bool = True) -> None:
    """Somebody decided, or nothing waits any more: what was told of waiting at ``path``, and below it, is news to nobody."""
    waiting = Notification.objects.filter(workspace=workspace, tone=Tone.WAITING, read_at__isnull=True)
    told = waiting.filter(url__startswith=path) if below else waiting.filter(url=path)
    told.update(read_at=timezone.now())


def forget_old() -> None:
    """Delete notifications that were read long ago (unread ones after a year) and deliveries that ended a month ago."""
    now = timezone.now()
    Notification.objects.filter(read_at__lt=now - KEEP_READ).delete()
    Notification.objects.filter(read_at__isnull=True, created_at__lt=now - KEEP_UNREAD).delete()
    Delivery.objects.filter(state__in=FINISHED, finished_at__lt=now - KEEP_DELIVERIES).delete()
