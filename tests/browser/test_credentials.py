"""Provider keys in a real browser: store one, try it against a real server, remove it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect
from pytest_django.fixtures import Settings

from studio.models import ProviderCredential
from tests.browser.accessibility import find_faults
from tests.servers.chat import ChatServer, running_chat_server

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "sk-live-0123456789-abcdef"


@pytest.fixture
def server(settings: Settings) -> Iterator[ChatServer]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server(key=SECRET) as running:
        yield running


def test_store_a_key_try_it_and_remove_it(
    page: Page,
    live_server: Any,
    signed_in: User,
    server: ChatServer,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    page.goto(f"{live_server.url}/w/lab/settings/keys/")
    expect(page.get_by_text("No keys yet")).to_be_visible()
    assert find_faults(page) == []
    page.get_by_label("Name").fill("team")
    page.get_by_label("Provider", exact=True).select_option("openai_compatible")
    page.get_by_label("Address").fill(f"{server.url}/v1")
    page.get_by_label("API key").fill(SECRET)
    page.get_by_role("button", name="Store").click()
    expect(page.get_by_text("The key 'team' is stored")).to_be_visible()
    expect(page.get_by_role("rowheader", name="team")).to_be_visible()
    assert SECRET not in page.content()

    page.get_by_role("button", name="Test team").click()
    expect(page.locator("#trial")).to_contain_text("The key 'team' works")
    expect(page.locator("#trial")).to_contain_text("small")
    server.key = "another"
    page.get_by_role("button", name="Test team").click()
    expect(page.locator("#trial")).to_contain_text("does not work")
    expect(page.locator("#trial")).to_contain_text("401")
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert find_faults(page) == []

    page.set_viewport_size({"width": 1440, "height": 900})
    page.get_by_role("row", name="team").get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("No keys yet")).to_be_visible()
    assert not ProviderCredential.objects.exists()
    assert csp_violations == []
    assert page_errors == []
