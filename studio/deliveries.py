"""One attempt of one delivery: claim, send, and either done, tried again later, or given up with a word to the owners."""

from __future__ import annotations

import traceback
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from studio import mail, notices, webhooks
from studio.jobs import State
from studio.lib.errors import LeaseLost, StudioError
from studio.models import Delivery, Notification, Webhook

log = structlog.get_logger(__name__)

DELAYS = tuple(timedelta(seconds=s) for s in (10, 60, 300, 1_800, 3_600, 7_200, 14_400))
"""Between the tries: given up after the eighth, seven and a half hours after the first."""
PAUSE_AFTER = timedelta(days=3)
"""A webhook that took nothing for so long is paused when the next message to it is given up."""
KEPT_TRIES = 10


def run(pk: Any) -> None:
    """Send it if it is there to be sent. Safe to call twice, or by two workers: one of them claims it."""
    delivery = Delivery.claim(pk)
    if delivery is None:
        return
    try:
        _attempt(delivery)
    except LeaseLost:
        log.warning("another worker has this delivery", delivery=str(pk))


def _attempt(delivery: Delivery) -> None:
    try:
        if delivery.webhook is not None:
            _to_webhook(delivery, delivery.webhook)
        elif delivery.notification is not None:
            _by_mail(delivery, delivery.notification)
    except LeaseLost:
        raise
    except StudioError as error:
        delivery.finish(State.FAILED, error=str(error), action=error.action)
    except Exception:  # The one place where a bug in sending becomes a failed job with its trace.
        log.exception("a delivery failed by a fault of the Studio", delivery=str(delivery.pk))
        delivery.finish(
            State.FAILED, error="A fault in the Studio stopped this delivery.", trace=traceback.format_exc()
        )


def _to_webhook(delivery: Delivery, hook: Webhook) -> None:
    if not hook.active and delivery.event != notices.TEST_EVENT:
        delivery.finish(State.CANCELLED, error="The webhook was paused meanwhile.")
        return
    answer = webhooks.send(hook, delivery.payload)
    tried = {
        "at": timezone.now().isoformat(),
        "status": answer.status,
        "milliseconds": answer.milliseconds,
        "error": answer.error,
    }
    hooks = Webhook.objects.filter(pk=hook.pk)
    with transaction.atomic():
        delivery.write(tries=[*delivery.tries, tried][-KEPT_TRIES:])
        if not answer.error:
            delivery.finish(State.SUCCEEDED)
            hooks.update(failing_since=None, warned_at=None)
            return
        hooks.filter(failing_since__isnull=True).update(failing_since=timezone.now())
        given_up = _again_or_give_up(delivery, error=answer.error, final=answer.final)
        if given_up and delivery.event != notices.TEST_EVENT:
            _warn(hook, delivery, gone=answer.status == 410)


def _by_mail(delivery: Delivery, notification: Notification) -> None:
    try:
        sent = mail.send_notice(notification)
    except mail.MailRefused as error:
        _again_or_give_up(delivery, error=str(error), action=error.action, final=not error.retryable)
        return
    if sent:
        delivery.finish(State.SUCCEEDED)
    else:
        delivery.finish(State.CANCELLED, error="The person has no address any more, or is no longer a member.")


def _again_or_give_up(delivery: Delivery, *, error: str, final: bool, action: str = "") -> bool:
    """Set it back to be tried later, or end it. Whether it was given up."""
    if not final and delivery.attempt < delivery.max_attempts:
        delivery.release(error=error, action=action, delay=DELAYS[min(delivery.attempt, len(DELAYS)) - 1])
        return False
    delivery.finish(State.FAILED, error=error, action=action)
    return True


def _warn(hook: Webhook, delivery: Delivery, *, gone: bool) -> None:
    """Pause a webhook that is gone or was silent for days; tell the owners, once until it takes something again."""
    hook.refresh_from_db()
    silent = hook.failing_since is not None and hook.failing_since < timezone.now() - PAUSE_AFTER
    if hook.active and (gone or silent):
        webhooks.pause(hook, by=None, because=delivery.error)
        outcome = "It is paused: nothing more is sent there until an owner resumes it."
    elif Webhook.objects.filter(pk=hook.pk, warned_at__isnull=True).update(warned_at=timezone.now()):
        outcome = (
            "What happens next is still sent there. Mend the receiver, then send this message again from its page."
        )
    else:
        return
    news = notices.News(
        event="webhook.failed",
        tone=Notification.Tone.FAILED,
        title=f"A message to the webhook at {hook.host} was given up",
        text=f"{delivery.event}, tried {_times(delivery.attempt)}. {delivery.error} {outcome}",
        path=f"/w/{hook.workspace.slug}/settings/webhooks/{hook.pk}/",
    )
    notices.tell_owners(hook.workspace, news)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
