"""The home page in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from pipelines.models import MetricPoint, StepRun
from studio import audit
from studio.jobs import State
from studio.models import Workspace
from tests.browser.accessibility import find_faults
from tests.evaluation.views.test_home import make_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_sample_runs_live_beside_what_waits(
    page: Page,
    live_server: Any,
    signed_in: User,
    workspace: Workspace,
    csp_violations: list[str],
    page_errors: list[str],
    theme: Any,
    width: int,
) -> None:
    run = make_run(workspace, 1, {"generate": State.SUCCEEDED, "train": State.RUNNING}, state=State.RUNNING)
    train = run.steps.get(node="train")
    for at in range(1, 30):
        MetricPoint.objects.create(step_run=train, name="loss", at=at, value=2 / at)
    make_run(workspace, 2, {"generate": State.WAITING}, state=State.WAITING, name="Other")
    audit.record(workspace, actor="studio", verb="seeded the sample project", subject="workspace lab")
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.goto(f"{live_server.url}/w/lab/")
    expect(page.locator("metric-chart canvas")).to_be_visible()
    expect(page.get_by_role("heading", name="Waits for you")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert find_faults(page) == []
    canvas = page.locator("metric-chart canvas").element_handle()
    StepRun.objects.filter(pk=train.pk).update(progress_done=7)
    expect(page.get_by_text("7 / 10")).to_be_visible()
    assert canvas is not None
    assert canvas.evaluate("canvas => canvas.isConnected"), "a poll must not draw the curve anew"
    page.get_by_role("link", name="Hide the tour").click()
    expect(page.get_by_role("heading", name="The sample project, step by step")).to_have_count(0)
    assert csp_violations == []
    assert page_errors == []


def test_a_poll_leaves_an_open_menu_open(page: Page, live_server: Any, signed_in: User, workspace: Workspace) -> None:
    make_run(workspace, 1, {"train": State.RUNNING}, state=State.RUNNING)
    page.goto(f"{live_server.url}/w/lab/")
    menu = page.locator("#activity details")
    menu.locator("summary").click()
    page.wait_for_timeout(5500)
    expect(menu).to_have_attribute("open", "")
    expect(menu.get_by_text("All runs")).to_be_visible()


def test_a_poll_that_brings_nothing_new_is_not_sent_again_and_one_that_does_is_shown(
    page: Page, live_server: Any, signed_in: User, workspace: Workspace
) -> None:
    run = make_run(workspace, 1, {"generate": State.WAITING}, state=State.WAITING)
    answers: list[int] = []
    page.on("response", lambda r: answers.append(r.status) if r.url.endswith("/activity/") else None)
    page.goto(f"{live_server.url}/w/lab/")
    expect(page.locator("#review-count")).to_have_text("1")
    with page.expect_response(lambda r: r.url.endswith("/activity/") and r.status == 304):
        pass
    run.steps.update(state=State.CANCELLED, finished_at=run.created_at)
    expect(page.locator("#review-count")).to_have_text("", timeout=8000)
    assert answers[0] == 200
    assert 304 in answers
