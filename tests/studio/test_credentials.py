"""The page of provider keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from studio.models import AuditEvent, ProviderCredential, Workspace
from tests.servers.chat import ChatServer, running_chat_server

SECRET = "sk-live-0123456789-abcdef"


@pytest.fixture
def server(settings: Settings) -> Iterator[ChatServer]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server() as running:
        yield running


@pytest.fixture
def key(workspace: Workspace, server: ChatServer) -> ProviderCredential:
    """A stored key for an OpenAI-compatible server."""
    credential = ProviderCredential(
        workspace=workspace, name="team", provider="openai_compatible", base_url=f"{server.url}/v1"
    )
    credential.seal(SECRET)
    credential.save()
    return credential


def address(name: str = "credentials", key: ProviderCredential | None = None) -> str:
    return reverse(name, args=["lab", key.pk] if key else ["lab"])


def test_an_editor_stores_a_key_and_it_is_never_shown_again(
    workspace: Workspace, editor_client: Client, data_root: Path
) -> None:
    answer = editor_client.post(address(), {"name": "team", "provider": "openai", "secret": SECRET})
    assert answer.status_code == 302
    stored = ProviderCredential.objects.get(workspace=workspace)
    assert stored.reveal() == SECRET
    assert SECRET.encode() not in bytes(stored.encrypted)
    page = editor_client.get(address())
    assert "team" in page.text
    assert "ends in" in page.text
    assert "cdef" in page.text
    assert SECRET not in page.text
    event = AuditEvent.objects.get(verb="added the key")
    assert SECRET not in str(event.details)


def test_bad_input_is_shown_and_the_key_is_not_sent_back(workspace: Workspace, editor_client: Client) -> None:
    for wrong, text in (
        ({"name": "two words", "provider": "openai", "secret": SECRET}, "valid"),
        ({"name": "a", "provider": "nobody", "secret": SECRET}, "nobody is not one of the available choices"),
        ({"name": "a", "provider": "recorded", "secret": SECRET}, "recorded is not one of the available choices"),
        ({"name": "a", "provider": "openai", "secret": "two words"}, "not an API key"),
        ({"name": "a", "provider": "openai", "secret": "line\nbreak"}, "not an API key"),
        ({"name": "a", "provider": "openai", "secret": ""}, "required"),
    ):
        page = editor_client.post(address(), wrong)
        assert page.status_code == 422
        assert text in page.text
        assert SECRET not in page.text
    assert not ProviderCredential.objects.exists()


def test_a_name_is_given_once(editor_client: Client, key: ProviderCredential) -> None:
    page = editor_client.post(address(), {"name": "team", "provider": "openai", "secret": SECRET})
    assert page.status_code == 422
    assert "already" in page.text


def test_without_keys_the_page_says_what_to_do_first(workspace: Workspace, editor_client: Client) -> None:
    assert "No keys yet" in editor_client.get(address()).text


def test_a_key_is_removed(editor_client: Client, key: ProviderCredential) -> None:
    assert editor_client.post(address("credential_remove", key)).status_code == 302
    assert not ProviderCredential.objects.exists()
    assert AuditEvent.objects.filter(verb="removed the key", subject="team").exists()


def test_a_working_key_shows_what_it_may_use(
    editor_client: Client, key: ProviderCredential, server: ChatServer
) -> None:
    server.key = SECRET
    page = editor_client.post(address("credential_test", key))
    assert "works" in page.text
    assert "small" in page.text
    assert "No keys yet" not in page.text
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_htmx_gets_only_the_verdict(editor_client: Client, key: ProviderCredential, server: ChatServer) -> None:
    page = editor_client.post(address("credential_test", key), headers={"HX-Request": "true"})
    assert 'id="trial"' in page.text
    assert "<html" not in page.text


def test_a_wrong_key_says_so_and_does_not_leak(
    editor_client: Client, key: ProviderCredential, server: ChatServer
) -> None:
    server.key = "another"
    page = editor_client.post(address("credential_test", key))
    assert "does not work" in page.text
    assert "401" in page.text
    assert SECRET not in page.text


FORBIDDEN = [
    ("http://169.254.169.254/latest/meta-data", "not a public address"),
    ("http://127.0.0.1:6379", "not a public address"),
    ("file:///etc/passwd", "not an http or https URL"),
]


@pytest.mark.parametrize(("base_url", "text"), [*FORBIDDEN, ("", "needs its address")])
def test_a_forbidden_or_missing_address_is_refused_by_the_form(
    base_url: str, text: str, editor_client: Client, workspace: Workspace, settings: Settings
) -> None:
    settings.ALLOWED_HOSTS_OUT = []
    given = {"name": "a", "provider": "openai_compatible", "base_url": base_url, "secret": SECRET}
    page = editor_client.post(address(), given)
    assert page.status_code == 422
    assert text in page.text
    assert not ProviderCredential.objects.exists()


@pytest.mark.parametrize(("base_url", "text"), FORBIDDEN)
def test_a_test_reaches_no_forbidden_place(
    base_url: str, text: str, editor_client: Client, key: ProviderCredential, settings: Settings
) -> None:
    """The operator may have closed an address after the key was stored."""
    settings.ALLOWED_HOSTS_OUT = []
    ProviderCredential.objects.update(base_url=base_url)
    page = editor_client.post(address("credential_test", key))
    assert "does not work" in page.text
    assert text in page.text


def test_a_redirecting_server_gets_no_second_request(
    editor_client: Client, key: ProviderCredential, server: ChatServer
) -> None:
    ProviderCredential.objects.update(base_url=f"{server.url}/redirect")
    assert "redirects are not followed" in editor_client.post(address("credential_test", key)).text


@pytest.mark.parametrize("name", ["credentials", "credential_test", "credential_remove"])
def test_strangers_find_nothing_and_viewers_may_not(
    name: str,
    key: ProviderCredential,
    stranger_client: Client,
    viewer_client: Client,
    reviewer: User,
    sign_in: Callable[[User], Client],
) -> None:
    where = address(name, None if name == "credentials" else key)
    assert stranger_client.post(where).status_code == 404
    assert viewer_client.post(where).status_code == 403
    assert sign_in(reviewer).post(where).status_code == 403
    assert ProviderCredential.objects.count() == 1


def test_a_key_of_another_workspace_is_not_found(
    editor_client: Client, workspace: Workspace, other_workspace: Workspace
) -> None:
    theirs = ProviderCredential(workspace=other_workspace, name="theirs", provider="openai")
    theirs.seal(SECRET)
    theirs.save()
    assert editor_client.post(address("credential_test", theirs)).status_code == 404
    assert editor_client.post(address("credential_remove", theirs)).status_code == 404
