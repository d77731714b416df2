"""Headless Chromium as the system has it; every page is watched for violations of the content security policy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

# The browser's API runs an event loop in this thread, so that Django would refuse the database to the tests.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


# A busy machine may take longer than the usual five seconds to draw a page.
expect.set_options(timeout=20_000)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark browser tests, and skip them with the reason where there is no browser."""
    missing = find_chromium() is None
    for item in items:
        if "/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)
            if missing:
                reason = "Chromium is not installed; on Debian: apt-get install chromium"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """The system's Chromium; ``--no-sandbox`` because test machines often run as root."""
    return {"executable_path": find_chromium(), "args": ["--no-sandbox", "--disable-dev-shm-usage"]}


@pytest.fixture(scope="session")
def browser_context_args() -> dict[str, Any]:
    """A laptop's window; motion off, so that pictures and clicks do not wait for animations."""
    return {"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce"}


@pytest.fixture
def csp_violations(context: BrowserContext) -> list[str]:
    """Every violation of the content security policy seen on any page of this test."""
    seen: list[str] = []
    context.expose_function("reportViolation", lambda text: seen.append(text))
    context.add_init_script(
        "document.addEventListener('securitypolicyviolation',"
        " e => window.reportViolation(`${e.violatedDirective}: ${e.blockedURI} on ${location.pathname}`));"
    )
    return seen


@pytest.fixture
def page_errors(page: Page) -> list[str]:
    """Uncaught JavaScript errors of the page."""
    seen: list[str] = []
    page.on("pageerror", lambda error: seen.append(str(error)))
    return seen


@pytest.fixture
def signed_in(context: BrowserContext, live_server: Any, owner: User) -> Iterator[User]:
    """The browser has ``owner``'s session cookie for ``live_server``."""
    client = Client()
    client.force_login(owner)
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    yield owner
