"""Webhooks of a workspace: their addresses and secrets, and how a message is signed and sent.

Signed as the Standard Webhooks specification says (https://www.standardwebhooks.com), so that receivers can use its libraries:
HMAC-SHA256 over ``id.timestamp.body`` with the secret's bytes, in the header ``webhook-signature`` as ``v1,<base64>``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import httpx2
from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from studio import audit, notices
from studio.jobs import State
from studio.lib.http import ForbiddenAddress, guarded_client
from studio.models import Delivery, Webhook, Workspace

PREFIX = "whsec_"
SECONDS = 10.0
"""A receiver has this long for everything: name, connection, answer."""
READ_BYTES = 2_000
"""So much of an answer that refuses is read, to show why."""
MOST = 20
"""Webhooks of one workspace."""


# --- keeping them ----------------------------------------------------------------------------------------------------


@transaction.atomic
def add(workspace: Workspace, *, url: str, events: Iterable[str], by: User) -> tuple[Webhook, str]:
    """A new webhook and its secret, which is not shown again."""
    secret = make_secret()
    hook = Webhook(workspace=workspace, url=url, events=list(events), created_by=by)
    hook.seal(secret)
    hook.save()
    audit.record(workspace, actor=by, verb="added the webhook", subject=hook.host, details={"events": hook.events})
    return hook, secret


@transaction.atomic
def change_events(hook: Webhook, *, events: Iterable[str], by: User) -> None:
    """Tell it of these events from now on."""
    hook.events = list(events)
    hook.save(update_fields=["events"])
    audit.record(
        hook.workspace, actor=by, verb="changed the webhook", subject=hook.host, details={"events": hook.events}
    )


@transaction.atomic
def renew_secret(hook: Webhook, *, by: User) -> str:
    """A new secret instead of the old one, from the next message on."""
    secret = make_secret()
    hook.seal(secret)
    hook.save(update_fields=["encrypted"])
    audit.record(hook.workspace, actor=by, verb="renewed the secret of the webhook", subject=hook.host)
    return secret


@transaction.atomic
def pause(hook: Webhook, *, by: User | None, because: str = "") -> None:
    """Send nothing more: what waits to be sent is dropped, what happens from now on is not queued."""
    Webhook.objects.filter(pk=hook.pk).update(active=False, paused_because=because[:200])
    for delivery in hook.deliveries.filter(state=State.PENDING):
        delivery.request_cancel()
    audit.record(hook.workspace, actor=by or "studio", verb="paused the webhook", subject=hook.host)


@transaction.atomic
def resume(hook: Webhook, *, by: User) -> None:
    """Send to it again what happens from now on."""
    Webhook.objects.filter(pk=hook.pk).update(active=True, paused_because="", failing_since=None, warned_at=None)
    audit.record(hook.workspace, actor=by, verb="resumed the webhook", subject=hook.host)


@transaction.atomic
def remove(hook: Webhook, *, by: User) -> None:
    """Forget it, with everything that was sent there."""
    audit.record(hook.workspace, actor=by, verb="removed the webhook", subject=hook.host)
    hook.delete()


def send_test(hook: Webhook, *, by: User) -> Delivery:
    """Queue a test message, tried once. It is sent to a paused webhook too."""
    news = notices.News(
        event=notices.TEST_EVENT,
        tone="",
        title="A test from Distill Studio",
        text=f"{by.get_username()} pressed the button.",
        path=f"/w/{hook.workspace.slug}/settings/webhooks/{hook.pk}/",
    )
    payload = notices.write_payload(hook.workspace, news)
    return notices.queue(hook, event=notices.TEST_EVENT, payload=payload, tries=1)


def redeliver(delivery: Delivery) -> Delivery:
    """Queue the same message once more, under the same id."""
    assert delivery.webhook is not None
    return notices.queue(delivery.webhook, event=delivery.event, payload=delivery.payload)


# --- signing and sending ---------------------------------------------------------------------------------------------


def make_secret() -> str:
    """A new secret: a prefix and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, *, id: str, timestamp: int, body: bytes) -> str:
    """The signature header's value for one message."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join([id.encode(), str(timestamp).encode(), body])
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class Answer(NamedTuple):
    """What came of one try. ``status`` is None when there was no answer; ``error`` is blank when it was taken."""

    status: int | None
    milliseconds: int
    error: str
    final: bool
    """Whether another try can't help by itself."""


def send(hook: Webhook, payload: Mapping[str, Any], *, now: int | None = None) -> Answer:
    """Send one message and say what came of it: never raises for what the receiver or the network does."""
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    stamp = int(timezone.now().timestamp()) if now is None else now
    headers = {
        "content-type": "application/json",
        "user-agent": "DistillStudio-Webhooks/1",
        "webhook-id": str(payload["id"]),
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(hook.reveal(), id=str(payload["id"]), timestamp=stamp, body=body),
    }
    begun = time.monotonic()
    try:
        status, words = asyncio.run(_post(hook.url, body=body, headers=headers))
    except ForbiddenAddress as error:
        return Answer(None, _since(begun), f"{error} {error.action}", True)
    except TimeoutError:
        return Answer(None, _since(begun), f"It did not answer within {SECONDS:.0f} s.", False)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return Answer(
            None, _since(begun), f"It could not be reached: {_one_line(str(error)) or type(error).__name__}", False
        )
    return Answer(status, _since(begun), judge(status, words), status == 410)


async def _post(url: str, *, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
    async with asyncio.timeout(SECONDS):
        client = guarded_client(
            allowed_hosts=settings.ALLOWED_HOSTS_OUT, headers=headers, timeout=SECONDS, max_connections=1
        )
        async with client, client.stream("POST", url, content=body) as response:
            if response.is_success:
                return response.status_code, ""
            read = b""
            # Raw: a small answer that unpacks to a large one is not unpacked.
            async for part in response.aiter_raw():
                read += part
                if len(read) >= READ_BYTES:
                    break
            plain = "content-encoding" not in response.headers
            return response.status_code, read[:READ_BYTES].decode("utf-8", "replace") if plain else ""


def judge(status: int, words: str) -> str:
    """What is wrong with an answer, or blank when the message was taken."""
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}, a redirect, which is not followed: enter the address it leads to."
    if status == 410:
        return "It answered 410: nobody listens there any more."
    said = _one_line(words)[:200]
    return f"It answered {status}: {said}" if said else f"It answered {status}."


def _since(begun: float) -> int:
    return round((time.monotonic() - begun) * 1000)


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
