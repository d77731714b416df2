"""Comments beside a step, and the bell, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from pipelines import subjects
from pipelines.building import drafts
from studio import comments
from studio.models import Comment, Workspace
from tests.browser.accessibility import find_faults
from tests.browser.test_pipeline_editor import SPEC

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_step_is_talked_about_in_its_panel_and_the_bell_leads_there(
    page: Page,
    live_server: Any,
    signed_in: User,
    reviewer: User,
    workspace: Workspace,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    pipeline = drafts.create(workspace, name="Bank", spec=SPEC, user=None)
    key = subjects.node_key(pipeline, "split")
    subject = subjects.find_node(workspace, key)
    assert subject is not None
    text = f"@{signed_in.username} why this seed?"
    comments.say(workspace, kind="node", key=key, subject=subject, text=text, by=reviewer)

    page.goto(f"{live_server.url}/w/lab/")
    bell = page.locator("#bell")
    expect(bell).to_contain_text("1")
    bell.click()
    notice = page.get_by_role("link", name="mentioned you in Bank, step split")
    expect(notice).to_be_visible()
    assert find_faults(page) == []
    notice.click()

    panel = page.locator("#panel .comments")
    expect(panel.locator(".comment.is-fresh")).to_contain_text("why this seed?")
    expect(page.locator("#bell .bell-count")).to_have_count(0)
    expect(page.locator(".cnode-comments")).to_have_text("1")
    panel.locator("summary", has_text="Answer").click()
    answer = panel.get_by_label("Your answer to")
    answer.press_sequentially("Ask @rev")
    page.get_by_role("option", name=reviewer.username).wait_for()
    answer.press("Enter")
    expect(answer).to_have_value(f"Ask @{reviewer.username} ")
    answer.press("Control+Enter")
    expect(panel.locator(".thread-answers .comment")).to_contain_text(f"Ask @{reviewer.username}")
    assert find_faults(page) == []

    draft = panel.get_by_label("Your comment", exact=True).last
    draft.fill("half written")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(draft).to_have_value("half written")
    panel.get_by_role("button", name="Resolve").click()
    expect(panel.get_by_text("1 resolved thread")).to_be_visible()
    expect(page.locator(".cnode-comments")).to_have_count(0)
    assert Comment.objects.filter(parent__isnull=True, resolved_by=signed_in).count() == 1
    assert csp_violations == []
    assert page_errors == []
