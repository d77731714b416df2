"""Rows as numbers: the same from the marks file and from the items, comparable between reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.candidates.predictions import Candidate
from evaluation.rows.items import write_items
from evaluation.rows.marks import MARKS_FILE, Marks, fingerprint_of, number_of, places_in, read_marks
from tests.evaluation.conftest import make_candidate, make_rows
from vault.rows import Row

NAMES = ("teacher", "base", "student")


def write(folder: Path, rows: list[Row], candidates: list[Candidate]) -> Marks:
    """The marks of a report with these rows."""
    folder.mkdir()
    write_items(folder / "items.parquet", rows, candidates)
    return read_marks(folder, tuple(c.name for c in candidates))


def test_marks_say_who_was_asked_failed_and_was_right(
    tmp_path: Path, held_out: list[Row], candidates: list[Candidate]
) -> None:
    marks = write(tmp_path / "r", held_out, candidates)
    assert marks.candidates["student"].wrong.tolist() == [False, False, True, False, False, False]
    assert marks.candidates["base"].failed.tolist() == [False, False, False, True, False, False]
    assert marks.candidates["base"].wrong.tolist() == [False, True, True, True, True, False]
    assert marks.candidates["teacher"].asked.tolist() == [True] * 5 + [False]
    assert [marks.targets[code] for code in marks.target] == ["card", "cash", "transfer", "card", "transfer", "cash"]


def test_a_report_without_a_marks_file_is_read_to_the_same_marks(
    tmp_path: Path, held_out: list[Row], candidates: list[Candidate]
) -> None:
    kept = write(tmp_path / "new", held_out, candidates)
    write(tmp_path / "old", held_out, candidates)
    (tmp_path / "old" / MARKS_FILE).unlink()
    read_marks.cache_clear()
    made = read_marks(tmp_path / "old", NAMES)
    for field in ("identity", "target", "length"):
        assert np.array_equal(getattr(kept, field), getattr(made, field))
    assert list(kept.targets) == list(made.targets)
    for name in NAMES:
        one, other = kept.candidates[name], made.candidates[name]
        assert np.array_equal(one.flags, other.flags)
        assert np.array_equal(one.key, other.key)
        assert (one.confidence is None) == (other.confidence is None)
        assert one.judge is None
    assert kept.candidates["student"].confidence == pytest.approx(made.candidates["student"].confidence)


def test_rows_are_found_again_in_another_report_only_with_the_same_right_answer(tmp_path: Path) -> None:
    rows = make_rows([("card", "card"), ("cash", "cash"), ("cash", "transfer")])
    moved = [rows[2], replace(rows[0], reference={"role": "assistant", "content": "cash"}), rows[1]]
    one = write(tmp_path / "one", rows, [make_candidate("student", ["card", "cash", "cash"])])
    other = write(tmp_path / "other", moved, [make_candidate("student", ["card", "cash", "cash"])])
    assert places_in(one, other).tolist() == [-1, 2, 0]


def test_the_same_rows_in_another_order_have_one_fingerprint(tmp_path: Path) -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    student = make_candidate("student", ["card", "cash"])
    one = write(tmp_path / "one", rows, [student])
    other = write(tmp_path / "other", rows[::-1], [make_candidate("student", ["cash", None])])
    fewer = write(tmp_path / "fewer", rows[:1], [student])
    assert fingerprint_of(one) == fingerprint_of(other) != fingerprint_of(fewer)


def test_no_rows_and_no_answer_have_their_numbers(tmp_path: Path) -> None:
    empty = write(tmp_path / "r", [], [make_candidate("student", [])])
    assert empty.rows == 0
    assert places_in(empty, empty).tolist() == []
    assert number_of(None) == 0
    assert number_of("") != 0
