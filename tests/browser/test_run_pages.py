"""A run in a real browser while it goes on: its boxes change in place, nothing the reader does is disturbed, and all of it is accessible."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from pipelines.building import drafts
from pipelines.models import MetricPoint, Run, StepRun
from pipelines.running import attempts, runs
from pipelines.running.context import log_path
from studio.jobs import State
from studio.models import Workspace
from studio.registries import STEPS
from tests.browser.accessibility import find_faults
from tests.pipelines.toys import TABLE, chain

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def going(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose first step is done and whose second is under way, with a curve and a log."""
    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **TABLE})
    pipeline = drafts.create(workspace, name="Toy", spec=chain(), user=None)
    run = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    StepRun.claim(run.steps.get(node="make").pk)
    run.steps.filter(node="make").update(
        state=State.SUCCEEDED,
        finished_at=timezone.now(),
        summary={"rows_in": 1180, "rows_kept": 1112},
        lease_until=None,
    )
    runs.advance(run.pk)
    say = StepRun.claim(run.steps.get(node="say").pk)
    assert say is not None
    say.write(progress_done=20, progress_total=100, progress_unit="rows")
    MetricPoint.objects.bulk_create(MetricPoint(step_run=say, name="loss", at=i, value=3 / i) for i in range(1, 30))
    log_path(say.pk).parent.mkdir(parents=True, exist_ok=True)
    log_path(say.pk).write_text("".join(f"2026-03-01T10:00:00.000Z  line {i}\n" for i in range(1, 301)))
    return run


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_every_page_of_a_run_is_accessible_and_fits(
    page: Page, live_server: Any, signed_in: User, going: Run, csp_violations: list[str], page_errors: list[str],
    theme: Any, width: int,
) -> None:  # fmt: skip
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    base = f"{live_server.url}/w/lab/runs/"
    second = runs.start_run(going.version, user=None)
    names = [
        "", f"{going.number}/", f"{going.number}/?view=list", f"{going.number}/logs/", f"{going.number}/metrics/", f"{going.number}/data/",
        f"{going.number}/spec/", f"{going.number}/steps/say/", f"{going.number}/steps/say/log/?q=line",
        f"compare/?run={going.number}&run={second.number}",
    ]  # fmt: skip
    found = {}
    for name in names:
        page.goto(base + name)
        faults = find_faults(page)
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            faults.append("wider than the window")
        found[name] = faults
    assert {name: faults for name, faults in found.items() if faults} == {}
    assert csp_violations == []
    assert page_errors == []


def test_a_poll_changes_the_boxes_and_leaves_the_reader_alone(
    page: Page, live_server: Any, signed_in: User, going: Run, csp_violations: list[str], page_errors: list[str]
) -> None:
    page.goto(f"{live_server.url}/w/lab/runs/{going.number}/")
    box = page.locator("#box-say")
    expect(box).to_contain_text("20 / 100 rows")
    expect(page.locator("#box-make")).to_contain_text("kept")
    page.locator("#timeline-table summary").click()
    page.evaluate("scrollTo(0, 100)")
    StepRun.objects.filter(run=going, node="say").update(progress_done=70)
    expect(box).to_contain_text("70 / 100 rows")
    assert page.evaluate("scrollY") == 100
    assert page.locator("#timeline-table").evaluate("element => element.open")
    # The step opens over the run, at an address of its own, and the keyboard closes it again.
    box.locator("a").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Answer")).to_be_visible()
    page.wait_for_url("**/steps/say/")
    assert find_faults(page) == []
    page.keyboard.press("Escape")
    page.wait_for_url(f"**/runs/{going.number}/")
    say = StepRun.objects.get(run=going, node="say")
    say.finish(State.FAILED, error="It broke.", action="Mend it.")
    runs.advance(going.pk)
    expect(page.locator("#box-say")).to_contain_text("Failed")
    expect(page.locator("#run")).not_to_have_attribute("hx-trigger", "every 2s")
    assert attempts.list_attempts(going)[-1].outcome == "failed"
    assert csp_violations == []
    assert page_errors == []


def test_a_log_grows_at_its_end_and_stays_where_it_is_read(
    page: Page, live_server: Any, signed_in: User, going: Run, csp_violations: list[str], page_errors: list[str]
) -> None:
    page.goto(f"{live_server.url}/w/lab/runs/{going.number}/steps/say/log/")
    log = page.locator("log-view")
    expect(log).to_contain_text("line 300")
    path = log_path(StepRun.objects.get(run=going, node="say").pk)

    def write(text: str) -> None:
        with path.open("a") as out:
            out.write(f"2026-03-01T10:00:01.000Z  {text}\n")

    write("the end comes into sight")
    line = page.get_by_text("the end comes into sight")
    expect(line).to_be_in_viewport()
    log.evaluate("element => { element.scrollTop = 40; }")
    write("this one waits below")
    expect(page.get_by_text("this one waits below")).to_be_attached()
    assert log.evaluate("element => element.scrollTop") == 40
    assert csp_violations == []
    assert page_errors == []


@pytest.mark.parametrize("width", [390, 1440])
def test_the_menu_of_a_run_opens_inside_the_window(
    page: Page, live_server: Any, signed_in: User, going: Run, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(reduced_motion="reduce")
    page.goto(f"{live_server.url}/w/lab/runs/{going.number}/")
    page.locator("main details.menu > summary").first.click()
    item = page.locator("main details.menu[open] .menu-list")
    expect(item).to_be_visible()
    box = item.bounding_box()
    assert box is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
