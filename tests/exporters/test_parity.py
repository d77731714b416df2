"""Comparing a file's answers with the adapter's."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.exporters import parity

QUESTIONS = [("a", "qa"), ("b", "qb"), ("c", "qc"), ("d", "qd")]


def test_only_the_very_answer_counts_and_every_difference_can_be_read() -> None:
    ours = {"a": "x", "b": "x", "c": None, "d": None}
    theirs = {"a": "x ", "b": "X", "c": "y", "d": None}
    told = parity.compare(ours, theirs, QUESTIONS)
    assert (told["same"], told["rows"], told["share"]) == (1, 3, 1 / 3)
    assert told["differences"] == [
        {"id": "b", "question": "qb", "adapter": "x", "file": "X"},
        {"id": "c", "question": "qc", "adapter": None, "file": "y"},
    ]


def test_nothing_compared_has_no_share() -> None:
    assert parity.compare({}, {}, QUESTIONS)["share"] is None


def test_errors_are_no_answers(tmp_path: Path) -> None:
    lines = [{"id": "a", "text": "x", "error": None}, {"id": "b", "text": None, "error": "too long"}]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert parity.read_answers(tmp_path / "p.jsonl") == {"a": "x", "b": None}
