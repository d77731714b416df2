"""Rows as tasks: examples, views, and going on after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipes.answer_tasks import Job, finished_ids, fit_examples, messages_for
from pipelines.recipes.events import RecipeError


def job(tmp_path: Path, **changes: Any) -> Job:
    return Job.from_config({"rows": str(tmp_path / "rows.jsonl"), "out": str(tmp_path / "out.jsonl"), **changes})


def test_examples_are_turns_between_the_system_prompt_and_the_message(tmp_path: Path) -> None:
    example = {
        "prompt": [{"role": "system", "content": "old"}, {"role": "user", "content": "q"}],
        "completion": {"role": "assistant", "content": "a"},
    }
    row = {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    shown = messages_for(row, job(tmp_path, examples=[example]))
    assert [(m["role"], m["content"]) for m in shown] == [
        ("system", "s"),
        ("user", "q"),
        ("assistant", "a"),
        ("user", "u"),
    ]


def test_the_view_is_applied_before_the_examples(tmp_path: Path) -> None:
    row = {"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]}
    shown = messages_for(row, job(tmp_path, prompt_view={"mode": "drop", "text": ""}))
    assert [m["role"] for m in shown] == ["user"]


def test_a_line_cut_short_by_a_kill_is_cut_off_and_answered_again(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    whole = json.dumps({"id": "a", "text": "x"}) + "\n"
    out.write_text(whole + '{"id": "b", "te', encoding="utf-8")
    assert finished_ids(out) == {"a"}
    assert out.read_text("utf-8") == whole


def test_a_whole_line_without_its_newline_is_answered_again(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text(json.dumps({"id": "a"}), encoding="utf-8")
    assert finished_ids(out) == set()
    assert out.read_text("utf-8") == ""


@pytest.mark.parametrize(
    ("changes", "words"), [({"mode": "x"}, "Unknown mode"), ({"mode": "labels"}, "without labels")]
)
def test_a_job_that_cannot_be_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        job(tmp_path, **changes)


class WordSpeller:
    """A token a word; answers cost nothing."""

    def encode_prompts(self, chats: list[list[dict[str, Any]]]) -> list[list[int]]:
        """The words of every message."""
        return [[1 for m in chat for _ in m["content"].split()] for chat in chats]


def example(words: int) -> dict[str, Any]:
    """A worked example of so many words, its answer included."""
    return {"prompt": [{"role": "user", "content": "q " * (words - 1)}], "completion": {"content": "a"}}


@pytest.mark.parametrize(("context", "kept"), [(200, 3), (40, 2), (29, 1), (18, 0), (9, 0)])
def test_as_many_examples_are_kept_as_leave_the_longest_row_room_to_be_answered(
    tmp_path: Path, context: int, kept: int
) -> None:
    rows = [{"id": str(n), "prompt": [{"role": "user", "content": "w " * n}]} for n in (3, 10, 7)]
    told = job(tmp_path, examples=[example(10)] * 3, max_new_tokens=8)
    assert len(fit_examples(rows, told, WordSpeller(), context=context).examples) == kept  # type: ignore[arg-type]


def test_a_row_that_is_too_long_without_examples_takes_none_away_from_the_others(tmp_path: Path) -> None:
    rows = [{"id": str(n), "prompt": [{"role": "user", "content": "w " * n}]} for n in (5, 500)]
    told = job(tmp_path, examples=[example(10)] * 3, max_new_tokens=8)
    assert len(fit_examples(rows, told, WordSpeller(), context=60).examples) == 3  # type: ignore[arg-type]
