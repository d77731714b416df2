"""Every page of an empty workspace in a real browser: accessible, within the policy, and no wider than a phone."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from studio.models import Workspace
from tests.browser.accessibility import find_faults

pytestmark = pytest.mark.django_db(transaction=True)

PAGES = (
    "/w/lab/",
    "/w/lab/vault/",
    "/w/lab/vault/upload/",
    "/w/lab/pipelines/",
    "/w/lab/pipelines/new/",
    "/w/lab/runs/",
    "/w/lab/evaluations/",
    "/w/lab/models/",
    "/w/lab/review/",
    "/w/lab/settings/",
    "/w/lab/settings/keys/",
    "/w/lab/settings/audit/",
    "/account/password/",
    "/w/lab/no-such-page/",
)


def check(page: Page, url: str) -> list[str]:
    """What is wrong with the page at ``url``, in the size and theme it is shown in."""
    page.goto(url)
    faults = find_faults(page)
    if page.locator("h1").count() != 1:
        faults.append(f"{page.locator('h1').count()} first-level headings")
    if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
        faults.append("wider than the window")
    return faults


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_is_accessible_and_fits_when_nothing_is_there_yet(
    page: Page,
    live_server: Any,
    signed_in: User,
    workspace: Workspace,
    csp_violations: list[str],
    page_errors: list[str],
    theme: Any,
    width: int,
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {url: check(page, live_server.url + url) for url in PAGES}
    assert {url: faults for url, faults in found.items() if faults} == {}
    assert csp_violations == []
    assert page_errors == []


def test_the_way_in_is_accessible_and_tells_why_it_stays_shut(
    page: Page, live_server: Any, owner: User, csp_violations: list[str]
) -> None:
    assert check(page, f"{live_server.url}/sign-in/") == []
    assert check(page, f"{live_server.url}/sign-in/once/not-a-token/") == []
    page.goto(f"{live_server.url}/sign-in/")
    page.get_by_label("Username").fill(owner.username)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "correct username and password" in page.get_by_role("alert").inner_text()
    page.get_by_label("Password").fill("correct horse battery")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/w/lab/")
    assert csp_violations == []


@pytest.mark.parametrize("width", [1440, 390])
def test_the_keyboard_reaches_the_content_and_the_rail(
    page: Page, live_server: Any, signed_in: User, workspace: Workspace, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{live_server.url}/w/lab/runs/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/w/lab/models/")


def test_the_rail_collapses_to_named_icons_and_stays_so(
    page: Page, live_server: Any, signed_in: User, workspace: Workspace
) -> None:
    page.goto(f"{live_server.url}/w/lab/runs/")
    wide = page.locator(".rail").bounding_box()
    page.get_by_role("button", name="Collapse").click()
    page.reload()
    narrow = page.locator(".rail").bounding_box()
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] < wide["width"] / 3
    page.get_by_role("link", name="Models").click()
    page.wait_for_url("**/w/lab/models/")
    assert find_faults(page) == []
