"""What the report's page shows, worked out from the report alone."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.candidates.predictions import Candidate, teacher_of
from evaluation.report import presentation
from evaluation.report.document import OTHER, Options, build_report
from tests.evaluation.conftest import LABELS, make_candidate, make_rows
from vault.rows import Row


@pytest.fixture
def report(held_out: list[Row], candidates: list[Candidate]) -> dict[str, Any]:
    """The report of the label task."""
    return build_report(held_out, candidates, Options(labels=LABELS))


def test_each_way_of_answering_has_its_line(report: dict[str, Any]) -> None:
    metrics, lines = presentation.candidate_rows(report)
    assert [m["name"] for m in metrics] == ["agreement", "accuracy", "macro_f1", "kappa"]
    assert [(line.candidate["name"], line.channel, line.first) for line in lines] == [
        ("teacher", "recorded answers", True),
        ("base", "written answer", True),
        ("student", "written answer", True),
        ("student", "likeliest label", False),
    ]
    assert lines[0].cells[0].value is None
    assert lines[2].cells[1].text == "83.3 %"


def test_labels_are_sorted_by_the_column_asked_for_and_unknown_figures_come_last(report: dict[str, Any]) -> None:
    assert next(iter(presentation.label_rows(report, sort="f1")))["label"] == "transfer"
    assert [r["label"] for r in presentation.label_rows(report, sort="-label")] == ["transfer", "cash", "card"]
    assert presentation.label_rows(report, sort="nonsense") == presentation.label_rows(report, sort="f1")


def test_a_label_nobody_was_right_on_or_answered_has_no_student_f1() -> None:
    rows = make_rows([("card", "card")])
    report = build_report(rows, [make_candidate("student", ["card"])], Options(labels=["card", "cash"]))
    assert presentation.label_rows(report, sort="f1")[-1] == {
        "label": "cash", "support": 0, "unseen": False, "precision": None, "recall": None, "f1": None, "base": None, "teacher": None,
    }  # fmt: skip


def test_confusions_are_the_most_frequent_first_and_lead_to_their_rows(report: dict[str, Any]) -> None:
    assert presentation.confusions(report, rows_url="/rows/") == [
        {"right": "transfer", "given": "card", "n": 1, "href": "/rows/?label=transfer&answer=card"}
    ]


def test_the_matrix_keeps_the_labels_with_the_most_mistakes_when_there_are_many() -> None:
    labels = [f"l{i:02}" for i in range(30)]
    rows = make_rows([(label, label) for label in labels])
    answers = [*labels[:28], "l00", "nothing known"]
    report = build_report(rows, [make_candidate("student", answers)], Options(labels=labels))
    found = presentation.matrix(report, rows_url="/rows/", most=3)
    assert found is not None
    assert found["labels"] == ["l00", "l28", "l29", OTHER]
    assert found["counts"] == [[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    assert found["left_out"] == 27
    assert found["hrefs"][2, 3] == "/rows/?view=wrong&label=l29"


def test_free_text_has_no_matrix_and_no_confusions() -> None:
    report = build_report(make_rows([("a b c", None)]), [make_candidate("student", ["a b"])], Options())
    assert presentation.matrix(report, rows_url="/") is None
    assert presentation.confusions(report, rows_url="/") == []
    assert presentation.label_rows(report, sort="f1") == []


def test_tiles_show_only_what_is_known(report: dict[str, Any]) -> None:
    assert [t["label"] for t in presentation.tiles(report)] == [
        "Agreement with teacher",
        "Accuracy",
        "Teacher's quality retained",
    ]
    empty = build_report([], [], Options())
    assert presentation.tiles(empty) == []


def test_calibration_points_have_intervals(report: dict[str, Any]) -> None:
    student = next(c for c in report["candidates"] if c["kind"] == "student")
    bins = presentation.calibration_bins(student)
    assert sum(b["count"] for b in bins) == 6
    assert all(b["low"] <= b["accuracy"] <= b["high"] for b in bins)
    assert presentation.calibration_bins(None) == []


def test_every_candidate_with_confidences_shows_how_far_they_can_be_believed(report: dict[str, Any]) -> None:
    (line,) = presentation.confidence_rows(report)
    told = next(c for c in report["candidates"] if c["name"] == "student")["confidence"]
    assert line["candidate"]["name"] == "student"
    assert line["error"].value == pytest.approx(told["error"])
    assert line["error"].low <= line["error"].value <= line["error"].high
    assert line["brier"].text == f"{told['brier']['value']:.3f}"


def test_a_report_of_before_has_no_brier_score(report: dict[str, Any]) -> None:
    student = next(c for c in report["candidates"] if c["name"] == "student")
    student["confidence"] = {k: student["confidence"][k] for k in ("mean", "error", "n", "bins")}
    (line,) = presentation.confidence_rows(report)
    assert (line["error"].low, line["brier"].value) == (None, None)


def test_one_figure_is_said_once_where_the_teachers_answers_are_the_references() -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    found = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["card", "card"])], Options(labels=["card", "cash"])
    )
    assert [t["label"] for t in presentation.tiles(found)] == ["Agreement, and accuracy"]
