"""What a reader is told before the figures."""

from __future__ import annotations

from evaluation.report.notes import changed_teacher, leakage_note, teacher_models
from tests.evaluation.conftest import make_row, make_rows


def test_a_teacher_that_changed_its_model_is_named_with_the_rows_of_each() -> None:
    rows = [make_row(i, teacher="card", reference=None, model="big-0613" if i < 3 else "big-1106") for i in range(5)]
    models = teacher_models(rows)
    assert [(m["model"], m["rows"]) for m in models] == [("big-0613", 3), ("big-1106", 2)]
    [note] = changed_teacher(models)
    assert note.startswith("The teacher's answers come from 2 models: “big-0613” (3 rows), “big-1106” (2 rows).")


def test_one_model_with_two_fingerprints_is_said_as_such() -> None:
    rows = [make_row(i, teacher="a", reference=None, model="big", fingerprint=f"fp_{i % 2}") for i in range(4)]
    [note] = changed_teacher(teacher_models(rows))
    assert "2 different fingerprints for “big”" in note


def test_one_model_or_none_needs_no_note() -> None:
    assert changed_teacher(teacher_models(make_rows([("a", "a")] * 3, model="big"))) == []
    assert changed_teacher(teacher_models(make_rows([("a", "a")] * 3))) == []
    assert teacher_models(make_rows([(None, "a")], model="big")) == []


def test_overlap_with_the_training_is_said_and_its_absence_too() -> None:
    bad = leakage_note({"checked": 300, "same": 1, "normalised": 1, "examples": []}, rows=40)
    assert bad.startswith("2 of 40 held-out rows ask what a training row asks (1 letter for letter)")
    assert leakage_note({"checked": 300, "same": 0, "normalised": 0}, rows=40).startswith(
        "No held-out question lies among the 300"
    )
