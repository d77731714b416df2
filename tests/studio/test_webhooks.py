"""The pages of webhooks; what is sent is in test_deliveries."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from studio import notices, webhooks
from studio.jobs import State
from studio.models import AuditEvent, Delivery, Webhook, Workspace
from tests.studio.test_notices import news

URL = "https://hooks.example.org/in"


@pytest.fixture
def client(owner: User, sign_in: Callable[[User], Client]) -> Client:
    """Signed in as an owner."""
    return sign_in(owner)


@pytest.fixture
def hook(workspace: Workspace, owner: User) -> Webhook:
    return webhooks.add(workspace, url=URL, events=["run.failed"], by=owner)[0]


def address(name: str, *args: object) -> str:
    return reverse(name, args=["lab", *args])


def test_an_owner_adds_a_webhook_and_sees_its_secret_once(client: Client, workspace: Workspace) -> None:
    assert "No webhooks yet" in client.get(address("webhooks")).text
    answer = client.post(address("webhooks"), {"url": URL, "events": ["run.failed", "run.waiting"]})
    [secret] = set(re.findall(r"whsec_[A-Za-z0-9+/=]+", answer.text))
    hook = Webhook.objects.get(workspace=workspace)
    assert hook.reveal() == secret and secret.encode() not in bytes(hook.encrypted)
    assert hook.events == ["run.failed", "run.waiting"]
    for page in (client.get(address("webhooks")), client.get(address("webhook", hook.pk))):
        assert URL in page.text and "whsec_" not in page.text
    assert not AuditEvent.objects.filter(details__icontains="whsec").exists()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "not an http or https URL"),
        ("ftp://host/x", "not an http or https URL"),
        ("https://me:pw@host/x", "user name or password"),
        ("http://hooks.example.org/in", "Use https"),
        ("https://127.0.0.1/x", "not a public address"),
        ("https://localhost/x", "not a public address"),
        ("https://169.254.169.254/latest", "not a public address"),
        ("https://[::1]/x", "not a public address"),
        ("https://[::ffff:10.0.0.1]/x", "not a public address"),
        ("", "required"),
    ],
)
def test_an_address_that_may_not_be_reached_is_refused(client: Client, url: str, words: str) -> None:
    page = client.post(address("webhooks"), {"url": url, "events": ["run.failed"]})
    assert page.status_code == 422
    assert words in page.text
    assert not Webhook.objects.exists()


def test_a_host_that_the_operator_opened_may_use_http(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS_OUT = ["10.0.0.5:9000"]
    client.post(address("webhooks"), {"url": "http://10.0.0.5:9000/in", "events": ["run.failed"]})
    assert Webhook.objects.get().url == "http://10.0.0.5:9000/in"


def test_no_event_an_unknown_event_a_second_one_and_too_many_are_refused(
    client: Client, workspace: Workspace, hook: Webhook
) -> None:
    other = "https://other.example.org"
    assert "at least one event" in client.post(address("webhooks"), {"url": other}).text
    assert client.post(address("webhooks"), {"url": other, "events": ["run.exploded"]}).status_code == 422
    assert "already" in client.post(address("webhooks"), {"url": URL, "events": ["run.failed"]}).text
    for number in range(webhooks.MOST - 1):
        Webhook.objects.create(workspace=workspace, url=f"https://host/{number}", encrypted=b"x")
    assert "remove one" in client.post(address("webhooks"), {"url": other, "events": ["run.failed"]}).text
    assert Webhook.objects.count() == webhooks.MOST


def test_the_path_of_an_address_is_shown_to_owners_alone(
    client: Client, viewer_client: Client, workspace: Workspace, owner: User, hook: Webhook
) -> None:
    secret = webhooks.add(workspace, url="https://chat.example.org/T0/SECRETPATH", events=["run.failed"], by=owner)[0]
    assert "SECRETPATH" in client.get(address("webhook", secret.pk)).text
    notices.tell(workspace, news())
    job = Delivery.claim(secret.deliveries.get().pk)
    assert job is not None and str(job) == "run.failed to chat.example.org"
    assert "SECRETPATH" not in viewer_client.get(address("workers")).text
    assert not AuditEvent.objects.filter(subject__contains="SECRETPATH").exists()


def test_only_owners_see_and_change_webhooks(
    editor_client: Client, stranger_client: Client, hook: Webhook, workspace: Workspace
) -> None:
    notices.tell(workspace, news())
    delivery = Delivery.objects.get()
    pages = [address("webhooks"), address("webhook", hook.pk)]
    names = ("webhook_events", "webhook_test", "webhook_secret", "webhook_pause", "webhook_remove")
    posts = [address(name, hook.pk) for name in names] + [address("webhook_redeliver", hook.pk, delivery.pk)]
    for client, status in ((editor_client, 403), (stranger_client, 404)):
        for path in pages:
            assert client.get(path).status_code == status
        for path in [address("webhooks"), *posts]:
            assert client.post(path).status_code == status
    assert Webhook.objects.count() == Delivery.objects.count() == 1


def test_a_webhook_of_another_workspace_is_not_found(client: Client, other_workspace: Workspace) -> None:
    theirs = Webhook.objects.create(workspace=other_workspace, url=URL, encrypted=b"x")
    assert client.get(address("webhook", theirs.pk)).status_code == 404
    assert client.post(address("webhook_remove", theirs.pk)).status_code == 404


def test_a_test_and_a_delivery_are_queued_and_shown(client: Client, hook: Webhook, workspace: Workspace) -> None:
    assert client.post(address("webhook_test", hook.pk)).status_code == 302
    queued = Delivery.objects.get()
    assert (queued.event, queued.max_attempts) == ("webhook.test", 1)
    page = client.get(address("webhook", hook.pk))
    assert "A test" in page.text and 'hx-trigger="every 2s"' in page.text
    Delivery.objects.update(
        state=State.FAILED,
        finished_at=queued.created_at,
        error="It answered 500.",
        tries=[{"at": "2026-11-26T20:00:00+00:00", "status": 500, "milliseconds": 12, "error": "It answered 500."}],
    )
    page = client.get(address("webhook", hook.pk), headers={"HX-Request": "true"})
    assert "<html" not in page.text
    assert "Given up" in page.text and "It answered 500." in page.text and "every 2s" not in page.text
    assert client.post(address("webhook_redeliver", hook.pk, queued.pk)).status_code == 302
    assert Delivery.objects.count() == 2
    assert "It answered 500." in client.get(address("webhook", hook.pk) + "?show=failed").text


def test_a_paused_webhook_is_resumed_and_sends_nothing_again_meanwhile(
    client: Client, hook: Webhook, workspace: Workspace
) -> None:
    notices.tell(workspace, news())
    client.post(address("webhook_pause", hook.pk))
    delivery = Delivery.objects.get()
    assert delivery.state == State.CANCELLED
    notices.tell(workspace, news())
    page = client.post(address("webhook_redeliver", hook.pk, delivery.pk), follow=True)
    assert "resume it first" in page.text and "Paused" in page.text
    assert Delivery.objects.count() == 1
    client.post(address("webhook_pause", hook.pk), {"back": "1"})
    hook.refresh_from_db()
    assert hook.active


def test_events_secret_and_the_webhook_itself_can_be_changed(client: Client, hook: Webhook) -> None:
    old = hook.reveal()
    client.post(address("webhook_events", hook.pk), {"events": ["run.waiting"]})
    assert client.post(address("webhook_events", hook.pk), {}).status_code == 422
    answer = client.post(address("webhook_secret", hook.pk))
    hook.refresh_from_db()
    assert hook.events == ["run.waiting"]
    assert hook.reveal() != old and hook.reveal() in answer.text
    assert client.post(address("webhook_remove", hook.pk)).status_code == 302
    assert not Webhook.objects.exists()
    verbs = list(AuditEvent.objects.values_list("verb", flat=True))
    assert verbs[-3:] == ["changed the webhook", "renewed the secret of the webhook", "removed the webhook"]
