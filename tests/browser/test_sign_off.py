"""Signing a report and judging blind, as a person does it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from evaluation.blind import rounds
from evaluation.models import BlindTask, Scorecard, SignOff
from tests.browser.accessibility import find_faults
from tests.evaluation.blind.test_rounds import begin
from tests.evaluation.conftest import candidates as candidates
from tests.evaluation.conftest import held_out as held_out
from tests.evaluation.conftest import scorecard as scorecard

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_a_report_is_approved_and_the_approval_withdrawn(
    page: Page, live_server: Any, signed_in: User, reviewer: User, scorecard: Scorecard, csp_violations: list[str]
) -> None:
    page.goto(live_server.url + scorecard.get_absolute_url())
    box = page.locator("#sign-off")
    box.get_by_label("Comment").fill("Read all six rows.")
    box.get_by_role("button", name="Approve report").click()
    expect(page.locator("#sign-off .pill-approved")).to_be_visible()
    assert SignOff.objects.get().state == "approved"
    assert find_faults(page) == []
    box.get_by_role("button", name="Withdraw my decision").click()
    page.get_by_role("dialog").get_by_role("button", name="Withdraw").click()
    expect(page.locator("#sign-off .pill-open")).to_be_visible()
    assert csp_violations == []


def test_pairs_are_judged_by_keys_and_undone(
    page: Page, live_server: Any, signed_in: User, scorecard: Scorecard, csp_violations: list[str]
) -> None:
    review = begin(scorecard, [signed_in], signed_in)
    page.goto(f"{live_server.url}{review.get_absolute_url()}desk/")
    expect(page.get_by_text(f"0 / {review.differing}")).to_be_visible()
    assert find_faults(page) == []
    page.keyboard.press("1")
    expect(page.get_by_text(f"1 / {review.differing}")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text(f"0 / {review.differing}")).to_be_visible()
    for n, key in enumerate("2341"[: review.differing], start=1):
        page.keyboard.press(key)
        expect(page.get_by_text(f"{n} / {review.differing}")).to_be_visible()
    assert not BlindTask.objects.filter(choice="").exists() or review.differing > 4
    rounds.close(review, by=signed_in)
    page.goto(live_server.url + scorecard.get_absolute_url())
    expect(page.get_by_role("heading", name="Judged blind by people")).to_be_visible()
    assert csp_violations == []
