"""Keeping rows by a pattern: where it looks, which way round, and what it says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.steps.filter_regex import FilterRegex, first_match
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step
from vault.quality.patterns import compile_pattern

ROW = replace(
    row("question", "answer", reference="gold", system="rules"), tags=["vip"], meta={"source": {"file": "a.csv"}}
)


@pytest.mark.parametrize(
    ("pattern", "field", "found"),
    [
        ("answ", "answer", "answer"),
        ("quest", "answer", None),
        ("quest", "prompt", "prompt"),
        ("rules", "prompt", None),
        ("rules", "system prompt", "system prompt"),
        ("question", "last user message", "last user message"),
        ("gold", "reference", "reference"),
        ("vip", "tags", "tags"),
        (r"a\.csv", "meta", "meta"),
        ("gold", "any of them", "reference"),
        ("nowhere", "any of them", None),
    ],
)
def test_each_part_of_a_row_can_be_looked_at(pattern: str, field: str, found: str | None) -> None:
    place, text = first_match(ROW, compile_pattern(pattern), field=field)  # type: ignore[arg-type]
    assert (place if text is not None else None) == found


def test_rows_with_a_match_stay_and_the_others_say_what_was_missing(tmp_path: Path) -> None:
    outcome = try_step(FilterRegex(), [row("a", "42"), row("b", "none")], folder=tmp_path, pattern=r"^\d+$")
    assert [r.user_text for r in outcome.rows()] == ["a"]
    assert outcome.rows("rejects")[0].meta["reject"] == {
        "by": "filter_regex",
        "reason": r"The pattern '^\\d+$' was not found in the answer.",
    }
    assert outcome.summary["headline"] == "1 of 2 rows kept (1 dropped: 1 without a match)."


def test_the_other_way_round_the_reason_quotes_what_was_found(tmp_path: Path) -> None:
    rows = [row("a", "fine"), row("b", "As an AI, I")]
    outcome = try_step(
        FilterRegex(), rows, folder=tmp_path, pattern="as an ai", ignore_case=True, keep="rows without a match"
    )
    assert [r.user_text for r in outcome.rows()] == ["a"]
    assert outcome.rows("rejects")[0].meta["reject"]["reason"] == "The pattern matches “As an AI” in the answer."


def test_a_row_without_an_answer_has_an_empty_one(tmp_path: Path) -> None:
    assert len(try_step(FilterRegex(), [row("a")], folder=tmp_path, pattern="^$").rows()) == 1


def test_a_bad_pattern_is_a_bad_parameter() -> None:
    with pytest.raises(ValidationError, match="two steps"):
        FilterRegex.Params(pattern="(?<=a)b")


def test_a_pattern_that_keeps_nothing_says_so(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="1 without a match") as caught:
        try_step(FilterRegex(), [row("a", "b")], folder=tmp_path, pattern="z")
    assert "turn “Keep” around" in caught.value.action
