"""E-mail: notifications, and the link that confirms an address. Sent by Django's backend of STUDIO_EMAIL_URL, or not at all."""

from __future__ import annotations

import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from studio.lib.errors import StudioError
from studio.models import Membership, Notification

CONFIRM_SALT = "studio.mail.confirm"
CONFIRM_SECONDS = 24 * 3600


class MailRefused(StudioError):
    """The mail could not be handed over. ``retryable`` when another try may help by itself."""

    def __init__(self, message: str, *, action: str = "", retryable: bool = True) -> None:
        super().__init__(message, action=action)
        self.retryable = retryable


def is_configured() -> bool:
    """Whether this Studio sends e-mail at all."""
    return bool(settings.EMAIL_URL)


def describe_way() -> str:
    """How mails leave, in words without any secret."""
    if not settings.EMAIL_URL:
        return "This Studio sends no e-mail: STUDIO_EMAIL_URL is not set."
    url = urlsplit(settings.EMAIL_URL)
    if url.scheme == "consolemail":
        return "Mails are written into the io worker's log instead of being sent (STUDIO_EMAIL_URL is consolemail://)."
    where = f"through {url.hostname}" if url.hostname else f"by {url.scheme}"
    return f"Mails go out {where}, from {settings.DEFAULT_FROM_EMAIL}."


def send_notice(notification: Notification) -> bool:
    """Mail a notification to its person. False when there is nobody to send it to any more. Raises :class:`MailRefused`."""
    user, workspace = notification.user, notification.workspace
    still = Membership.objects.filter(user=user, workspace=workspace, user__is_active=True).exists()
    if not still or not user.email:
        return False
    root = settings.STUDIO_URL.rstrip("/")
    context = {
        "notice": notification,
        "workspace": workspace,
        "link": root + notification.url,
        "choices": root + reverse("notification_choices", args=[workspace.slug]),
    }
    _send(
        to=user.email,
        subject=f"[{workspace.name}] {notification.title}",
        template="studio/mail/notice",
        context=context,
    )
    return True


def send_confirmation(user: User, address: str) -> None:
    """Mail a link that makes ``address`` the user's. Raises :class:`MailRefused`."""
    token = signing.dumps([user.pk, address], salt=CONFIRM_SALT)
    link = settings.STUDIO_URL.rstrip("/") + reverse("email_confirm", args=[token])
    context = {"name": user.get_username(), "link": link}
    _send(to=address, subject="Confirm your address", template="studio/mail/confirm", context=context)


def read_confirmation(token: str) -> tuple[int, str] | None:
    """``(user id, address)`` of a link of :func:`send_confirmation` that is not older than a day, else None."""
    try:
        pk, address = signing.loads(token, salt=CONFIRM_SALT, max_age=CONFIRM_SECONDS)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return int(pk), str(address)


def _send(*, to: str, subject: str, template: str, context: dict[str, object]) -> None:
    message = EmailMultiAlternatives(
        subject=" ".join(subject.split())[:200],
        body=render_to_string(f"{template}.txt", context),
        to=[to],
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )
    message.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()), (550, b""))
        raise MailRefused(
            f"The mail server does not take mail for {to} ({code} {_words(said)}).",
            action="Correct the address under Settings, Notifications.",
            retryable=400 <= code < 500,
        ) from None
    except smtplib.SMTPAuthenticationError as error:
        raise MailRefused(
            f"The mail server refused the Studio's name or password ({error.smtp_code}).",
            action="Ask the operator to correct STUDIO_EMAIL_URL.",
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailRefused(
            f"The mail server did not take it: {_words(error)}.", action="Ask the operator to look at STUDIO_EMAIL_URL."
        ) from None


def _words(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:200] or type(said).__name__
