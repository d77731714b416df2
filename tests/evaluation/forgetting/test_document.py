"""The document, and what page and texts say of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from evaluation.forgetting.document import DOCUMENT, build_document, read_document, summary_of
from evaluation.forgetting.page import forgotten_view
from evaluation.forgetting.words import forgotten_lines
from evaluation.report.document import Options, build_report
from evaluation.report.text import render, render_markdown
from pipelines.steps.base import InputArtifact
from studio.lib.errors import StepError
from tests.evaluation.conftest import make_candidate, make_rows
from tests.evaluation.forgetting.test_figures import result

FACTS = {"student": "bb" * 32, "lm_eval": "0.4.13", "rows": 200, "shots": 0, "chat": False, "seed": 0}


def document(**facts: Any) -> dict[str, Any]:
    """A loss on PIQA, and no change shown on one's own questions."""
    base = {"piqa": result([1] * 30), "own": result([1, 0], metric="acc")}
    student = {"piqa": result([0] * 15 + [1] * 15), "own": result([0, 1], metric="acc")}
    return build_document(base, student, margin=0.02, facts=FACTS | facts, notes=["3 rows were left out."])


def test_the_summary_says_what_was_found() -> None:
    found = summary_of(document())
    assert found["headline"] == "The student forgot part of PIQA; no change is shown on your questions."
    assert (found["tone"], found["questions"]) == ("bad", 32)
    assert found["tasks"][0] == {"label": "PIQA", "finding": "forgot", "difference": "−50 points"}


def test_the_page_names_findings_and_what_is_not_excluded() -> None:
    view = forgotten_view(document())
    assert view is not None
    assert [line["word"] for line in view["lines"]] == ["forgot", "no change shown"]
    assert view["lines"][0]["remark"] == ""
    assert view["lines"][1]["remark"].startswith("a loss of ")
    assert view["how"] == (
        "Asked by lm-eval 0.4.13 as texts to be continued, no worked examples; at most 200 questions of each (a sample by seed 0). "
        "Both models got the same questions."
    )
    chat = forgotten_view(document(chat=True, shots=1, rows=0))
    assert chat is not None
    assert "in a chat, 1 worked example before each; all questions" in chat["how"]
    assert forgotten_view(None) is None


def test_texts_hold_every_task_with_its_interval() -> None:
    lines = forgotten_lines(document())
    assert "PIQA: base model 100.0 %, student 50.0 %, −50 points over 30 questions (" in lines[1]
    assert lines[-1] == "3 rows were left out."
    assert forgotten_lines(None) == []


def test_a_task_without_questions_is_told_as_such() -> None:
    empty = build_document({"piqa": result([])}, {"piqa": result([])}, margin=0.02, facts=FACTS)
    assert forgotten_lines(empty)[1] == "PIQA: nothing was asked"
    view = forgotten_view(empty)
    assert view is not None
    assert view["lines"][0]["interval"] == ""


def test_the_report_carries_the_document_into_its_texts() -> None:
    rows = make_rows([("card", "card")])
    report = build_report(rows, [make_candidate("student", ["card"])], Options(labels=["card"], forgotten=document()))
    json.dumps(report, allow_nan=False)
    assert "What was forgotten\nThe student forgot part of PIQA" in render(report)
    assert "## What was forgotten\n\n- The student forgot part of PIQA" in render_markdown(report)


def test_benchmarks_of_another_student_are_refused(tmp_path: Path) -> None:
    (tmp_path / DOCUMENT).write_text(json.dumps(document()))
    artifact = InputArtifact(sha="cc" * 32, kind="benchmarks", path=tmp_path, meta={})
    assert read_document(artifact, student="bb" * 32)["tone"] == "bad"
    with pytest.raises(StepError, match="another student"):
        read_document(artifact, student="aa" * 32)
