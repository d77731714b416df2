"""The pipeline's page in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from pipelines import drafts
from studio.models import Workspace
from tests.browser.accessibility import find_faults

pytestmark = pytest.mark.django_db(transaction=True)

SPEC = {
    "schema": 1,
    "nodes": [
        {"id": "data", "step": "dataset", "params": {"dataset": "bank"}},
        {"id": "split", "step": "split", "params": {}},
        {"id": "student", "step": "train", "params": {}},
    ],
    "edges": [{"from": "data.rows", "to": "split.rows"}, {"from": "split.train", "to": "student.train"}],
}


def test_what_was_typed_for_one_step_never_shows_up_in_another(
    page: Page,
    live_server: Any,
    signed_in: User,
    workspace: Workspace,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    pipeline = drafts.create(workspace, name="Bank", spec=SPEC, user=None)
    page.goto(f"{live_server.url}{pipeline.get_absolute_url()}?step=split")
    assert find_faults(page) == []
    folds = page.locator(".panel summary")
    for i in range(folds.count()):
        folds.nth(i).click()
    page.get_by_label("Seed").fill("99")
    page.get_by_role("link", name="Train a student").click()
    expect(page.locator(".panel h2")).to_have_text("Train a student")
    expect(page.locator("#id_seed")).not_to_have_value("99")
    expect(page.get_by_role("link", name="Train a student")).to_be_focused()
    assert page.url.endswith("?step=student")
    assert csp_violations == []
    assert page_errors == []
