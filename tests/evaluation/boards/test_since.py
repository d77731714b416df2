"""Two students on the rows both were judged on."""

from __future__ import annotations

from pathlib import Path

from evaluation.boards.since import Shared, describe, share
from evaluation.candidates.predictions import Candidate
from evaluation.rows.items import write_items
from evaluation.rows.marks import Marks, read_marks
from tests.evaluation.conftest import make_candidate, make_rows
from vault.rows import Row


def marks_of(folder: Path, rows: list[Row], student: Candidate) -> Marks:
    """The marks of a report with this student."""
    folder.mkdir()
    write_items(folder / "items.parquet", rows, [student])
    return read_marks(folder, ("student",))


def compare(tmp_path: Path, now: list[str | None], before: list[str | None], *, rows: int = 5) -> Shared:
    """Two students over rows whose right answer is card; the earlier one over the first rows only."""
    all_rows = make_rows([("card", "card")] * len(now))
    a = marks_of(tmp_path / "a", all_rows, make_candidate("student", now))
    b = marks_of(tmp_path / "b", all_rows[:rows], make_candidate("student", before))
    return share(a, a.candidates["student"], b, b.candidates["student"])


def test_fixed_broken_still_wrong_and_changed_are_counted_failures_too(tmp_path: Path) -> None:
    shared = compare(tmp_path, ["card", "cash", "fee", "card", None], ["cash", "card", "cash", "card", None])
    counts = shared.counts
    assert (counts.only_a, counts.only_b, counts.neither, counts.both) == (1, 1, 2, 1)
    assert (shared.changed, shared.only_in_a, shared.only_in_b) == (3, 0, 0)


def test_rows_that_only_one_report_has_are_counted_and_said(tmp_path: Path) -> None:
    shared = compare(tmp_path, ["card", "card", "card"], ["card", "cash"], rows=2)
    assert (shared.counts.n, shared.only_in_a, shared.only_in_b) == (2, 1, 0)
    view = describe(shared, rows_url="/rows/", versus="x")
    assert view["different_set"]
    assert [p["href"] for p in view["parts"]][:2] == ["/rows/?vs=x&view=fixed", ""]


def test_no_shared_row_and_no_rows_have_no_difference(tmp_path: Path) -> None:
    shared = compare(tmp_path, [], [], rows=0)
    assert shared.difference is None
    assert describe(shared, rows_url="", versus="")["difference"] == "–"
