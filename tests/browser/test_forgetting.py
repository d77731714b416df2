"""A report that says what was forgotten, and how the student's other forms answer, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from evaluation.candidates.predictions import teacher_of
from evaluation.forgetting.document import build_document
from evaluation.models import Scorecard
from evaluation.report.document import Options
from studio.models import Workspace
from tests.browser.accessibility import find_faults
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, record_evaluation
from tests.evaluation.forgetting.test_document import FACTS
from tests.evaluation.forgetting.test_figures import result

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def card(workspace: Workspace, data_root: Path) -> Scorecard:
    """Sixty rows; merged weights that differ on two; a loss on one benchmark, and three others."""
    rows = make_rows([(LABELS[i % 3], LABELS[i % 3]) for i in range(60)], latency_ms=900.0, model="big")
    said = [row.reference_text if i % 10 else "cash" for i, row in enumerate(rows)]
    energy = {"joules": 1.84, "counted": ["processor", "memory"], "why": ""}
    student = make_candidate("student", said, energy=energy, peak_bytes=600 << 20)
    merged = replace(
        make_candidate("merged", ["cash" if i in (6, 33) else text for i, text in enumerate(said)], form_of="student"),
        kind="student",
        label="Student, merged",
        energy=energy,
    )
    small = replace(
        make_candidate("gguf_q4_0", [None if i == 3 else text for i, text in enumerate(said)], form_of="student"),
        kind="quantised",
        label="GGUF Q4_0",
    )
    base = {name: result([1, 1, 0, 1] * 100) for name in ("arc_easy", "hellaswag", "piqa", "own")}
    base["piqa"] = result([1, 0] * 40)
    ours = dict(base)
    ours["arc_easy"] = result([0, 1, 0, 1] * 20 + [1, 1, 0, 1] * 80)
    ours["hellaswag"] = result([1, 1, 0, 1] * 97 + [1, 0, 1, 1] * 3)
    ours["own"] = result([1, 1, 1, 1] * 8 + [1, 1, 0, 1] * 92)
    told = build_document(base, ours, margin=0.02, facts=FACTS | {"rows": 400}, notes=["3 rows were left out."])
    candidates = [teacher_of(rows), student, merged, small]
    return record_evaluation(workspace, rows, candidates, Options(labels=LABELS, forgotten=told))


def test_losses_are_named_and_differing_rows_lead_to_the_row(
    page: Page,
    live_server: Any,
    signed_in: User,
    card: Scorecard,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    page.goto(live_server.url + card.get_absolute_url())
    for width, height in ((1440, 900), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert find_faults(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.get_by_text("The student forgot part of ARC easy")).to_be_visible()
    table = page.get_by_role("table", name="Benchmarks of base model and student")
    expect(table.get_by_role("row", name="PIQA")).to_contain_text("no change shown")
    forms = page.get_by_role("table", name="Other forms of the student against its adapter")
    expect(forms.get_by_role("row", name="GGUF Q4_0")).to_contain_text("98.3 %")
    forms.get_by_role("link", name="34", exact=True).click()
    expect(page.get_by_text("question 33").locator("visible=true").first).to_be_visible()
    assert csp_violations == []
    assert page_errors == []
