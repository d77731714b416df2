"""Which rows count as one proof."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evaluation.figures.clusters import find_clusters, keep_clusters, kept_clusters, source_of
from tests.evaluation.conftest import make_row
from vault.rows import Row


def row(number: int, **meta: object) -> Row:
    return make_row(number, teacher="card", reference="card", **meta)


def test_turns_of_one_conversation_belong_together_and_others_stand_alone() -> None:
    rows = [row(0, conversation={"id": "c1", "turn": 0}), row(1, conversation={"id": "c1", "turn": 1}), row(2)]
    found = find_clusters(rows, "auto")
    assert found is not None
    assert found.names[0] == found.names[1] is not None
    assert found.names[2] is None


def test_one_question_asked_twice_belongs_together() -> None:
    rows = [row(0), replace(row(0), id="r0-2"), row(1)]
    for field in ("auto", "prompt"):
        found = find_clusters(rows, field)
        assert found is not None
        assert found.names[0] == found.names[1] is not None
        assert found.names[2] is None


def test_rows_that_all_stand_alone_have_no_clusters() -> None:
    assert find_clusters([row(0), row(1)], "auto") is None
    assert find_clusters([row(0), row(0)], "none") is None
    assert find_clusters([row(0), row(0)], "  ") is None
    assert find_clusters([], "auto") is None
    assert find_clusters([row(0), row(1)], "no such field") is None


def test_a_field_of_the_rows_ties_them() -> None:
    found = find_clusters([row(0, customer=7), row(1, customer=7), row(2, customer=8)], "customer")
    assert found is not None
    assert found.by == "customer"
    assert found.at([0, 2])[1] is None


def test_the_source_is_the_file_or_a_plain_name() -> None:
    assert source_of(row(0, source={"file": "a.jsonl", "line": 3})) == "a.jsonl"
    assert source_of(row(0, source="tickets")) == "tickets"
    assert source_of(row(0, source={"line": 3})) is None
    assert source_of(row(0)) is None


def test_what_belongs_together_is_kept_beside_the_items_and_nothing_where_no_row_does(tmp_path: Path) -> None:
    rows = [row(0, conversation="c1"), row(1, conversation="c1"), row(2)]
    keep_clusters(tmp_path, find_clusters(rows, "auto"))
    assert kept_clusters(tmp_path) == [0, 0, None]
    (tmp_path / "none").mkdir()
    keep_clusters(tmp_path / "none", find_clusters([row(0), row(1)], "auto"))
    assert kept_clusters(tmp_path / "none") is None
