"""The length filter's limits, reasons and parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.steps.filter_length import FilterLength, broken_limit
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step

LIMITS = FilterLength.Params(prompt_min=3, prompt_max=5, answer_min=2, answer_max=4, messages_max=2)


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        ("ab", "yes", "The prompt has 2 characters; at least 3."),
        ("abc", "yes", ""),
        ("abcde", "yes", ""),
        ("abcdef", "yes", "The prompt has 6 characters; at most 5."),
        ("abc", "y", "The answer has 1 characters; at least 2."),
        ("abc", "   ", "The answer has 0 characters; at least 2."),
        ("abc", "maybe", "The answer has 5 characters; at most 4."),
        ("abc", None, ""),
    ],
)
def test_each_limit_is_inclusive_and_its_reason_names_the_number(text: str, answer: str | None, reason: str) -> None:
    assert broken_limit(row(text, answer), limits=LIMITS)[1] == reason


def test_the_system_prompt_counts_as_a_message_but_not_as_length() -> None:
    assert broken_limit(row("abc", "yes", system="x" * 99), limits=LIMITS) == ("", "")
    one_message = LIMITS.model_copy(update={"messages_max": 1})
    assert broken_limit(row("abc", "yes", system="x"), limits=one_message)[1] == "The prompt has 2 messages; at most 1."


def test_the_step_sorts_rows_into_kept_and_rejected(tmp_path: Path) -> None:
    rows = [row("short", "yes"), row("x" * 40, "yes"), row("fine", "n" * 40), row("good", "no")]
    outcome = try_step(FilterLength(), rows, folder=tmp_path, prompt_max=30, answer_max=30, meta={"labels": ["yes"]})
    assert [r.user_text for r in outcome.rows()] == ["short", "good"]
    assert len(outcome.rows("rejects")) == 2
    assert outcome.summary["headline"] == (
        "2 of 4 rows kept (2 dropped: 1 with too long a prompt, 1 with too long an answer)."
    )
    assert outcome.result.outputs["rows"].meta == {"labels": ["yes"], "rows": 2}
    assert outcome.desk.reports[-1] == (4, 4)


def test_limits_that_contradict_each_other_are_a_bad_parameter() -> None:
    with pytest.raises(ValidationError, match=r"shortest answer \(9\) is longer than the longest answer \(3\)"):
        FilterLength.Params(answer_min=9, answer_max=3)


def test_limits_that_keep_nothing_say_so(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="1 with too short a prompt"):
        try_step(FilterLength(), [row("a", "b")], folder=tmp_path, prompt_min=10)
