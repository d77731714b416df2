"""Rows for a table, fifty at a time from anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.rows.previews import CUT, PreviewWriter, open_previews


def test_any_rows_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    with PreviewWriter(tmp_path) as writer:
        for n in range(100):
            writer.add({"_rid": n, "question": f"line\nbreak \u2028 {n}", "teacher": None})
    previews = open_previews(tmp_path)
    assert previews is not None
    assert [row["_rid"] for row in previews.rows([99, 0, 31, 32])] == [99, 0, 31, 32]
    assert next(iter(previews.rows([64]))) == {"_rid": 64, "question": "line\nbreak \u2028 64"}


def test_long_texts_are_cut(tmp_path: Path) -> None:
    with PreviewWriter(tmp_path) as writer:
        writer.add({"question": "x" * 10_000})
    previews = open_previews(tmp_path)
    assert previews is not None
    assert len(next(iter(previews.rows([0])))["question"]) == CUT


def test_a_report_without_rows_or_without_previews_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    assert open_previews(tmp_path / "old") is None
    (tmp_path / "empty").mkdir()
    with PreviewWriter(tmp_path / "empty"):
        pass
    previews = open_previews(tmp_path / "empty")
    assert previews is not None
    assert list(previews.rows([])) == []


def test_a_writer_that_fails_leaves_no_table_of_places(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), PreviewWriter(tmp_path) as writer:
        writer.add({"n": 1 // 0})
    assert open_previews(tmp_path) is None
