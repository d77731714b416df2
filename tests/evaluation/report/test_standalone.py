"""The report as one file: everything inside, nothing asked for, no script, and it says how many rows it holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from django.contrib.auth.models import User
from django.utils.html import escape

from evaluation.candidates.predictions import Candidate, teacher_of
from evaluation.models import Scorecard
from evaluation.report import standalone
from evaluation.report.document import Options
from studio.models import Workspace
from studio.templatetags.ui import thin
from tests.evaluation.conftest import LABELS, make_candidate, make_rows, record_evaluation
from tests.evaluation.signoff.conftest import say
from vault.rows import Row, assistant


def test_the_file_holds_verdict_figures_matrix_and_rows(scorecard: Scorecard) -> None:
    html = standalone.render_file(scorecard)
    assert html.index(scorecard.verdict.split(":")[0]) < html.index("Quality, speed and price")
    for text in (
        "Cards 1",
        "Confusion matrix",
        "question 5",
        "All 6 rows.",
        "Too long for the model.",
        scorecard.report.sha256,
    ):
        assert text in html


def test_the_file_asks_nobody_for_anything_and_runs_nothing(scorecard: Scorecard) -> None:
    html = standalone.render_file(scorecard)
    assert "<script" not in html
    assert "<link" not in html
    assert "@import" not in html
    assert "@font-face" not in html
    assert re.findall(r"url\((?!#)[^)]*\)", html) == []
    assert re.findall(r'(?:src|href|action)="(?!#)[^"]*"', html) == []
    assert "data-theme=dark" in html or "prefers-color-scheme" in html


def test_a_limit_on_rows_keeps_the_wrong_ones_and_says_so(scorecard: Scorecard) -> None:
    html = standalone.render_file(scorecard, most_rows=2)
    assert "2 of 6 rows are in this file" in html
    assert "question 2" in html
    assert "question 4" not in html


def test_a_file_without_rows_holds_no_question_and_says_so(scorecard: Scorecard) -> None:
    html = standalone.render_file(scorecard, most_rows=0)
    assert "The 6 rows were left out of this file" in html
    assert scorecard.verdict.split(":")[0] in html
    assert not re.search(r"question \d", html)


def test_the_file_tells_who_signed_and_what(scorecard: Scorecard, owner: User, editor: User) -> None:
    assert "Sign-off</h2>" not in standalone.render_file(scorecard)
    say(scorecard, editor, "changes", reason="Too few <b>rows</b>.")
    found = say(scorecard, owner, checked=[])
    html = standalone.render_file(scorecard)
    assert "Too few &lt;b&gt;rows&lt;/b&gt;." in html
    assert f"<strong>{owner.username}</strong>, owner" in html
    assert found.digest in html


def test_hostile_text_stays_text(workspace: Workspace) -> None:
    rows = [replace(r, reference=assistant("</style><script>alert(1)</script>")) for r in make_rows([("card", "card")])]
    card = record_evaluation(workspace, rows, [make_candidate("student", ["<img src=x onerror=y>"])], Options())
    html = standalone.render_file(card)
    assert "<script>" not in html
    assert "<img" not in html


@pytest.mark.parametrize(
    ("pairs", "answers", "labels"),
    [
        ([], [], LABELS),
        ([], [], None),
        ([("card", "card")], ["card"], LABELS),
        ([("card", "card")], [None], LABELS),
        ([("card", "card")] * 3, ["card"] * 3, LABELS),
        ([("one two", None)], ["two one"], None),
        ([(None, None)], ["card"], None),
    ],
    ids=["no rows", "no rows of text", "one row", "one failure", "all equal", "free text", "nothing to judge by"],
)
def test_odd_reports_render_and_say_what_is_so(
    workspace: Workspace,
    pairs: list[tuple[str | None, str | None]],
    answers: Sequence[str | None],
    labels: list[str] | None,
) -> None:
    rows = make_rows(pairs)
    card = record_evaluation(
        workspace, rows, [teacher_of(rows), make_candidate("student", answers)], Options(labels=labels)
    )
    html = standalone.render_file(card)
    assert escape(thin(card.verdict)) in html
    assert ("All 1 rows." in html or "All 3 rows." in html) if pairs else "There were no held-out rows." in html
    assert (
        "nan" not in re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL).replace("provenance", "").lower().split()
    )


def test_the_earlier_student_is_in_the_file(
    workspace: Workspace, scorecard: Scorecard, held_out: list[Row], candidates: list[Candidate]
) -> None:
    student = make_candidate("student", ["cash", "cash", "transfer", "card", "transfer", "cash"])
    later = record_evaluation(workspace, held_out, [*candidates[:2], student], Options(labels=LABELS), number=2)
    html = standalone.render_file(later)
    assert "Since the earlier student" in html
    assert "Cards 1, run 1" in html
    assert scorecard.get_absolute_url() not in html


def test_a_pdf_without_its_library_says_what_to_install(scorecard: Scorecard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    with pytest.raises(standalone.NoPdf) as told:
        standalone.render_pdf(scorecard)
    assert "make extra NAME=pdf" in told.value.action


def test_a_pdf_is_a_pdf(scorecard: Scorecard) -> None:
    pytest.importorskip("weasyprint", reason="the extra 'pdf' is not installed", exc_type=Exception)
    assert standalone.render_pdf(scorecard).startswith(b"%PDF-")
