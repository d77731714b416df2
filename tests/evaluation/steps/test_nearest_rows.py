"""Rows of a dataset that lie nearest to others, the same each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluation.steps.nearest_rows import NearestRows, choose
from pipelines.steps.base import InputArtifact
from studio.lib.errors import StepError
from tests.evaluation.lost_rows import LOST, held_out_rows
from tests.pipelines.steps.desk import Desk, Outcome, row
from vault.rows import Row, write_rows

OTHERS = [row(f"please change my address, number {n}", "address") for n in range(20)]
NEAR = [row(f"a thief stole my wallet and card near gate {n}", "stolen") for n in range(6)]


def take(folder: Path, rows: list[Row], like: list[Row], **params: Any) -> Outcome:
    for name, found in (("rows", rows), ("like", like)):
        write_rows(folder / name, found)
    desk = Desk(folder / "scratch")
    desk.scratch.mkdir()
    given = {
        name: InputArtifact(name[0] * 64, "dataset", folder / name, {"labels": ["stolen"]}) for name in ("rows", "like")
    }
    return Outcome(NearestRows().run(desk, NearestRows.Params(**params), given), desk)


def test_the_rows_like_the_lost_ones_stay_in_their_order(tmp_path: Path) -> None:
    rows = [*OTHERS[:10], *NEAR, *OTHERS[10:]]
    lost = "\n".join(f"h{n}" for n in range(len(LOST)))
    outcome = take(tmp_path, rows, held_out_rows(), count=6, ids=lost)
    assert [r.user_text for r in outcome.rows()] == [r.user_text for r in NEAR]
    assert outcome.summary["headline"] == "6 of 26 rows kept (20 dropped: 20 not near)."
    assert outcome.result.outputs["rows"].meta["labels"] == ["stolen"]


def test_a_row_that_asks_what_the_pattern_asks_is_dropped_and_said(tmp_path: Path) -> None:
    copy = row(LOST[0][0].upper() + "!", "stolen")
    outcome = take(tmp_path, [copy, *NEAR], held_out_rows()[:12], count=10)
    assert [r.user_text for r in outcome.rows()] == [r.user_text for r in NEAR]
    assert outcome.rows("rejects")[0].meta["reject"]["reason"] == "It asks what a row of the pattern asks."


def test_the_same_rows_are_chosen_each_time_and_equal_ones_in_their_order() -> None:
    pattern = [text for text, _ in LOST]
    texts = [r.user_text for r in [*NEAR, *OTHERS]] * 2
    assert choose(pattern, texts, count=9) == choose(pattern, texts, count=9)
    same = ["my wallet was stolen"] * 5
    assert choose(pattern, same, count=2)[0] == {0, 1}


def test_what_has_nothing_in_common_is_never_taken_and_signs_do_not_break_it(tmp_path: Path) -> None:
    assert choose(["wallet"], ["xyzq", "?!", ""], count=3) == (set(), set())
    assert choose(["?!"], ["what is it", "…"], count=3)[0] == set()
    with pytest.raises(StepError, match="No row is left after this step: 1 not near"):
        take(tmp_path, [row("xyzq", "a")], [row("wallet", "b")], count=3)


def test_ids_that_nobody_has_are_said(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="None of the rows named") as told:
        take(tmp_path, NEAR, held_out_rows(), count=3, ids="nobody")
    assert "like" in told.value.action
