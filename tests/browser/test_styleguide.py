"""The style guide in a real browser: every part, both themes, a desk's screen and a phone's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.accessibility import find_faults

pytestmark = pytest.mark.django_db(transaction=True)

SCREENS = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture
def guide(page: Page, live_server: Any, signed_in: User) -> Page:
    """The page, loaded."""
    page.goto(f"{live_server.url}/styleguide/")
    return page


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_part_is_accessible_fits_and_breaks_no_policy(
    guide: Page, csp_violations: list[str], page_errors: list[str], theme: str, screen: str, tmp_path: Path
) -> None:
    guide.set_viewport_size(SCREENS[screen])  # type: ignore[arg-type]
    guide.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    guide.reload()
    expect(guide.locator("metric-chart canvas")).to_be_visible()
    picture = guide.screenshot(full_page=True, path=tmp_path / f"styleguide-{theme}-{screen}.png")
    assert len(picture) > 100_000
    assert guide.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert find_faults(guide) == []
    assert csp_violations == []
    assert page_errors == []


def test_the_theme_is_kept_by_a_cookie_that_the_server_reads(guide: Page) -> None:
    guide.locator(".rail-foot summary").click()
    guide.locator(".rail [data-theme-set=dark]").click()
    expect(guide.locator("html")).to_have_attribute("data-theme", "dark")
    guide.reload()
    expect(guide.locator("html")).to_have_attribute("data-theme", "dark")
    assert guide.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_the_palette_opens_by_keyboard_and_goes_where_it_is_told(guide: Page) -> None:
    guide.keyboard.press("Control+k")
    field = guide.get_by_role("combobox", name="Search or run a command")
    expect(field).to_be_focused()
    field.fill("vault")
    expect(guide.locator("#palette [aria-selected=true]")).to_contain_text("Vault")
    guide.keyboard.press("Enter")
    guide.wait_for_url("**/vault/")


def test_the_drawer_has_its_own_address_takes_the_focus_and_gives_it_back(guide: Page, live_server: Any) -> None:
    opener = guide.get_by_role("link", name="Open a drawer")
    opener.click()
    panel = guide.get_by_role("dialog", name="Row 12")
    expect(panel).to_be_focused()
    assert guide.url == f"{live_server.url}/styleguide/drawer/"
    assert find_faults(guide, within="#drawer") == []
    guide.keyboard.press("Escape")
    expect(panel).to_have_count(0)
    expect(opener).to_be_focused()
    assert guide.url == f"{live_server.url}/styleguide/"


def test_the_drawer_opens_as_a_page_without_script(browser: Any, live_server: Any, guide: Page) -> None:
    context = browser.new_context(java_script_enabled=False, storage_state=guide.context.storage_state())
    page = context.new_page()
    page.goto(f"{live_server.url}/styleguide/drawer/")
    expect(page.get_by_role("dialog", name="Row 12")).to_be_visible()
    page.get_by_role("link", name="Close", exact=True).click()
    assert page.url == f"{live_server.url}/styleguide/"
    context.close()


def test_a_destructive_action_asks_and_does_nothing_on_no(guide: Page) -> None:
    guide.get_by_role("button", name="Cancel run").click()
    dialog = guide.get_by_role("dialog", name="Cancel this run?")
    expect(dialog).to_be_visible()
    dialog.get_by_role("button", name="Keep as it is").click()
    expect(dialog).to_be_hidden()
    assert "?" not in guide.url
    guide.get_by_role("button", name="Cancel run").click()
    dialog.get_by_role("button", name="Cancel run").click()
    guide.wait_for_url("**/styleguide/?")


def test_a_menu_opens_with_the_keyboard_and_closes_with_escape(guide: Page) -> None:
    menu = guide.locator("details.menu", has=guide.get_by_label("More actions")).first
    menu.locator("summary").focus()
    guide.keyboard.press("Enter")
    guide.keyboard.press("ArrowDown")
    expect(menu.get_by_text("Duplicate")).to_be_focused()
    guide.keyboard.press("Escape")
    expect(menu.get_by_text("Duplicate")).to_be_hidden()
    expect(menu.locator("summary")).to_be_focused()


def test_copying_puts_the_code_on_the_clipboard_and_says_so(guide: Page) -> None:
    guide.context.grant_permissions(["clipboard-read", "clipboard-write"])
    block = guide.locator("copy-block", has_text="ollama create").last
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("status")).to_have_text("Copied")
    assert guide.evaluate("navigator.clipboard.readText()").startswith("ollama create bank-categories")


def test_the_curve_has_a_table_of_its_numbers(guide: Page) -> None:
    chart = guide.locator("metric-chart")
    chart.get_by_text("As a table").click()
    expect(chart.get_by_role("row")).to_have_count(121)
    expect(chart.get_by_role("columnheader")).to_have_text(["step", "Training", "Held out"])


def test_the_page_loads_less_than_two_hundred_kilobytes_of_script(
    page: Page, live_server: Any, signed_in: User
) -> None:
    sizes: list[int] = []
    page.on("response", lambda r: sizes.append(len(r.body())) if r.request.resource_type == "script" else None)
    page.goto(f"{live_server.url}/styleguide/")
    expect(page.locator("metric-chart canvas")).to_be_visible()
    assert 0 < sum(sizes) < 200_000
