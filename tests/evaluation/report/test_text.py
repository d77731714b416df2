"""The report as text for a terminal, Markdown and CSV."""

from __future__ import annotations

import csv
import io

from evaluation.candidates.predictions import Candidate, teacher_of
from evaluation.report import text as report_text
from evaluation.report.document import Options, build_report
from tests.evaluation.conftest import LABELS, make_candidate, make_rows
from vault.rows import Row


def test_the_terminal_gets_verdict_figures_comparisons_and_weak_labels(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    text = report_text.render(build_report(held_out, candidates, Options(labels=LABELS)))
    assert text.startswith("Whether the student replaces the teacher")
    assert "83.3 % [43.6–97.0]" in text
    assert "likeliest label" in text
    assert "Student − Teacher (big) (recorded answers), accuracy: 0 points" in text
    assert "Weakest labels" in text
    assert "Note: Base failed on 1 of 6 rows" in text
    assert "unknown" in text


def test_columns_of_the_terminal_table_line_up() -> None:
    lines = report_text.layout(["Name", "Answer", "Rows"], [["a", "written", "1"], ["longer name", "x", "1,000"]])
    assert len({len(line) for line in lines}) == 1
    assert lines[2].endswith("    1")


def test_a_report_without_labels_comparisons_or_notes_still_renders() -> None:
    rows = make_rows([(None, None)])
    text = report_text.render(build_report(rows, [make_candidate("student", ["x"])], Options()))
    assert "nothing to judge by" in text
    assert "Weakest labels" not in text


def test_markdown_escapes_what_would_break_a_table() -> None:
    rows = make_rows([("a|b", "a|b"), ("c", "c")])
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["a|b", "c"])], Options(labels=["a|b", "c"])
    )
    text = report_text.render_markdown(report, title="Cards, run 1")
    assert text.startswith("# Cards, run 1\n")
    assert "| a\\|b |" in text
    assert "## Labels" in text


def test_csv_holds_every_figure_unrounded(held_out: list[Row], candidates: list[Candidate]) -> None:
    lines = list(
        csv.DictReader(io.StringIO(report_text.render_csv(build_report(held_out, candidates, Options(labels=LABELS)))))
    )
    found = {(line["candidate"], line["answer"], line["metric"]): line for line in lines}
    assert float(found["Student", "generated", "accuracy"]["value"]) == 5 / 6
    assert found["Student", "scored", "accuracy"]["value"] == "1.0"
    assert found["Base", "generated", "accuracy"]["failed"] == "1"
    assert float(found["Teacher (big)", "recorded", "cost_per_1000_usd"]["value"]) == 2.0


def test_a_name_that_a_spreadsheet_would_run_is_defused() -> None:
    assert report_text.safe_cell("=1+1") == "'=1+1"
    assert report_text.safe_cell("Student") == "Student"


def test_the_slices_in_which_a_loss_stands_are_named_and_their_absence_is_said() -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")] * 60)
    fine = make_candidate("student", ["card", "cash"] * 60)
    lost = make_candidate("student", ["card", "card"] * 60)
    base = make_candidate("base", ["card", "cash"] * 60)
    options = Options(labels=["card", "cash"], cluster_by="none")
    good = report_text.render_markdown(build_report(rows, [base, fine], options))
    assert "In none of the 2 slices tested against Base does a loss stand" in good
    text = report_text.render(build_report(rows, [base, lost], options))
    assert "Label “cash”: −100 points against Base over 60 rows" in text
    assert "corrected p < 0.001" in text
    assert report_text.slice_lines({}) == []


def test_confidence_comes_with_its_scores(held_out: list[Row], candidates: list[Candidate]) -> None:
    report = build_report(held_out, candidates, Options(labels=LABELS))
    (line,) = report_text.confidence_lines(report)
    assert line.startswith("Student: ")
    assert "calibration error" in line
    assert "Brier score of the likeliest label" in line
    assert line in report_text.render(report)
    assert f"- {line}" in report_text.render_markdown(report)
    metrics = {row["metric"] for row in csv.DictReader(io.StringIO(report_text.render_csv(report)))}
    assert {"calibration_error", "brier_top_label"} <= metrics
    student = next(c for c in report["candidates"] if c["name"] == "student")
    student["confidence"] = None
    assert report_text.confidence_lines(report) == []
