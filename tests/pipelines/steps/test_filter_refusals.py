"""Refusals, empty and cut-off answers: which go, by which setting, and with which reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.steps.filter_refusals import FilterRefusals, fault
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step

NO = "I'm sorry, but I can't help with that."
NO_AND_MORE = NO + " What you can do instead is this. " + "First, open the settings and look for the list. " * 12


def cause(answer: str | None, **params: object) -> str:
    return fault(row("q", answer), params=FilterRefusals.Params(**params))[0]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "params", "expected"),
    [
        (NO, {}, "refusals"),
        ("Open the settings.", {}, ""),
        (NO_AND_MORE, {}, "refusals"),
        (NO_AND_MORE, {"where": "whole answer"}, ""),
        (NO, {"where": "whole answer"}, "refusals"),
        ("That is above my pay grade.", {"phrases": ["above my PAY grade"]}, "refusals"),
        ("", {}, "empty"),
        (" \n", {"empty": False}, ""),
        (None, {}, "without an answer"),
        (None, {"empty": False}, ""),
        ("```python\nprint(1)", {}, ""),
        ("```python\nprint(1)", {"truncated": True}, "cut off"),
    ],
)
def test_what_is_dropped_depends_on_the_settings(answer: str | None, params: dict[str, object], expected: str) -> None:
    assert cause(answer, **params) == expected


def test_the_providers_word_decides_whether_an_answer_was_cut_off() -> None:
    params = FilterRefusals.Params(truncated=True)
    cut = replace(row("q", "A whole sentence."), meta={"finish_reason": "length"})
    assert fault(cut, params=params)[0] == "cut off"
    whole = replace(row("q", "```\nopen"), meta={"finish_reason": "stop"})
    assert fault(whole, params=params) == ("", "")


def test_the_reason_quotes_the_words_and_the_headline_adds_up(tmp_path: Path) -> None:
    rows = [row("a", "Sure."), row("b", NO), row("c", ""), row("d", "Als KI-Sprachmodell darf ich das nicht.")]
    outcome = try_step(FilterRefusals(), rows, folder=tmp_path)
    assert outcome.summary["headline"] == "1 of 4 rows kept (3 dropped: 2 refusals, 1 empty)."
    first = outcome.rows("rejects")[0].meta["reject"]
    assert first == {"by": "filter_refusals", "reason": "The answer refuses: “i can't help”."}


def test_a_teacher_that_only_refuses_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="1 refusals") as caught:
        try_step(FilterRefusals(), [row("a", NO)], folder=tmp_path)
    assert "Read the rejected answers" in caught.value.action
