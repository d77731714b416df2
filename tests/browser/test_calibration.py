"""Grading answers blind as a person does it, and the judge's figures in the report."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from evaluation.models import GoldenGrade, Scorecard
from tests.browser.accessibility import find_faults
from tests.evaluation.conftest import judge_params as judge_params
from tests.evaluation.conftest import judge_server as judge_server
from tests.evaluation.conftest import judged as judged
from tests.evaluation.conftest import start_judged as start_judged

pytestmark = [pytest.mark.django_db(transaction=True)]


def test_answers_are_graded_by_keys_and_undone(
    page: Page, live_server: Any, signed_in: Any, judged: Scorecard, csp_violations: list[str]
) -> None:
    page.goto(live_server.url + judged.get_absolute_url())
    expect(page.get_by_role("heading", name="Judged by claude-judge-2024-07-18")).to_be_visible()
    assert find_faults(page) == []
    page.get_by_role("link", name="Hold it against people").click()
    page.get_by_role("link", name="Grade the first answer").click()
    expect(page.get_by_text("0 / ")).to_be_visible()
    assert find_faults(page) == []
    for n, key in enumerate("52s4", start=1):
        page.keyboard.press(key)
        expect(page.get_by_text(f"{n} / ")).to_be_visible()
    page.keyboard.press("u")
    expect(page.get_by_text("3 / ")).to_be_visible()
    assert GoldenGrade.objects.filter(score__isnull=False).count() == 2
    page.goto(live_server.url + reverse("judge_calibration", args=["lab", judged.pk, 1]))
    expect(page.get_by_role("heading", name="People against judge")).to_be_visible()
    assert find_faults(page) == []
    assert csp_violations == []
