"""The predictions job: planning its batches, and its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipelines.recipes.answer_tasks import Job, Task
from pipelines.recipes.answering import Answerer, evenly, peak_memory
from pipelines.recipes.tree_decoder import TreeDecoder
from tests.recipes import tiny


def job(tmp_path: Path, **changes: Any) -> Job:
    return Job.from_config({"rows": str(tmp_path / "rows.jsonl"), "out": str(tmp_path / "out.jsonl"), **changes})


def test_batches_hold_rows_of_similar_length_within_the_budget(tmp_path: Path) -> None:
    tasks = [Task(str(n), [1] * n) for n in (900, 10, 300, 12, 11)]
    decoder = TreeDecoder(tiny.make_model(), [])
    answerer = Answerer(job(tmp_path, batch_tokens=350), None, decoder, prefix=0, context=2000, trie=None)  # type: ignore[arg-type]
    assert [[t.id for t in batch] for batch in answerer.batches(tasks)] == [["10", "11", "12"], ["300"], ["900"]]


def test_rows_timed_alone_are_spread_over_the_job() -> None:
    assert evenly(10, 5) == {0, 2, 4, 6, 8}
    assert evenly(3, 50) == {0, 1, 2}
    assert evenly(0, 5) == set()


def test_the_memory_a_process_has_held_is_told_in_bytes() -> None:
    peak = peak_memory()
    assert peak is None or peak > 10 << 20
