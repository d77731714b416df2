"""Reports, rows and models in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.models import Scorecard
from evaluation.report.document import Options
from pipelines.models import StepOutput
from studio.models import Workspace
from tests.browser.accessibility import find_faults
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, make_step, publish_folder, record_evaluation

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = ((1440, 900), (390, 844))


@pytest.fixture
def card(workspace: Workspace, data_root: Path) -> Scorecard:
    """Sixty rows of three labels, a student that is wrong on every tenth, and a model exported from it."""
    rows = make_rows(
        [(LABELS[i % 3], LABELS[i % 3]) if i % 7 else (LABELS[0], LABELS[i % 3]) for i in range(60)], latency_ms=900.0
    )
    answers = {
        row.id: Prediction(
            row.id,
            text=row.reference_text if i % 10 else "cash",
            label=row.reference_text,
            confidence=0.5 + i / 130,
            latency_ms=40.0 + i,
        )
        for i, row in enumerate(rows)
    }
    base = make_candidate("base", [None if i % 20 == 3 else "card" for i in range(60)])
    student = Candidate("student", "Student", "student", answers, usd_per_row=0.00001, cost_basis="9 rows a second")
    card = record_evaluation(workspace, rows, [teacher_of(rows), base, student], Options(labels=LABELS))
    export = {
        "name": "cards",
        "files": [{"name": "cards-Q8_0.gguf", "type": "Q8_0", "parity": {"same": 60, "rows": 60}}],
    }
    files = {
        "cards-Q8_0.gguf": b"weights",
        "Modelfile": b"FROM x",
        "README.md": b"# Cards",
        "export.json": json.dumps(export).encode(),
    }
    model = publish_folder(workspace, "gguf", files, name="cards")
    step = make_step(
        card.step_run.run, "export_gguf", position=2, wiring={"student": {"node": "train", "port": "student"}}
    )
    StepOutput.objects.create(step_run=step, port="gguf", artifact=model)
    return card


@pytest.fixture
def check(page: Page, csp_violations: list[str], page_errors: list[str]) -> Callable[[], None]:
    """Nothing sticks out at any width, axe finds no fault, nothing was blocked and no script failed."""

    def look() -> None:
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert find_faults(page) == []
        page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
        assert csp_violations == []
        # The browser also reports a page transition that it skipped because the next page came at once.
        assert [error for error in page_errors if not error.startswith("Transition was")] == []

    return look


def test_from_the_list_to_the_report_to_the_wrong_rows(
    page: Page, live_server: Any, signed_in: User, card: Scorecard, check: Callable[[], None]
) -> None:
    page.goto(live_server.url + reverse("evaluations", args=["lab"]))
    check()
    page.get_by_role("link", name="Cards 1").click()
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("held-out rows")
    check()
    page.get_by_role("link", name="Rows", exact=True).last.click()
    expect(page.locator("thead [aria-sort]")).to_have_text("Rows")
    page.get_by_role("link", name="Read the rows").click()
    page.get_by_role("link", name="Student wrong", exact=False).first.click()
    expect(page.locator("#results tbody tr")).to_have_count(4)
    check()


def test_the_break_even_is_worked_out_with_ones_own_figures(
    page: Page, live_server: Any, signed_in: User, card: Scorecard, check: Callable[[], None]
) -> None:
    page.goto(live_server.url + card.get_absolute_url())
    page.get_by_role("link", name="Break-even").click()
    page.get_by_label("Traffic (answers a day)").fill("50000")
    page.get_by_label("Teacher's price (US$ for 1,000 answers)").fill("0.8")
    page.get_by_label("Student's machine (US$ a month)").fill("350")
    page.get_by_label("Teacher calls of the run (US$)").fill("900")
    page.get_by_role("button", name="Calculate").click()
    expect(page.get_by_role("region", name="Result")).to_contain_text("The student saves")
    expect(page.get_by_role("img", name="Spent in total", exact=False)).to_be_visible()
    assert "per_day=50000" in page.url
    check()


def test_the_search_filters_while_typing_and_a_row_opens_beside_the_list(
    page: Page, live_server: Any, signed_in: User, card: Scorecard, check: Callable[[], None]
) -> None:
    page.goto(live_server.url + reverse("evaluation_rows", args=["lab", card.pk]))
    search = page.get_by_label("Search questions and answers")
    search.press_sequentially("question 12")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(search).to_have_value("question 12")
    expect(search).to_be_focused()
    assert "q=question+12" in page.url
    page.get_by_role("link", name="question 12", exact=True).click()
    drawer = page.get_by_role("dialog", name="Row 13")
    expect(drawer).to_contain_text("Name the label.")
    assert "row=12" in page.url
    check()
    page.reload()
    expect(page.get_by_role("dialog", name="Row 13")).to_be_visible()
    page.get_by_label("Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert "row=" not in page.url


def test_the_keys_j_and_k_walk_through_the_rows(page: Page, live_server: Any, signed_in: User, card: Scorecard) -> None:
    page.goto(live_server.url + reverse("evaluation_rows", args=["lab", card.pk]) + "?row=4")
    page.keyboard.press("j")
    expect(page.get_by_role("dialog", name="Row 6")).to_be_visible()
    page.keyboard.press("k")
    expect(page.get_by_role("dialog", name="Row 5")).to_be_visible()


def test_a_model_is_looked_at_and_downloaded(
    page: Page, live_server: Any, signed_in: User, card: Scorecard, check: Callable[[], None]
) -> None:
    page.goto(live_server.url + reverse("models", args=["lab"]))
    check()
    page.get_by_role("link", name="cards", exact=True).click()
    expect(page.get_by_text("60 of 60 rows")).to_be_visible()
    check()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download Q8_0").click()
    assert download.value.suggested_filename == "cards-Q8_0.gguf"
    assert Path(download.value.path()).read_bytes() == b"weights"
