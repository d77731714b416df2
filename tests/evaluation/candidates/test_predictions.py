"""Answers as they come back from child processes and as they lie in the rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from evaluation.candidates.predictions import read_predictions, teacher_of
from tests.evaluation.conftest import make_row


def test_predictions_are_read_by_id_with_unknown_fields_left_out(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text(
        json.dumps({"id": "a", "text": "card", "confidence": 0.5, "new_field": 1}) + "\n\n"
        + json.dumps({"id": "b", "text": None, "error": "too long"}) + "\n"
    )  # fmt: skip
    found = read_predictions(file)
    assert found["a"].text == "card"
    assert found["a"].confidence == 0.5
    assert found["b"].error == "too long"


def test_a_last_line_cut_short_by_a_kill_is_left_out_and_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text(json.dumps({"id": "a", "text": "card"}) + '\n{"id": "b", "te')
    assert set(read_predictions(file)) == {"a"}


def test_a_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text('{"id": "a"}\nnonsense\n{"id": "b"}\n')
    with pytest.raises(ValueError, match="Line 2"):
        read_predictions(file)


def test_no_file_is_no_answer_yet(tmp_path: Path) -> None:
    assert read_predictions(tmp_path / "none.jsonl") == {}


def test_the_teachers_answers_prices_and_names_come_from_the_rows() -> None:
    rows = [
        make_row(0, teacher="card", reference=None, cost_usd=0.01, latency_ms=700, model="big",
                 usage={"input_tokens": 9, "output_tokens": 2}),
        make_row(1, teacher="cash", reference=None),
    ]  # fmt: skip
    teacher = teacher_of(rows)
    assert teacher.label == "Teacher (big)"
    assert teacher.usd_by_row == {"r0": 0.01}
    assert teacher.answers["r0"].prompt_tokens == 9
    assert teacher.answers["r0"].latency_ms == 700
    assert teacher.answers["r1"].latency_ms is None


def test_a_row_the_teacher_failed_on_counts_and_one_it_was_never_asked_does_not() -> None:
    teacher = teacher_of(
        [make_row(0, teacher=None, reference="card", error="refused"), make_row(1, teacher=None, reference="card")]
    )
    assert teacher.was_asked("r0")
    assert teacher.answers["r0"].error == "refused"
    assert not teacher.was_asked("r1")


def test_a_latency_of_zero_is_not_a_measurement() -> None:
    assert teacher_of([make_row(0, teacher="a", reference=None, latency_ms=0)]).answers["r0"].latency_ms is None
