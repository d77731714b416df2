"""Reading a report's rows back: views, search, pages."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.report.document import Options, build_report
from evaluation.rows.explorer import ItemTable
from evaluation.rows.filters import RowFilter
from evaluation.rows.items import write_items
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


def test_a_report_written_before_previews_and_marks_shows_the_same_rows_in_the_same_order(
    tmp_path: Path, held_out: list[Row], candidates: list[Candidate]
) -> None:
    new = open_table(tmp_path / "new", held_out, candidates, Options(labels=LABELS))
    old = open_table(tmp_path / "old", held_out, candidates, Options(labels=LABELS))
    for name in ("marks.parquet", "previews.dat", "previews.npy"):
        (tmp_path / "old" / name).unlink()
    for wanted in (RowFilter(), RowFilter(sort="confidence"), RowFilter(view="differs", sort="-wrong")):
        assert old.page(wanted).rows == new.page(wanted).rows
    assert old.counts(RowFilter()) == new.counts(RowFilter())


@pytest.mark.parametrize(
    "search", ["question", "uest", "4", "CARD transfer", '"question 4"', "é", "?", "l\ntr", "zebra", "%", "_"]
)
def test_a_search_finds_the_same_rows_with_the_index_of_words_and_without_it(
    tmp_path: Path, held_out: list[Row], candidates: list[Candidate], search: str
) -> None:
    held_out[1] = replace(held_out[1], prompt=[{"role": "user", "content": "Où est mon café? 100%"}])
    table = open_table(tmp_path / "new", held_out, candidates, Options(labels=LABELS))
    old = open_table(tmp_path / "old", held_out, candidates, Options(labels=LABELS))
    shutil.rmtree(tmp_path / "old" / "search")
    assert table.positions(RowFilter(search=search)).tolist() == old.positions(RowFilter(search=search)).tolist()


def test_rows_are_sorted_and_what_has_no_value_comes_last(table: ItemTable) -> None:
    def order(sort: str) -> list[str]:
        return [row.id for row in table.page(RowFilter(sort=sort)).rows]

    assert order("confidence") == ["r2", "r4", "r3", "r1", "r5", "r0"]
    assert order("-confidence") == ["r0", "r1", "r5", "r3", "r4", "r2"]
    assert order("-wrong")[:2] == ["r2", "r4"]
    assert order("target") == ["r0", "r3", "r1", "r5", "r2", "r4"]


def test_pages_follow_one_another_under_a_sort(tmp_path: Path) -> None:
    rows = make_rows([("card", "card")] * 25)
    answers = {r.id: Prediction(r.id, text="card", confidence=1 - i / 100) for i, r in enumerate(rows)}
    table = open_table(tmp_path / "r", rows, [Candidate("student", "S", "student", answers)], Options(labels=["card"]))
    wanted, seen, after = RowFilter(sort="confidence"), [], None
    for _ in range(3):
        page = table.page(wanted, after=after, size=10)
        seen += [row.rid for row in page.rows]
        after = page.after
    assert seen == list(range(24, -1, -1))
    assert table.page(wanted, before=4, size=10).first == 10
    assert table.neighbours(24, wanted) == (None, 23)


def test_failures_tags_and_confidence_filter(tmp_path: Path) -> None:
    rows = [replace(r, tags=["web"] if i % 2 else ["a b"]) for i, r in enumerate(make_rows([("card", "card")] * 4))]
    answers = {r.id: Prediction(r.id, text="card", confidence=i / 4) for i, r in enumerate(rows)}
    student = Candidate("student", "S", "student", answers)
    base = make_candidate("base", ["card", None, "card", "card"])
    table = open_table(tmp_path / "r", rows, [student, base], Options(labels=["card"]))
    for wanted, ids in (
        (RowFilter(failed="base"), ["r1"]),
        (RowFilter(failed="student"), []),
        (RowFilter(tag="web"), ["r1", "r3"]),
        (RowFilter(tag="a b"), ["r0", "r2"]),
        (RowFilter(tag="b"), []),
        (RowFilter(below=0.5), ["r0", "r1"]),
    ):
        assert [r.id for r in table.page(wanted).rows] == ids


def test_against_an_earlier_report_rows_are_fixed_broken_still_wrong_or_changed(tmp_path: Path) -> None:
    rows = make_rows([("card", "card"), ("card", "card"), ("card", "card"), ("card", "card"), ("card", "card")])
    options = Options(labels=["card", "cash", "fee"])
    before = [make_candidate("student", ["cash", "card", "cash", "card", None])]
    now = [make_candidate("student", ["card", "cash", "fee", "card", None])]
    earlier = open_table(tmp_path / "earlier", rows[::-1][:4][::-1] + rows[:1], before, options)
    table = open_table(tmp_path / "now", rows, now, options)
    table.earlier = earlier
    found = {
        view: [r.id for r in table.page(RowFilter(view=view)).rows] for view in ("fixed", "broken", "still", "changed")
    }
    assert found == {"fixed": ["r0"], "broken": ["r1"], "still": ["r2", "r4"], "changed": ["r0", "r1", "r2"]}
    row = table.earlier_row(0)
    assert row is not None
    assert (row.id, row.by_name["student"].text) == ("r0", "cash")


def test_where_the_judge_disagrees_with_the_metric_is_a_view_of_its_own(tmp_path: Path) -> None:
    rows = make_rows([("card", "card"), ("card", "card"), ("card", "card")])
    answers = {
        "r0": Prediction("r0", text="card", judge=0.1),
        "r1": Prediction("r1", text="cash", judge=0.9),
        "r2": Prediction("r2", text="card", judge=0.8),
    }
    table = open_table(tmp_path / "r", rows, [Candidate("student", "S", "student", answers)], Options(labels=["card"]))
    assert [r.id for r in table.page(RowFilter(view="judge")).rows] == ["r0", "r1"]
    shown = table.row(1)
    assert shown is not None
    assert shown.by_name["student"].judge == 0.9
