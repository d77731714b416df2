"""A review by the keyboard in a real browser: verdicts, undo, a lost network, and the pages' width and accessibility."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.accessibility import find_faults
from vault import ingest
from vault.models import ReviewRound, ReviewTask
from vault.reviewing import rounds


@pytest.fixture
def review(workspace: Any, owner: User, editor: User, tmp_path: Path) -> ReviewRound:
    """Eight short answers, all of them for the signed-in person."""
    path = tmp_path / "tickets.csv"
    lines = [f"Question {n},{'card_arrival' if n % 2 else 'top_up'}" for n in range(1, 9)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    params = {"prompt": "{text}", "completion": "label"}
    version = ingest.import_file(path, workspace=workspace, name="Tickets", params=params)
    return rounds.start(version, title="", order="rows", query="", rows=8, per_row=1, people=[owner], by=owner)


def said(review: ReviewRound) -> list[tuple[int, str]]:
    """What the server has, by position."""
    return list(
        ReviewTask.objects.filter(item__round=review).exclude(answer="").values_list("item__position", "answer")
    )


def expect_row(page: Page, number: int) -> None:
    expect(page.locator(".desk-row .message-user .message-text")).to_have_text(f"Question {number}")
    # A row must have been there for a moment before it can be judged.
    page.wait_for_timeout(300)


@pytest.mark.django_db(transaction=True)
def test_a_reviewer_works_by_the_keyboard(
    page: Page,
    live_server: Any,
    signed_in: User,
    review: ReviewRound,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    desk = f"{live_server.url}{review.get_absolute_url()}desk/"
    page.goto(desk)
    expect_row(page, 1)
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("Accept the row")
    page.keyboard.press("Escape")

    page.keyboard.press("a")
    page.keyboard.press("a")
    expect_row(page, 2)
    page.keyboard.press("t")
    page.keyboard.type("odd, a")
    page.keyboard.press("Enter")
    page.keyboard.press("r")
    expect_row(page, 3)
    page.keyboard.press("e")
    expect(page.get_by_label("The answer as it should be")).to_be_focused()
    page.keyboard.type("top_up")
    page.keyboard.press("Enter")
    expect_row(page, 4)
    page.keyboard.press("s")
    expect_row(page, 5)
    expect(page.locator("[data-desk-count]")).to_have_text("4 / 8")
    assert said(review) == [(1, "accept"), (2, "reject"), (3, "edit"), (4, "skip")]
    task = ReviewTask.objects.get(item__position=3)
    assert task.text == "top_up" and ReviewTask.objects.get(item__position=2).tags == ["odd", "a"]

    page.keyboard.press("u")
    expect_row(page, 4)
    page.keyboard.press("u")
    expect_row(page, 3)
    expect(page).to_have_url(f"{desk}?at=3")
    assert said(review) == [(1, "accept"), (2, "reject")]
    page.get_by_role("button", name="Reject").click()
    expect_row(page, 4)
    for number in (5, 6, 7, 8):
        page.keyboard.press("a")
        expect_row(page, number)
    page.keyboard.press("a")
    expect(page.get_by_role("main")).to_contain_text("All your rows are judged")
    assert len(said(review)) == 8
    assert csp_violations == [] and page_errors == []


@pytest.mark.django_db(transaction=True)
def test_a_verdict_without_network_is_kept_and_sent_later(
    page: Page, context: BrowserContext, live_server: Any, signed_in: User, review: ReviewRound
) -> None:
    page.goto(f"{live_server.url}{review.get_absolute_url()}desk/")
    expect_row(page, 1)
    context.set_offline(True)
    page.keyboard.press("r")
    expect_row(page, 2)
    expect(page.locator("[data-desk-unsaved]")).to_contain_text("1 verdict not saved yet")
    assert said(review) == []
    page.close()
    context.set_offline(False)
    again = context.new_page()
    again.goto(f"{live_server.url}{review.get_absolute_url()}desk/")
    expect(again.locator("[data-desk-count]")).to_have_text("1 / 8")
    assert said(review) == [(1, "reject")]


@pytest.mark.django_db(transaction=True)
def test_a_second_tab_is_told_what_the_first_one_said(
    page: Page, context: BrowserContext, live_server: Any, signed_in: User, review: ReviewRound
) -> None:
    desk = f"{live_server.url}{review.get_absolute_url()}desk/?at=1"
    other = context.new_page()
    for tab in (page, other):
        tab.goto(desk)
        expect_row(tab, 1)
    page.keyboard.press("a")
    expect(page.locator("[data-desk-count]")).to_have_text("1 / 8")
    other.keyboard.press("r")
    expect(other.locator("#toasts")).to_contain_text("You changed this row in another tab: it is accepted there.")
    expect(other.locator(".desk-facts")).to_contain_text("You said: accepted")
    assert said(review) == [(1, "accept")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 1440])
def test_every_page_of_a_review_fits_the_window_and_is_accessible(
    page: Page, live_server: Any, signed_in: User, review: ReviewRound, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    root = f"{live_server.url}{review.get_absolute_url()}"
    for path in (
        f"{live_server.url}/w/lab/vault/datasets/tickets/v1/review/",
        root,
        f"{root}desk/",
        f"{root}?tab=differences",
    ):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert find_faults(page) == [], path
