"""The predictions job: planning, examples, views, resuming."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.recipes.answering import (
    Answerer,
    Job,
    Task,
    evenly,
    finished_ids,
    fit_examples,
    messages_for,
    peak_memory,
)
from pipelines.recipes.events import RecipeError
from pipelines.recipes.tree_decoder import TreeDecoder
from tests.recipes import tiny


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


def test_batches_hold_rows_of_similar_length_within_the_budget(tmp_path: Path) -> None:
    tasks = [Task(str(n), [1] * n) for n in (900, 10, 300, 12, 11)]
    decoder = TreeDecoder(tiny.make_model(), [])
    answerer = Answerer(job(tmp_path, batch_tokens=350), None, decoder, prefix=0, context=2000, trie=None)  # type: ignore[arg-type]
    assert [[t.id for t in batch] for batch in answerer.batches(tasks)] == [["10", "11", "12"], ["300"], ["900"]]


def test_rows_timed_alone_are_spread_over_the_job() -> None:
    assert evenly(10, 5) == {0, 2, 4, 6, 8}
    assert evenly(3, 50) == {0, 1, 2}
    assert evenly(0, 5) == set()


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


def test_the_memory_a_process_has_held_is_told_in_bytes() -> None:
    peak = peak_memory()
    assert peak is None or peak > 10 << 20
