"""Messages on their way out: a real receiver on loopback, mails in Django's outbox."""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone
from pytest_django.fixtures import Settings

from studio import deliveries, jobs, mail, notices, reaping, webhooks
from studio.jobs import State
from studio.models import AuditEvent, Delivery, Notification, Webhook, Workspace
from tests.servers.hooks import Receiver, Reply, running_receiver
from tests.studio.test_notices import choose, news

GUIDE = Path(__file__).resolve().parents[2] / "docs/guides/webhooks.md"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_receiver() as running:
        yield running


@pytest.fixture
def hook(workspace: Workspace, owner: User, receiver: Receiver) -> Webhook:
    return webhooks.add(workspace, url=f"{receiver.url}/in", events=notices.EVENTS, by=owner)[0]


def tell(workspace: Workspace, **changes: Any) -> Delivery:
    notices.tell(workspace, news(**changes))
    return Delivery.objects.filter(webhook__isnull=False).latest("created_at")


def send(delivery: Delivery) -> Delivery:
    """One attempt, now."""
    Delivery.objects.filter(pk=delivery.pk).update(not_before=None)
    deliveries.run(delivery.pk)
    return Delivery.objects.get(pk=delivery.pk)


def documented_verify() -> Any:
    """The function of the guide, as a reader would copy it."""
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.S)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verify"]


def test_a_receiver_gets_a_signed_message_that_the_guides_example_verifies(
    workspace: Workspace, hook: Webhook, receiver: Receiver
) -> None:
    delivery = send(tell(workspace, title="Lauf 1 „größer“ failed"))
    assert delivery.state == State.SUCCEEDED
    [got] = receiver.got
    assert got.path == "/in"
    assert json.loads(got.body) == delivery.payload
    assert "größer" in got.body.decode()
    assert got.headers["content-type"] == "application/json"
    assert got.headers["webhook-id"] == delivery.payload["id"]
    verify, secret = documented_verify(), hook.reveal()
    assert verify(secret, got.headers, got.body)
    assert not verify(secret, got.headers, got.body + b" ")
    assert not verify(webhooks.make_secret(), got.headers, got.body)
    old = {**got.headers, "webhook-timestamp": str(int(got.headers["webhook-timestamp"]) - 600)}
    assert not verify(secret, old, got.body)
    [tried] = delivery.tries
    assert (tried["status"], tried["error"]) == (204, "")


def test_the_signature_is_that_of_the_specification() -> None:
    signature = webhooks.sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_refused_message_is_tried_again_later_and_later_and_then_given_up(
    workspace: Workspace, hook: Webhook, receiver: Receiver, owner: User
) -> None:
    receiver.default = Reply(status=500, body=b"out of\norder")
    delivery, waits = tell(workspace), []
    for _ in range(notices.TRIES):
        delivery = send(delivery)
        if delivery.not_before:
            waits.append(delivery.not_before - timezone.now())
        assert "500: out of order" in delivery.error
    assert delivery.state == State.FAILED
    assert len(receiver.got) == len(delivery.tries) == notices.TRIES
    assert len({got.headers["webhook-id"] for got in receiver.got}) == 1
    assert waits == sorted(waits) and len(waits) == notices.TRIES - 1
    assert waits[0] < timedelta(seconds=11) and timedelta(hours=3.9) < waits[-1] < timedelta(hours=4.1)
    notice = Notification.objects.get(user=owner)
    assert "given up" in notice.title and "tried 8 times" in notice.text
    assert notice.url.endswith(f"/settings/webhooks/{hook.pk}/")


def test_owners_are_told_once_until_a_message_is_taken_again(
    workspace: Workspace, hook: Webhook, receiver: Receiver, owner: User
) -> None:
    def give_up() -> None:
        delivery = tell(workspace)
        Delivery.objects.filter(pk=delivery.pk).update(max_attempts=1)
        assert send(delivery).state == State.FAILED

    receiver.default = Reply(status=503)
    give_up()
    give_up()
    assert Notification.objects.filter(user=owner).count() == 1
    receiver.default = Reply()
    assert send(tell(workspace)).state == State.SUCCEEDED
    hook.refresh_from_db()
    assert hook.failing_since is None
    receiver.default = Reply(status=503)
    give_up()
    assert Notification.objects.filter(user=owner).count() == 2


def test_a_webhook_that_took_nothing_for_days_is_paused(
    workspace: Workspace, hook: Webhook, receiver: Receiver, owner: User
) -> None:
    receiver.default = Reply(status=503)
    Webhook.objects.update(failing_since=timezone.now() - timedelta(days=4), warned_at=timezone.now())
    waiting, last = tell(workspace), tell(workspace)
    Delivery.objects.filter(pk=last.pk).update(max_attempts=1)
    assert send(last).state == State.FAILED
    hook.refresh_from_db()
    assert not hook.active and "503" in hook.paused_because
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED
    assert "It is paused" in Notification.objects.get(user=owner).text
    assert AuditEvent.objects.filter(actor="studio", verb="paused the webhook").count() == 1


def test_a_receiver_that_is_gone_is_paused_at_once(workspace: Workspace, hook: Webhook, receiver: Receiver) -> None:
    receiver.default = Reply(status=410)
    assert send(tell(workspace)).state == State.FAILED
    hook.refresh_from_db()
    assert not hook.active
    assert len(receiver.got) == 1


def test_a_redirect_is_not_followed(workspace: Workspace, hook: Webhook, receiver: Receiver) -> None:
    receiver.default = Reply(status=302, headers={"Location": f"{receiver.url}/elsewhere"})
    delivery = send(tell(workspace))
    assert delivery.state == State.PENDING
    assert "redirect" in delivery.error
    assert [got.path for got in receiver.got] == ["/in"]


@pytest.mark.parametrize(
    "reply",
    [Reply(delay=30), Reply(status=500, drip=0.05), Reply(drop=True)],
    ids=["answers never", "answers without end", "hangs up"],
)
def test_a_receiver_that_misbehaves_costs_a_bounded_time_and_is_tried_again(
    workspace: Workspace, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, reply: Reply
) -> None:
    monkeypatch.setattr(webhooks, "SECONDS", 0.5)
    receiver.default = reply
    delivery = send(tell(workspace))
    assert delivery.state == State.PENDING
    assert "did not answer" in delivery.error or "could not be reached" in delivery.error
    assert delivery.tries[0]["milliseconds"] < 5_000


def test_only_the_beginning_of_a_large_answer_is_read(workspace: Workspace, hook: Webhook, receiver: Receiver) -> None:
    receiver.default = Reply(status=400, body=b"no " * 2_000_000)
    delivery = send(tell(workspace))
    assert delivery.error.startswith("It answered 400: no no")
    assert len(delivery.error) < 300


def test_a_private_host_is_refused_without_another_try(
    workspace: Workspace, hook: Webhook, receiver: Receiver, settings: Settings, owner: User
) -> None:
    settings.ALLOWED_HOSTS_OUT = []
    delivery = send(tell(workspace))
    assert delivery.state == State.FAILED
    assert "not a public address" in delivery.error and "STUDIO_ALLOWED_HOSTS_OUT" in delivery.error
    assert receiver.got == []
    assert Notification.objects.filter(user=owner).count() == 1


def test_a_paused_webhook_gets_nothing_but_a_test(
    workspace: Workspace, hook: Webhook, receiver: Receiver, owner: User
) -> None:
    delivery = tell(workspace)
    Webhook.objects.update(active=False)
    assert send(delivery).state == State.CANCELLED
    assert receiver.got == []
    assert send(webhooks.send_test(hook, by=owner)).state == State.SUCCEEDED
    assert json.loads(receiver.got[0].body)["type"] == "webhook.test"


def test_a_test_that_fails_is_not_tried_again_and_alarms_nobody(
    workspace: Workspace, hook: Webhook, receiver: Receiver, owner: User
) -> None:
    receiver.default = Reply(status=500)
    assert send(webhooks.send_test(hook, by=owner)).state == State.FAILED
    assert not Notification.objects.exists()


def test_a_message_sent_again_keeps_its_id_and_content(workspace: Workspace, hook: Webhook, receiver: Receiver) -> None:
    first = send(tell(workspace))
    again = send(webhooks.redeliver(first))
    assert again.pk != first.pk and again.state == State.SUCCEEDED
    assert receiver.got[0].body == receiver.got[1].body
    assert receiver.got[0].headers["webhook-id"] == receiver.got[1].headers["webhook-id"]


def test_a_secret_that_no_key_opens_fails_with_what_to_do(workspace: Workspace, hook: Webhook) -> None:
    Webhook.objects.update(encrypted=b"not a token")
    delivery = send(tell(workspace))
    assert delivery.state == State.FAILED
    assert "can't be decrypted" in delivery.error and delivery.action


def test_a_delivery_is_sent_by_one_worker_and_taken_back_from_a_dead_one(
    workspace: Workspace, hook: Webhook, receiver: Receiver
) -> None:
    delivery = tell(workspace)
    claimed = Delivery.claim(delivery.pk)
    assert claimed is not None
    deliveries.run(delivery.pk)
    assert receiver.got == []
    Delivery.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    reaping.reap(Delivery)
    assert send(delivery).state == State.SUCCEEDED
    with pytest.raises(jobs.LeaseLost):
        claimed.finish(State.FAILED)


# --- e-mail ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mailed(workspace: Workspace, editor: User, settings: Settings) -> Delivery:
    """A queued mail to the editor."""
    settings.EMAIL_URL = "smtp://mail.example.org"
    settings.STUDIO_URL = "https://studio.example.org"
    User.objects.filter(pk=editor.pk).update(email="ed@example.org")
    choose(editor, mail="all")
    notices.tell(workspace, news(owner=editor.pk, title="Run 1 of A & B\nfailed", text="<b>401</b>\n\nCheck the key."))
    return Delivery.objects.get()


def test_a_mail_says_what_happened_as_text_and_as_html(
    mailed: Delivery, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    assert send(mailed).state == State.SUCCEEDED
    [message] = mailoutbox
    assert message.to == ["ed@example.org"]
    assert message.subject == "[Lab] Run 1 of A & B failed"
    assert "<b>401</b>\n\nCheck the key." in message.body
    assert "https://studio.example.org/w/lab/runs/1/" in message.body
    assert "https://studio.example.org/w/lab/settings/notifications/" in message.body
    [alternative] = message.alternatives
    assert "&lt;b&gt;401&lt;/b&gt;" in str(alternative[0]) and "A &amp; B" in str(alternative[0])
    assert "<img" not in str(alternative[0])
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"


def test_somebody_who_left_or_has_no_address_gets_no_mail(
    mailed: Delivery, editor: User, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    User.objects.filter(pk=editor.pk).update(email="")
    assert send(mailed).state == State.CANCELLED
    assert mailoutbox == []


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), State.PENDING, "did not take it"),
        (smtplib.SMTPServerDisconnected("gone"), State.PENDING, "gone"),
        (smtplib.SMTPAuthenticationError(535, b"hunter2 is wrong"), State.PENDING, "refused the Studio's name"),
        (smtplib.SMTPRecipientsRefused({"x": (550, b"no such user")}), State.FAILED, "no such user"),
        (smtplib.SMTPRecipientsRefused({"x": (450, b"full")}), State.PENDING, "full"),
    ],
)
def test_a_mail_that_was_not_taken_is_tried_again_unless_that_is_hopeless(
    mailed: Delivery, monkeypatch: pytest.MonkeyPatch, error: Exception, state: State, words: str
) -> None:
    def fail(self: EmailMultiAlternatives, fail_silently: bool = False) -> int:
        raise error

    monkeypatch.setattr(EmailMultiAlternatives, "send", fail)
    delivery = send(mailed)
    assert delivery.state == state
    assert words in delivery.error and "hunter2" not in delivery.error and delivery.action


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "sends no e-mail"),
        ("consolemail://", "log"),
        ("smtp+tls://me:secret@mail.example.org:587", "through mail.example.org"),
    ],
)
def test_the_way_of_mails_is_told_without_secrets(settings: Settings, url: str, words: str) -> None:
    settings.EMAIL_URL = url
    assert words in mail.describe_way()
    assert "secret" not in mail.describe_way()
