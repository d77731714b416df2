"""The report: who was right how often, and nothing left out in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.report.document import FAILED, OTHER, Options, build_report
from tests.evaluation.conftest import LABELS, make_candidate, make_rows
from vault.rows import Row


def figures(report: dict[str, Any], name: str) -> dict[str, Any]:
    """A candidate's record."""
    return next(c for c in report["candidates"] if c["name"] == name)


def test_agreement_and_accuracy_are_counted_over_the_rows_that_can_be_judged(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    report = build_report(held_out, candidates, Options(labels=LABELS))
    student = figures(report, "student")["metrics"]
    assert (student["accuracy"]["value"], student["accuracy"]["n"]) == (5 / 6, 6)
    assert (student["agreement"]["value"], student["agreement"]["n"]) == (3 / 5, 5)
    teacher = figures(report, "teacher")
    assert teacher["asked"] == 5
    assert teacher["metrics"]["accuracy"]["value"] == 4 / 5
    assert teacher["metrics"]["agreement"] is None


def test_failures_stay_in_the_denominator_and_are_shown(held_out: list[Row], candidates: list[Candidate]) -> None:
    report = build_report(held_out, candidates, Options(labels=LABELS))
    base = figures(report, "base")
    assert (base["asked"], base["answered"], base["failed"], base["empty"]) == (6, 5, 1, 1)
    assert base["metrics"]["accuracy"]["n"] == 6
    assert base["metrics"]["accuracy"]["value"] == 2 / 6
    assert base["errors"] == [["Too long for the model.", 1]]
    assert "Base failed on 1 of 6 rows; they count as wrong." in report["notes"]


def test_a_row_that_was_asked_and_never_came_back_is_a_failure() -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    student = Candidate("student", "Student", "student", {"r0": Prediction("r0", text="card")})
    report = build_report(rows, [student], Options(labels=["card", "cash"]))
    assert figures(report, "student")["failed"] == 1
    assert figures(report, "student")["metrics"]["accuracy"]["value"] == 0.5


def test_written_answers_count_first_and_likeliest_labels_are_shown_beside_them(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    student = figures(build_report(held_out, candidates, Options(labels=LABELS)), "student")
    assert student["channel"] == "generated"
    assert student["metrics"]["accuracy"]["value"] == 5 / 6
    assert student["other_channels"]["scored"]["accuracy"]["value"] == 1.0
    assert student["confidence"]["n"] == 6
    assert sum(b["n"] for b in student["confidence"]["bins"]) == 6


def test_a_student_that_only_scored_labels_is_judged_by_them() -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    answers = {r.id: Prediction(r.id, label="card", confidence=0.6) for r in rows}
    student = Candidate("student", "Student", "student", answers)
    found = figures(build_report(rows, [student], Options(labels=["card", "cash"])), "student")
    assert found["channel"] == "scored"
    assert found["failed"] == 0
    assert found["metrics"]["accuracy"]["value"] == 0.5


def test_speed_and_price_are_measured_or_unknown(held_out: list[Row], candidates: list[Candidate]) -> None:
    report = build_report(held_out, candidates, Options(labels=LABELS))
    student, base, teacher = (figures(report, name) for name in ("student", "base", "teacher"))
    assert student["latency"]["p50"]["value"] == 60.0
    assert student["latency"]["n"] == 3
    assert student["cost_per_1000"]["value"] == pytest.approx(0.1)
    assert base["latency"] is None
    assert base["cost_per_1000"] is None
    assert teacher["cost_per_1000"]["value"] == pytest.approx(2.0)


def test_the_student_is_compared_with_each_other_on_the_rows_both_answered(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    report = build_report(held_out, candidates, Options(labels=LABELS))
    against = {(c["b"], c["metric"]): c for c in report["comparisons"]}
    teacher = against["teacher", "accuracy"]
    assert (teacher["both"], teacher["only_a"], teacher["only_b"], teacher["neither"]) == (3, 1, 1, 0)
    assert teacher["difference"]["value"] == 0
    assert teacher["p"] == 1.0
    assert ("teacher", "agreement") not in against
    assert against["base", "accuracy"]["only_a"] == 3


def test_retained_quality_is_the_students_accuracy_over_the_teachers(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    retained = build_report(held_out, candidates, Options(labels=LABELS))["retained"]
    assert retained["value"] == 1.0
    assert retained["low"] < 1 < retained["high"]


def test_every_label_has_its_scores_and_labels_unseen_in_training_are_marked(
    held_out: list[Row], candidates: list[Candidate]
) -> None:
    options = Options(labels=LABELS, seen_labels=frozenset({"Card", "cash"}))
    report = build_report(held_out, candidates, options)
    by_label = {row["label"]: row for row in report["per_label"]}
    assert by_label["transfer"]["seen"] is False
    assert by_label["card"]["seen"] is True
    assert by_label["transfer"]["support"] == 2
    assert by_label["transfer"]["candidates"]["student"]["recall"] == 0.5
    assert by_label["card"]["candidates"]["student"]["precision"] == pytest.approx(2 / 3)
    assert any(
        "2 held-out rows have labels that the student was not trained on (“transfer”)" in n for n in report["notes"]
    )


def test_a_right_label_outside_the_set_gets_a_row_and_an_answer_outside_it_a_shared_column() -> None:
    rows = make_rows([("card", "card"), ("cash", "cheque"), ("cash", "cash"), ("cash", "cash")])
    student = make_candidate("student", ["banana", "cash", None, "cash"])
    report = build_report(rows, [student], Options(labels=["card", "cash"]))
    matrix = report["confusion"]
    assert matrix["rows"] == ["card", "cash", "cheque"]
    assert matrix["columns"] == ["card", "cash", OTHER, FAILED]
    assert matrix["cells"] == [[0, 2, 1], [1, 1, 1], [1, 3, 1], [2, 1, 1]]


def test_without_references_the_teacher_is_the_measure() -> None:
    rows = make_rows([("card", None), ("cash", None), ("cash", None)])
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["card", "cash", "card"])], Options(labels=["card", "cash"])
    )
    assert report["label_basis"] == "teacher"
    assert report["retained"] is None
    assert "gives the teacher's answer on 66.7 % of 3 held-out rows" in report["verdict"]["sentence"]
    assert figures(report, "student")["metrics"]["accuracy"] is None
    assert report["confusion"]["cells"] == [[0, 0, 1], [1, 0, 1], [1, 1, 1]]


def test_without_a_teacher_accuracy_is_the_measure() -> None:
    rows = make_rows([(None, "card"), (None, "cash")])
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["card", "card"])], Options(labels=["card", "cash"])
    )
    assert figures(report, "teacher")["asked"] == 0
    assert "gives the right answer on 50.0 % of 2 held-out rows" in report["verdict"]["sentence"]
    assert "No row has a teacher's answer, so agreement with the teacher is unknown." in report["notes"]


def test_without_anything_to_compare_with_the_report_says_so() -> None:
    rows = make_rows([(None, None)])
    report = build_report(rows, [make_candidate("student", ["card"])], Options())
    assert report["verdict"]["sentence"].startswith("There is nothing to judge by")
    assert report["verdict"]["tone"] == "unclear"


def test_no_rows_at_all_give_a_report_and_no_division_by_zero() -> None:
    report = build_report([], [make_candidate("student", [])], Options(labels=["card"]))
    assert report["verdict"]["sentence"] == "There are no held-out rows, so nothing was measured."
    json.dumps(report, allow_nan=False)


def test_one_row_is_judged_with_an_interval_as_wide_as_it_must_be() -> None:
    rows = make_rows([("card", "card")])
    report = build_report(rows, [teacher_of(rows), make_candidate("student", ["card"])], Options(labels=["card"]))
    accuracy = figures(report, "student")["metrics"]["accuracy"]
    assert accuracy["value"] == 1.0
    assert accuracy["low"] < 0.25
    assert any("Only 1 held-out row" in line for line in report["verdict"]["details"])
    json.dumps(report, allow_nan=False)


def test_all_answers_equal_are_no_special_case() -> None:
    rows = make_rows([("card", "card")] * 12)
    report = build_report(rows, [teacher_of(rows), make_candidate("student", ["card"] * 12)], Options(labels=["card"]))
    student = figures(report, "student")["metrics"]
    assert student["kappa"]["value"] == student["macro_f1"]["value"] == 1.0
    json.dumps(report, allow_nan=False)


def test_teachers_answers_that_are_the_references_are_recognised_and_not_compared() -> None:
    rows = make_rows([("card", "Card"), ("cash", "cash")] * 20)
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["card", "card"] * 20)], Options(labels=["card", "cash"])
    )
    assert report["comparisons"] == []
    assert report["retained"] is None
    assert any("are the references themselves" in line for line in report["verdict"]["details"])


def test_a_candidate_asked_a_sample_is_judged_on_it_alone() -> None:
    rows = make_rows([("card", "card")] * 10)
    base = make_candidate("base", ["card", "cash"], asked=frozenset({"r0", "r1"}))
    report = build_report(rows, [base], Options(labels=["card"]))
    assert figures(report, "base")["metrics"]["accuracy"] == {
        **figures(report, "base")["metrics"]["accuracy"],
        "value": 0.5,
        "n": 2,
    }
    assert "Base was asked 2 of the 10 rows (a seeded sample)." in report["notes"]


def test_free_text_gets_overlap_figures_and_no_labels() -> None:
    rows = make_rows([("Please wait five days.", None), ("Open the app.", None)])
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", ["Please wait five days", "Open an app."])], Options()
    )
    names = [m["name"] for m in report["metrics"]]
    assert names == ["agreement", "accuracy", "token_f1", "chrf"]
    assert report["per_label"] == []
    assert report["confusion"] is None
    student = figures(report, "student")["metrics"]
    assert student["agreement"]["value"] == 0.5
    assert 0.5 < student["token_f1"]["value"] < 1
    assert "of their words" in report["verdict"]["sentence"]


def test_chosen_metrics_alone_are_used() -> None:
    rows = make_rows([("card", "card")])
    report = build_report(
        rows, [make_candidate("student", ["card"])], Options(labels=["card"], metrics=["accuracy", "chrf"])
    )
    assert [m["name"] for m in report["metrics"]] == ["accuracy"]


def test_the_same_seed_gives_the_same_report(held_out: list[Row], candidates: list[Candidate]) -> None:
    one, two = (build_report(held_out, candidates, Options(labels=LABELS, seed=5)) for _ in range(2))
    assert one == two
