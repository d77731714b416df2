"""A report with models asked over a network, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from playwright.sync_api import Page, expect

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.models import Scorecard
from evaluation.report.document import Options
from studio.models import Workspace
from tests.browser.accessibility import find_faults
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, record_evaluation
from vault.rows import Row

pytestmark = pytest.mark.django_db(transaction=True)


def outside(name: str, label: str, rows: list[Row], models: list[dict[str, Any]], *, wrong: int) -> Candidate:
    """A candidate asked over a network: wrong on every so-manieth row, once without an answer."""
    answers = {
        row.id: Prediction(
            row.id,
            text=None if i == 5 else "cash" if i % wrong == 0 else row.reference_text,
            latency_ms=400.0 + 7 * i,
            first_ms=180.0 + 3 * i,
            prompt_tokens=90,
            completion_tokens=12,
            error="The teacher refused to answer." if i == 5 else None,
        )
        for i, row in enumerate(rows)
    }
    source = {
        "teacher": "openai",
        "model": label,
        "temperature": None,
        "max_tokens": 512,
        "view": {"mode": "keep", "text": ""},
        "again": 1,
        "models": models,
        "first_at": "2026-03-02T10:00:00+00:00",
        "last_at": "2026-03-04T10:00:00+00:00",
        "own": 0,
    }
    usd = {row.id: 0.0004 for row in rows}
    return Candidate(
        name, label, "outside", answers, asked=frozenset(answers), usd_by_row=usd, cost_basis="paid", source=source
    )


@pytest.fixture
def card(workspace: Workspace, data_root: Path) -> Scorecard:
    """Sixty rows; the teacher asked again under a name that changed, and a model of another provider."""
    rows = make_rows(
        [(LABELS[i % 3], LABELS[i % 3]) if i % 7 else (LABELS[0], LABELS[i % 3]) for i in range(60)],
        latency_ms=900.0,
        model="gpt-5.4-2026-01-10",
    )
    student = make_candidate("student", [row.reference_text if i % 10 else "cash" for i, row in enumerate(rows)])
    changed = [
        {"model": "gpt-5.4-2026-02-20", "fingerprint": "fp_44709d6fcb", "rows": 41},
        {"model": "gpt-5.4-2026-03-03", "fingerprint": "fp_9aa1c02e11", "rows": 18},
    ]
    small = [{"model": "gpt-5.4-mini-2026-01-10", "fingerprint": "", "rows": 59}]
    others = [
        outside("outside_teacher_today", "gpt-5.4", rows, changed, wrong=8),
        outside("outside_gpt_5_4_mini", "gpt-5.4-mini", rows, small, wrong=4),
    ]
    return record_evaluation(workspace, rows, [teacher_of(rows), student, *others], Options(labels=LABELS))


def test_who_answered_stands_in_the_report_the_rows_and_the_leaderboard(
    page: Page,
    live_server: Any,
    signed_in: User,
    card: Scorecard,
    csp_violations: list[str],
    page_errors: list[str],
) -> None:
    rows = reverse("evaluation_rows", args=["lab", card.pk])
    for address in (
        card.get_absolute_url(),
        rows,
        f"{rows}?row=5",
        f"{reverse('evaluations_compare', args=['lab'])}?who=all",
    ):
        page.goto(live_server.url + address)
        name = "gpt 5 4 mini" if "who=" in address else "gpt-5.4-mini"
        expect(page.get_by_text(name).locator("visible=true").first).to_be_visible()
        for width, height in ((1440, 900), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
            assert find_faults(page) == []
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(live_server.url + card.get_absolute_url())
    table = page.get_by_role("table", name="Who answered to each name")
    expect(table).to_contain_text("gpt-5.4-2026-03-03")
    expect(page.get_by_text("is the teacher, asked again")).to_be_visible()
    assert csp_violations == []
    assert page_errors == []
