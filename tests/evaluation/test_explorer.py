"""Reading a report's rows back: views, search, pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.explorer import ItemTable, RowFilter
from evaluation.items import write_items
from evaluation.predictions import Candidate, Prediction, teacher_of
from evaluation.report import Options, build_report
from tests.evaluation.conftest import LABELS, make_candidate, make_rows
from vault.rows import Row


def open_table(folder: Path, rows: list[Row], candidates: list[Candidate], options: Options) -> ItemTable:
    """The rows of a report written to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_items(folder / "items.parquet", rows, candidates)
    return ItemTable(folder, root=folder.parent, report=build_report(rows, candidates, options))


@pytest.fixture
def table(tmp_path: Path, held_out: list[Row], candidates: list[Candidate]) -> ItemTable:
    """The six rows of the label task."""
    return open_table(tmp_path / "report", held_out, candidates, Options(labels=LABELS))


def test_every_row_comes_with_every_answer_and_whether_it_was_right(table: ItemTable) -> None:
    rows = table.page(RowFilter()).rows
    assert [row.id for row in rows] == ["r0", "r1", "r2", "r3", "r4", "r5"]
    student = rows[2].by_name["student"]
    assert (student.text, student.label, student.right) == ("card", "transfer", False)
    assert rows[4].by_name["teacher"].right is False
    assert rows[4].by_name["student"].right is True
    assert rows[5].by_name["teacher"].asked is False
    assert rows[3].by_name["base"].error == "Too long for the model."
    assert rows[0].prompt == []


def test_each_view_holds_its_rows_and_its_count(table: ItemTable) -> None:
    views = {view: [row.id for row in table.page(RowFilter(view=view)).rows] for view in table.views()}
    assert views == {
        "all": ["r0", "r1", "r2", "r3", "r4", "r5"],
        "wrong": ["r2"],
        "differs": ["r2", "r4"],
        "lost": ["r2"],
        "won": ["r4"],
        "unsure": ["r2"],
        "failed": ["r3"],
    }
    assert table.counts(RowFilter()) == {view: len(rows) for view, rows in views.items()}


def test_search_label_and_answer_narrow_the_rows_in_any_spelling(table: ItemTable) -> None:
    assert [r.id for r in table.page(RowFilter(search="QUESTION 4")).rows] == ["r4"]
    assert [r.id for r in table.page(RowFilter(label="Transfer")).rows] == ["r2", "r4"]
    assert [r.id for r in table.page(RowFilter(label="transfer", answer="CARD")).rows] == ["r2"]
    assert table.counts(RowFilter(label="transfer"))["wrong"] == 1
    assert table.page(RowFilter(search="nothing like it")).rows == []


def test_text_that_looks_like_sql_is_only_text(table: ItemTable) -> None:
    assert table.page(RowFilter(search="' OR 1=1 --", label="'; DROP TABLE x")).rows == []


def test_pages_follow_one_another_without_gaps_in_both_directions(tmp_path: Path) -> None:
    rows = make_rows([("card", "card")] * 25)
    table = open_table(tmp_path / "r", rows, [make_candidate("student", ["card"] * 25)], Options(labels=["card"]))
    first = table.page(RowFilter(), size=10)
    second = table.page(RowFilter(), after=first.after, size=10)
    third = table.page(RowFilter(), after=second.after, size=10)
    assert [len(p.rows) for p in (first, second, third)] == [10, 10, 5]
    assert (first.before, third.after) == (None, None)
    back = table.page(RowFilter(), before=third.before, size=10)
    assert [r.rid for r in back.rows] == [r.rid for r in second.rows]


def test_one_row_brings_its_prompt_and_its_neighbours_under_the_filter(table: ItemTable) -> None:
    row = table.row(4)
    assert row is not None
    assert row.prompt[1]["content"] == "question 4"
    assert table.neighbours(4, RowFilter()) == (3, 5)
    assert table.neighbours(4, RowFilter(view="differs")) == (2, None)
    assert table.row(99) is None


def test_without_references_there_is_no_right_and_wrong_only_agreement(tmp_path: Path) -> None:
    rows = make_rows([("card", None), ("cash", None)])
    candidates = [teacher_of(rows), make_candidate("student", ["card", "card"])]
    table = open_table(tmp_path / "r", rows, candidates, Options(labels=["card", "cash"]))
    assert list(table.views()) == ["all", "differs", "failed"]
    assert [r.id for r in table.page(RowFilter(view="differs")).rows] == ["r1"]


def test_rows_a_candidate_was_not_asked_are_neither_right_nor_failed(tmp_path: Path) -> None:
    rows = make_rows([("card", "card"), ("cash", "cash")])
    base = make_candidate("base", ["card"], asked=frozenset({"r0"}))
    table = open_table(tmp_path / "r", rows, [base], Options(labels=["card", "cash"]))
    answer = table.page(RowFilter()).rows[1].by_name["base"]
    assert (answer.asked, answer.right, answer.error) == (False, None, None)


def test_an_answer_that_is_missing_without_a_reason_is_still_a_failure(tmp_path: Path) -> None:
    rows = make_rows([("card", "card")])
    student = Candidate("student", "Student", "student", {"r0": Prediction("r0")})
    table = open_table(tmp_path / "r", rows, [student], Options(labels=["card"]))
    assert table.page(RowFilter(view="failed")).rows[0].by_name["student"].error == "It gave no answer."


def test_a_report_without_rows_has_an_empty_page(tmp_path: Path) -> None:
    table = open_table(tmp_path / "r", [], [make_candidate("student", [])], Options())
    assert table.page(RowFilter()).rows == []
    assert table.counts(RowFilter())["all"] == 0
