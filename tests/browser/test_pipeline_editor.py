"""The pipeline's page in a real browser: as a list of steps and as a canvas."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from playwright.sync_api import Page, expect

from pipelines.building import drafts
from pipelines.models import Pipeline
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
    page.get_by_role("button", name="List").click()
    assert find_faults(page) == []
    folds = page.locator(".panel .fold summary")
    for i in range(folds.count()):
        folds.nth(i).click()
    page.get_by_role("spinbutton", name="Seed").fill("99")
    page.get_by_role("link", name="Train a student").click()
    expect(page.locator(".panel h2")).to_have_text("Train a student")
    expect(page.locator("#id_seed")).not_to_have_value("99")
    expect(page.get_by_role("link", name="Train a student")).to_be_focused()
    assert page.url.endswith("?step=student")
    assert csp_violations == []
    assert page_errors == []


def node(page: Page, name: str) -> Any:
    return page.locator(f".react-flow__node[data-id='{name}']")


def wait_for_save(pipeline: Pipeline, revision: int, page: Page) -> None:
    """Until the draft has this revision in the database."""
    for _ in range(100):
        pipeline.refresh_from_db()
        if pipeline.revision >= revision:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"The draft is still at revision {pipeline.revision}.")


def ends(pipeline: Pipeline) -> set[str]:
    return {f"{edge['from']}>{edge['to']}" for edge in pipeline.draft["edges"]}


@pytest.fixture
def canvas(page: Page, live_server: Any, signed_in: User, workspace: Workspace) -> tuple[Page, Pipeline]:
    """A pipeline opened as a canvas."""
    pipeline = drafts.create(workspace, name="Bank", spec=SPEC, user=None)
    page.goto(f"{live_server.url}{pipeline.get_absolute_url()}")
    expect(node(page, "student")).to_be_visible()
    return page, pipeline


def test_a_step_is_added_by_keys_alone_and_taken_back(
    canvas: tuple[Page, Pipeline], csp_violations: list[str], page_errors: list[str]
) -> None:
    page, pipeline = canvas
    node(page, "data").click()
    expect(page.locator("#panel h2")).to_have_text("Dataset")
    page.keyboard.press("/")
    page.keyboard.type("exact dup")
    page.keyboard.press("Enter")
    expect(node(page, "dedupe_exact")).to_be_visible()
    expect(page.locator("#panel h2")).to_have_text("Remove exact duplicates")
    wait_for_save(pipeline, 2, page)
    assert "data.rows>dedupe_exact.rows" in ends(pipeline)
    assert pipeline.layout["nodes"].keys() == {"data", "split", "student", "dedupe_exact"}
    page.keyboard.press("Control+z")
    expect(node(page, "dedupe_exact")).to_have_count(0)
    wait_for_save(pipeline, 3, page)
    assert len(pipeline.draft["nodes"]) == 3
    page.keyboard.press("Control+Shift+z")
    expect(node(page, "dedupe_exact")).to_be_visible()
    assert csp_violations == []
    assert page_errors == []


def test_ports_connect_by_mouse_only_where_the_kinds_fit(canvas: tuple[Page, Pipeline]) -> None:
    page, pipeline = canvas
    node(page, "split").locator(".cport-source", has_text="validation").locator(".react-flow__handle").drag_to(
        node(page, "student").locator(".cport-target", has_text="validation").locator(".react-flow__handle")
    )
    wait_for_save(pipeline, 2, page)
    assert "split.validation>student.validation" in ends(pipeline)
    before = ends(pipeline)
    node(page, "student").locator(".cport-source").locator(".react-flow__handle").drag_to(
        node(page, "split").locator(".cport-target").locator(".react-flow__handle")
    )
    page.wait_for_timeout(700)
    pipeline.refresh_from_db()
    assert ends(pipeline) == before


def test_what_is_copied_is_text_that_another_pipeline_takes(
    canvas: tuple[Page, Pipeline], live_server: Any, workspace: Workspace
) -> None:
    page, _ = canvas
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    node(page, "data").click()
    node(page, "split").click(modifiers=["Shift"])
    page.keyboard.press("Control+c")
    other = drafts.create(workspace, name="Other", spec={"schema": 1, "nodes": [], "edges": []}, user=None)
    page.goto(f"{live_server.url}{other.get_absolute_url()}")
    expect(page.get_by_text("An empty pipeline.")).to_be_visible()
    page.keyboard.press("Control+v")
    expect(node(page, "split")).to_be_visible()
    wait_for_save(other, 2, page)
    assert ends(other) == {"data.rows>split.rows"}
    assert other.draft["nodes"][0]["params"] == {"dataset": "bank"}


def test_settings_saved_in_the_panel_are_on_the_canvas_and_can_be_taken_back(canvas: tuple[Page, Pipeline]) -> None:
    page, pipeline = canvas
    node(page, "split").click()
    page.get_by_role("spinbutton", name="Test share").fill("0.25")
    page.get_by_role("button", name="Save settings").click()
    expect(node(page, "split")).to_contain_text("0.25")
    page.locator(".canvas").focus()
    page.keyboard.press("Control+z")
    expect(node(page, "split")).not_to_contain_text("0.25")
    wait_for_save(pipeline, 3, page)
    assert pipeline.draft["nodes"][1]["params"] == {}


def test_what_another_saved_is_shown_and_never_overwritten_in_silence(canvas: tuple[Page, Pipeline]) -> None:
    page, pipeline = canvas
    theirs = drafts.with_params(pipeline.draft, "split", {"test": 0.3})
    drafts.save(pipeline, spec=theirs, revision=1)
    expect(node(page, "split")).to_contain_text("0.3", timeout=10_000)
    page.route("**/state.json*", lambda route: route.abort())
    drafts.save(pipeline, spec=drafts.with_params(pipeline.draft, "split", {"test": 0.4}), revision=2)
    node(page, "student").click()
    page.keyboard.press("Delete")
    expect(page.get_by_role("alert")).to_contain_text("Nothing is overwritten until you choose")
    pipeline.refresh_from_db()
    assert (pipeline.revision, len(pipeline.draft["nodes"])) == (3, 3)
    page.get_by_role("button", name="Show what was saved").click()
    expect(node(page, "split")).to_contain_text("0.4")
    expect(node(page, "student")).to_be_visible()
    page.locator(".canvas").focus()
    page.keyboard.press("Control+z")
    expect(node(page, "student")).to_have_count(0)


def test_a_reader_sees_the_canvas_and_changes_nothing(
    page: Page, live_server: Any, workspace: Workspace, viewer_client: Client
) -> None:
    pipeline = drafts.create(workspace, name="Bank", spec=SPEC, user=None)
    session = viewer_client.cookies["sessionid"].value
    page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
    page.goto(f"{live_server.url}{pipeline.get_absolute_url()}?step=split")
    expect(node(page, "split")).to_be_visible()
    expect(page.get_by_text("You can look, not change")).to_be_visible()
    expect(page.get_by_role("button", name="Add step")).to_have_count(0)
    node(page, "split").click()
    page.keyboard.press("Delete")
    expect(node(page, "split")).to_be_visible()
    assert find_faults(page) == []


def test_a_large_pipeline_is_a_picture_from_afar_and_boxes_from_near(
    page: Page,
    live_server: Any,
    signed_in: User,
    workspace: Workspace,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    nodes = [{"id": "data", "step": "dataset", "params": {"dataset": "x"}}]
    nodes += [{"id": f"n{n}", "step": "filter_length", "params": {"prompt_max": 9}} for n in range(160)]
    edges = [{"from": f"n{n - 1}.rows" if n else "data.rows", "to": f"n{n}.rows"} for n in range(160)]
    pipeline = drafts.create(workspace, name="Long", spec={"schema": 1, "nodes": nodes, "edges": edges}, user=None)
    pipeline.layout = {"nodes": {f"n{n}": [n % 16 * 304, n // 16 * 176] for n in range(160)} | {"data": [-304, 0]}}
    pipeline.save(update_fields=["layout"])
    page.goto(f"{live_server.url}{pipeline.get_absolute_url()}")
    expect(page.locator(".cfar")).to_be_visible()
    expect(page.locator(".react-flow__node")).to_have_count(0)
    assert find_faults(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel")).to_have_attribute("data-step", "data")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel")).to_have_attribute("data-step", "n0")
    page.keyboard.press("Enter")
    expect(node(page, "n0")).to_be_visible()
    expect(page.locator(".cfar")).to_have_count(0)
    assert page.locator(".react-flow__node").count() < 60
    # What is guessed of a box before it is drawn is what it measures.
    drawn = node(page, "n0").locator(".cnode").evaluate("(box) => [box.offsetWidth, box.offsetHeight]")
    assert drawn == [240, 89 + 18 + 2 * 22]
    page.keyboard.press("f")
    expect(page.locator(".cfar")).to_be_visible()
    page.get_by_role("button", name="List").click()
    expect(page.locator("#outline .node")).to_have_count(100)
    # The rest comes by itself when the end of the list is scrolled to.
    page.get_by_role("link", name="61 steps more").evaluate("(link) => link.scrollIntoView()")
    expect(page.locator("#outline .node")).to_have_count(161)
    page.locator("#to-n120").click()
    expect(page.locator("#to-n120")).to_have_attribute("aria-current", "true")
    expect(page.locator("#outline [aria-current]")).to_have_count(1)
    expect(page.locator("#outline .node")).to_have_count(161)
    assert find_faults(page) == []
    assert csp_violations == []
    assert page_errors == []
