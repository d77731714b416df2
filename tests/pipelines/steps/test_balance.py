"""Balancing labels and tags: who is capped, who is repeated, and what a copy remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.steps.balance import Balance, copied
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Outcome, row, try_step
from vault.rows import Row


def rows_with(counts: dict[str, int]) -> list[Row]:
    return [row(f"{label} {n}", label) for label, count in counts.items() for n in range(count)]


def labels(outcome: Outcome) -> Counter[str | None]:
    return Counter(r.completion_text for r in outcome.rows())


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"target": "smallest"}, {"a": 2, "b": 2, "c": 2}),
        ({"target": "median"}, {"a": 5, "b": 5, "c": 2}),
        ({"target": "number", "number": 4}, {"a": 4, "b": 4, "c": 2}),
        ({"target": "number", "number": 4, "repeat": True}, {"a": 4, "b": 4, "c": 4}),
        ({"target": "number", "number": 20, "repeat": True, "most_copies": 3}, {"a": 20, "b": 15, "c": 6}),
    ],
)
def test_each_label_comes_to_the_target(tmp_path: Path, params: dict[str, Any], expected: dict[str, int]) -> None:
    assert labels(try_step(Balance(), rows_with({"a": 20, "b": 5, "c": 2}), folder=tmp_path, **params)) == expected


def test_the_summary_tells_of_dropped_and_repeated_rows(tmp_path: Path) -> None:
    rows = rows_with({"a": 6, "b": 1})
    outcome = try_step(Balance(), rows, folder=tmp_path, target="number", number=4, repeat=True, most_copies=3)
    assert outcome.summary["headline"] == (
        "5 of 7 rows kept (2 dropped: 2 beyond the target). 2 copies added. 1 still has fewer than 4: “b”."
    )
    assert outcome.summary["groups"] == {"a": [6, 4], "b": [1, 3]}
    assert (outcome.summary["rows_in"], outcome.summary["rows_kept"], outcome.summary["rows_out"]) == (7, 5, 7)
    assert outcome.result.outputs["rows"].meta["rows"] == 7
    assert "“a” has more than 4 rows" in outcome.rows("rejects")[0].meta["reject"]["reason"]


def test_copies_follow_their_row_with_ids_of_their_own_and_their_lineage(tmp_path: Path) -> None:
    rows = rows_with({"a": 3, "b": 1})
    outcome = try_step(Balance(), rows, folder=tmp_path, target="number", number=3, repeat=True)
    original, *copies = [r for r in outcome.rows() if r.completion_text == "b"]
    assert [c.id for c in copies] == [f"{original.id}+2", f"{original.id}+3"]
    assert [c.meta["derived_from"] for c in copies] == [[original.id]] * 2
    assert len({r.id for r in outcome.rows()}) == 6


def test_a_copy_of_a_derived_row_remembers_the_whole_line() -> None:
    made = copied(replace(row("q", "a", id="x"), meta={"derived_from": ["seed"]}), 2)
    assert (made.id, made.meta["derived_from"], made.meta["copy"]) == ("x+2", ["seed", "x"], 2)


def test_repetition_is_even(tmp_path: Path) -> None:
    outcome = try_step(Balance(), rows_with({"a": 8, "b": 3}), folder=tmp_path, target="number", number=8, repeat=True)
    times = Counter(r.user_text for r in outcome.rows() if r.completion_text == "b")
    assert sorted(times.values()) == [2, 3, 3]


def test_the_reference_is_the_label_where_there_is_one_and_spelling_does_not_matter(tmp_path: Path) -> None:
    rows = [row(str(n), "x", reference=["A", "a.", "b"][n % 3]) for n in range(9)]
    outcome = try_step(Balance(), rows, folder=tmp_path, target="smallest")
    assert Counter((r.reference_text or "").lower().strip(".") for r in outcome.rows()) == {"a": 3, "b": 3}


def test_tags_count_by_their_order_and_rows_without_one_stay(tmp_path: Path) -> None:
    def tagged(n: int, *tags: str) -> Row:
        return replace(row(str(n), "x"), tags=list(tags))

    rows = [
        tagged(1, "web", "vip"),
        tagged(2, "web"),
        tagged(3, "web"),
        tagged(4, "vip"),
        tagged(5),
        tagged(6, "other"),
    ]
    outcome = try_step(Balance(), rows, folder=tmp_path, by="tag", tags=["vip", "web"], target="number", number=1)
    kept = [r.user_text for r in outcome.rows()]
    assert {"5", "6"} <= set(kept)
    assert len(kept) == 4
    assert outcome.summary["groups"] == {"vip": [2, 1], "web": [2, 1], "(none)": [2, 2]}


def test_another_seed_draws_others_and_the_same_seed_the_same(tmp_path: Path) -> None:
    rows = rows_with({"a": 40, "b": 4})
    drawn = [
        {r.id for r in try_step(Balance(), rows, folder=tmp_path / str(n), target="smallest", seed=seed).rows()}
        for n, seed in enumerate((0, 0, 1))
    ]
    assert drawn[0] == drawn[1] != drawn[2]


def test_without_anything_to_balance_by_the_step_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="No row has a tag") as caught:
        try_step(Balance(), [row("a", "b")], folder=tmp_path, by="tag")
    assert "Vault" in caught.value.action
    many = [row(str(n), f"answer {n}") for n in range(2_001)]
    with pytest.raises(StepError, match="2,001 different labels"):
        try_step(Balance(), many, folder=tmp_path / "many")


@pytest.mark.parametrize(
    "params", [{"target": "number"}, {"number": 3}, {"tags": ["x"]}, {"target": "number", "number": 0}]
)
def test_params_that_do_not_fit_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Balance.Params(**params)
