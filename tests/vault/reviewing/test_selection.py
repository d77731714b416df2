from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vault.reviewing.selection import draw, in_order, worth_a_look
from vault.reviewing.signals import Signals, reasons, score
from vault.rows import Row, assistant, write_rows


def row(number: int, *, answer: str = "a", reference: str | None = None, soft: Any = None, **meta: Any) -> Row:
    gold = assistant(reference) if reference is not None else None
    prompt = [{"role": "user", "content": f"q{number}"}]
    return Row(f"r{number}", prompt, assistant(answer), gold, soft, meta=meta)  # type: ignore[arg-type]


ROWS = [
    row(0),
    row(1, reference="b"),
    row(2, soft=[{"text": "a", "probability": 0.6}, {"text": "b", "probability": 0.4}]),
    row(3, judge={"score": 0.25, "reason": "wrong"}),
    row(4),
    row(5),
    row(6),
    row(7, judge={"score": 4, "max": 5}),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The rows above as a dataset folder."""
    write_rows(tmp_path / "rows", ROWS)
    return tmp_path / "rows"


@pytest.fixture
def facts(tmp_path: Path) -> Path:
    """What a profile found: rows 4 and 6 are near-copies, 5 is a refusal, 0 holds an address."""
    flags: list[list[str]] = [[] for _ in ROWS]
    flags[5], flags[0], flags[6] = ["refusal"], ["pii:email"], ["label_conflict", "near_duplicate"]
    near = [None, None, None, None, 4, None, 4, None]
    table = pa.table(
        {
            "_rid": pa.array(range(len(ROWS)), pa.int64()),
            "flags": pa.array(flags, pa.list_(pa.string())),
            "near_group": pa.array(near, pa.int64()),
            "exact_group": pa.array([None] * len(ROWS), pa.int64()),
        }
    )
    pq.write_table(table, tmp_path / "facts.parquet")
    return tmp_path / "facts.parquet"


def test_the_most_doubtful_rows_come_first_with_their_reasons(folder: Path) -> None:
    found = worth_a_look(folder, root=folder.parent, rids=None, limit=4, confidences={"r4": 0.9})
    assert [c.rid for c in found] == [1, 3, 2, 7]
    assert found[0].reasons == ["answer is not the reference"]
    assert found[1].reasons == ["the judge gave 25 %"]
    assert found[2].reasons == ["60 % of the teacher's samples agree"]
    assert found[3].reasons == ["the judge gave 80 %"]


def test_the_order_and_the_reasons_go_by_one_rule(folder: Path, facts: Path) -> None:
    found = worth_a_look(
        folder, root=folder.parent, rids=None, limit=99, facts=facts, confidences={"r2": 0.5, "r7": 0.1}
    )
    assert [c.score for c in found] == sorted((c.score for c in found), reverse=True)
    by_rid = {c.rid: c for c in found}
    assert by_rid[2].score == pytest.approx(1 - 0.6 * 0.5)
    assert by_rid[7].score == pytest.approx(1 - 0.8 * 0.1)
    assert by_rid[5].reasons == ["reads like a refusal"] and by_rid[0].reasons == ["holds personal data"]


def test_near_copies_are_one_row_the_most_doubtful_of_them(folder: Path, facts: Path) -> None:
    found = worth_a_look(folder, root=folder.parent, rids=None, limit=99, facts=facts)
    assert {c.rid: c.stands_for for c in found if c.stands_for > 1} == {6: 2}
    assert 4 not in [c.rid for c in found]
    rest = worth_a_look(folder, root=folder.parent, rids=None, limit=99, facts=facts, without=[6, 1])
    assert {4, 6, 1}.isdisjoint(c.rid for c in rest)


def test_a_filter_limits_the_choice(folder: Path, facts: Path) -> None:
    allowed = np.array([0, 2, 4], dtype=np.int32)
    found = worth_a_look(folder, root=folder.parent, rids=allowed, limit=2, facts=facts)
    assert [c.rid for c in found] == [0, 2]


def test_a_draw_goes_on_where_it_stopped() -> None:
    everything = np.arange(1000, dtype=np.int32)
    first = draw(everything, seed=7, limit=20)
    more = draw(everything, seed=7, limit=20, without=[c.rid for c in first])
    assert [c.rid for c in (*first, *more)] == [c.rid for c in draw(everything, seed=7, limit=40)]
    assert [c.rid for c in first] != [c.rid for c in draw(everything, seed=8, limit=20)]
    assert sorted(c.rid for c in draw(everything, seed=7, limit=5000)) == everything.tolist()


def test_row_order_goes_on_too() -> None:
    rids = np.array([3, 5, 9], dtype=np.int32)
    assert [c.rid for c in in_order(rids, limit=2)] == [3, 5]
    assert [c.rid for c in in_order(rids, limit=2, without=[3, 5])] == [9]


def test_a_row_of_which_nothing_is_known_scores_nothing() -> None:
    assert score(Signals()) == 0.0 and reasons(Signals()) == []
    assert score(Signals(agreement=1.0, judge=1.0)) == 0.0 and reasons(Signals(agreement=1.0)) == []
