"""Counting, telling and writing what a curation step keeps and drops."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.steps.base import InputArtifact
from pipelines.steps.sieve import Verdict, headline, passed_on, sift
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Desk, row
from vault.rows import read_rows


def test_the_headline_names_every_cause_with_its_number() -> None:
    assert headline(total=1200, kept=1190, dropped={"too short": 8, "too long": 2}) == (
        "1,190 of 1,200 rows kept (10 dropped: 8 too short, 2 too long)."
    )
    assert headline(total=1, kept=1, dropped={}) == "1 of 1 row kept."


def test_rejects_carry_the_step_and_the_reason_and_keep_their_order(tmp_path: Path) -> None:
    verdicts = [Verdict(row("a")), Verdict(row("b"), "odd ones", "b is odd"), Verdict(row("c"), "odd ones", "c is odd")]
    result, causes = sift(Desk(tmp_path), verdicts, by="sieve", meta={}, action="")
    rejects = list(read_rows(result.outputs["rejects"].path))
    assert [(r.user_text, r.meta["reject"]) for r in rejects] == [
        ("b", {"by": "sieve", "reason": "b is odd"}),
        ("c", {"by": "sieve", "reason": "c is odd"}),
    ]
    assert [r.user_text for r in read_rows(result.outputs["rows"].path)] == ["a"]
    assert causes == {"odd ones": 2}
    assert result.summary["rows_in"] == 3
    assert not (tmp_path / "rejects.jsonl").exists()


def test_a_step_that_keeps_nothing_fails_with_the_causes_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="No row is left after this step: 1 too odd") as caught:
        sift(Desk(tmp_path), [Verdict(row("a"), "too odd", "a is odd")], by="sieve", meta={}, action="Widen it.")
    assert caught.value.action == "Widen it."


def test_the_label_set_travels_on_to_the_next_step() -> None:
    source = InputArtifact("0" * 64, "dataset", Path(), {"labels": ["a", "b"], "rows": 9, "cost_usd": 1.0})
    assert passed_on(source, rows=3) == {"labels": ["a", "b"], "rows": 3}


def test_equal_rows_under_another_label_set_are_another_artifact(tmp_path: Path) -> None:
    for name, labels in (("one", ["a"]), ("two", ["a", "b"]), ("none", [])):
        (tmp_path / name).mkdir()
        sift(Desk(tmp_path / name), [Verdict(row("x", "a"))], by="sieve", meta={"labels": labels}, action="")
    assert json.loads((tmp_path / "two" / "rows" / "labels.json").read_text()) == ["a", "b"]
    assert json.loads((tmp_path / "one" / "rows" / "labels.json").read_text()) == ["a"]
    assert not (tmp_path / "none" / "rows" / "labels.json").exists()
