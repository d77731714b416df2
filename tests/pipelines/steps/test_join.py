"""Joining two sets of rows: order, ids that clash, label sets, and nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.steps.base import InputArtifact
from pipelines.steps.join import Join
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Desk, Outcome, row
from vault.rows import Row, write_rows


def join(folder: Path, first: list[Row], second: list[Row], **labels: list[str]) -> Outcome:
    inputs = {}
    for port, rows in (("rows", first), ("more", second)):
        write_rows(folder / port, rows)
        meta: dict[str, Any] = {"labels": labels[port]} if port in labels else {}
        inputs[port] = InputArtifact("0" * 64, "dataset", folder / port, meta)
    desk = Desk(folder / "scratch")
    desk.scratch.mkdir()
    return Outcome(Join().run(desk, Join.Params(), inputs), desk)


def test_the_second_inputs_rows_follow_the_firsts(tmp_path: Path) -> None:
    outcome = join(tmp_path, [row("a", "1"), row("b", "2")], [row("c", "3")])
    assert [r.user_text for r in outcome.rows()] == ["a", "b", "c"]
    assert outcome.summary["headline"] == "2 and 1 rows make 3."
    assert outcome.result.outputs["rows"].meta == {"rows": 3}


def test_a_row_whose_id_is_taken_stays_under_another(tmp_path: Path) -> None:
    outcome = join(tmp_path, [row("a", id="x"), row("b", id="x-2")], [row("c", id="x"), row("d", id="x")])
    assert [r.id for r in outcome.rows()] == ["x", "x-2", "x-3", "x-4"]
    assert outcome.summary["renamed"] == 2 and "2 had the id of an earlier row" in outcome.summary["headline"]


def test_label_sets_are_joined_or_not_claimed(tmp_path: Path) -> None:
    both = join(tmp_path / "a", [row("a")], [row("b")], rows=["x", "y"], more=["y", "z"])
    assert both.result.outputs["rows"].meta["labels"] == ["x", "y", "z"]
    one = join(tmp_path / "b", [row("a")], [row("b")], rows=["x"])
    assert "labels" not in one.result.outputs["rows"].meta


def test_one_empty_input_is_fine_and_two_are_told(tmp_path: Path) -> None:
    assert len(join(tmp_path / "a", [], [row("a")]).rows()) == 1
    with pytest.raises(StepError, match="Both inputs are empty"):
        join(tmp_path / "b", [], [])
