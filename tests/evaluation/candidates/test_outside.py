"""Answers of models asked over a network: what an evaluation makes of the artifact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.outside import (
    answer_row,
    candidate_name,
    free_label,
    outside_candidates,
    read_candidates,
    write_candidates,
)
from pipelines.teachers.base import Completion, Usage
from pipelines.teachers.storage import StoredCall
from studio.lib.errors import StepError
from tests.evaluation.conftest import make_rows
from vault.rows import Row, write_rows


def call(text: str, **more: Any) -> StoredCall:
    """An answer out of the cache."""
    values = {"model": "big-2026-03-01", "usage": Usage(50, 5), "latency_ms": 120.0, **more}
    return StoredCall("key", Completion(text, **values), cost_usd=0.001, at="2026-03-02T10:00:00+00:00")


def told(name: str = "outside_big", label: str = "big", **more: Any) -> dict[str, Any]:
    """What the step says of a candidate."""
    return {"name": name, "label": label, "teacher": "openai", "model": "big", "temperature": None, "max_tokens": 64, "view": {"mode": "keep", "text": ""}, "again": 0} | more  # fmt: skip


def publish(folder: Path, rows: list[Row], *candidates: dict[str, Any]) -> Path:
    """An artifact of these rows and candidates."""
    write_rows(folder, rows)
    write_candidates(folder, candidates or [told()])
    return folder


def answers(rows: list[Row], *calls: StoredCall | str, name: str = "outside_big", label: str = "big") -> list[Row]:
    """Each row with its answer, or why there is none."""
    return [
        answer_row(row, row.prompt, None, name=name, label=label, why=one)
        if isinstance(one, str)
        else answer_row(row, row.prompt, one, name=name, label=label, why=one.problem)
        for row, one in zip(rows, calls, strict=True)
    ]


ROWS = make_rows([("card", "card"), ("cash", "card"), ("cash", "cash")])


def test_a_candidate_has_its_answers_prices_times_and_who_gave_them(tmp_path: Path) -> None:
    made = answers(
        ROWS, call("card", first_ms=30.0, fingerprint="fp_1"), call("card", fingerprint="fp_2"), "The call failed."
    )
    (found,), notes = outside_candidates(publish(tmp_path / "a", made), ROWS)
    assert (found.name, found.label, found.kind) == ("outside_big", "big", "outside")
    assert found.answers["r0"].text == "card"
    assert (found.answers["r0"].first_ms, found.answers["r1"].first_ms) == (30.0, None)
    assert found.answers["r2"].error == "The call failed."
    assert found.usd_by_row == {"r0": 0.001, "r1": 0.001}
    assert found.source is not None
    assert found.source["models"] == [
        {"model": "big-2026-03-01", "fingerprint": "fp_1", "rows": 1},
        {"model": "big-2026-03-01", "fingerprint": "fp_2", "rows": 1},
    ]
    assert notes == []


def test_a_refusal_that_was_paid_for_keeps_its_price_and_gives_no_time(tmp_path: Path) -> None:
    refused = replace(call("no"), problem="The teacher refused to answer.")
    (found,), _ = outside_candidates(publish(tmp_path / "a", answers(ROWS[:1], refused)), ROWS[:1])
    assert found.usd_by_row == {"r0": 0.001}
    assert (found.answers["r0"].error, found.answers["r0"].latency_ms) == ("The teacher refused to answer.", None)


def test_rows_that_were_not_put_to_it_count_nowhere(tmp_path: Path) -> None:
    (found,), notes = outside_candidates(publish(tmp_path / "a", answers(ROWS[:1], call("card"))), ROWS)
    assert found.asked == {"r0"}
    assert notes == []


def test_a_row_whose_question_has_changed_since_counts_nowhere_and_is_told(tmp_path: Path) -> None:
    other = replace(ROWS[1], prompt=[{"role": "user", "content": "something else"}])
    folder = publish(tmp_path / "a", answers([ROWS[0], other], call("card"), call("cash")))
    (found,), notes = outside_candidates(folder, ROWS)
    assert found.asked == {"r0"}
    assert notes == [
        "big was asked 1 row with another question than the one that is evaluated; they do not count. "
        "Run 'Ask another model' on these rows."
    ]


def test_another_system_prompt_is_the_same_question(tmp_path: Path) -> None:
    bare = [m for m in ROWS[0].prompt if m["role"] != "system"]
    row = answer_row(ROWS[0], bare, call("card"), name="outside_big", label="big", why="")
    (found,), _ = outside_candidates(publish(tmp_path / "a", [row]), ROWS)
    assert found.asked == {"r0"}


def test_answers_to_other_rows_are_refused_in_words(tmp_path: Path) -> None:
    strangers = [replace(row, id=f"x{row.id}") for row in ROWS]
    folder = publish(tmp_path / "a", answers(strangers, call("a"), call("b"), call("c")))
    with pytest.raises(StepError, match="big was asked none of the rows"):
        outside_candidates(folder, ROWS)


def test_the_recorded_answers_themselves_are_counted(tmp_path: Path) -> None:
    recorded = [replace(row, meta={"at": "2026-03-02T10:00:00+00:00"}) for row in ROWS[:2]]
    later = replace(call("cash"), at="2026-05-01T00:00:00+00:00")
    (found,), _ = outside_candidates(publish(tmp_path / "a", answers(recorded, call("card"), later)), recorded)
    assert found.source is not None
    assert found.source["own"] == 1
    assert (found.source["first_at"], found.source["last_at"]) == (
        "2026-03-02T10:00:00+00:00",
        "2026-05-01T00:00:00+00:00",
    )


def test_several_models_come_in_the_order_in_which_they_were_asked(tmp_path: Path) -> None:
    rows = [
        *answers(ROWS[:1], call("card")),
        *answers(ROWS[:1], call("cash"), name="outside_small", label="small"),
    ]
    folder = publish(tmp_path / "a", rows, told(), told("outside_small", "small"))
    found, _ = outside_candidates(folder, ROWS[:1])
    assert [c.answers["r0"].text for c in found] == ["card", "cash"]
    assert [c["label"] for c in read_candidates(folder)] == ["big", "small"]


def test_names_are_column_names_and_nobody_shares_one() -> None:
    assert candidate_name("Meta/Llama-4 (8B)") == "outside_meta_llama_4_8b"
    assert candidate_name("日本") == "outside_model"
    assert candidate_name("a", taken={"outside_a", "outside_a_2"}) == "outside_a_3"
    assert len(candidate_name("x" * 200, taken={f"outside_{'x' * 40}"})) <= 60
    assert free_label("a", taken={"a"}) == "a (2)"
