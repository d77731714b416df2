"""Drawing rows: exactly as many as asked for, the same every time, in the shares of the whole."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.steps.picking import apportion, group_rows, key_for
from pipelines.steps.sample import Sample, choose
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import row, try_step
from vault.rows import Row


def rows_with(counts: dict[str, int]) -> list[Row]:
    return [row(f"{label} {n}", label) for label, count in counts.items() for n in range(count)]


def taken(rows: list[Row], wanted: int, *, seed: int = 0, by: str = "") -> list[str]:
    key: Any = key_for(by) if by else (lambda r: ("", ""))  # type: ignore[arg-type]
    groups = group_rows(rows, key=key, seed=seed)
    return [r.user_text for r, inside in zip(rows, choose(groups, wanted), strict=True) if inside]


def test_as_many_rows_as_asked_for_stay_in_their_order(tmp_path: Path) -> None:
    rows = rows_with({"a": 50})
    outcome = try_step(Sample(), rows, folder=tmp_path, size=7)
    kept = [r.user_text for r in outcome.rows()]
    assert len(kept) == 7
    assert kept == sorted(kept, key=[r.user_text for r in rows].index)
    assert len(outcome.rows("rejects")) == 43
    assert outcome.summary["headline"] == "7 of 50 rows kept (43 dropped: 43 not drawn)."
    assert outcome.rows("rejects")[0].meta["reject"]["reason"] == "Not among the 7 rows that were drawn."


def test_a_share_is_of_all_rows_and_never_nothing(tmp_path: Path) -> None:
    assert len(try_step(Sample(), rows_with({"a": 40}), folder=tmp_path, size=None, share=0.25).rows()) == 10
    assert len(try_step(Sample(), rows_with({"a": 4}), folder=tmp_path / "few", size=None, share=0.01).rows()) == 1


def test_more_than_there_are_keeps_all_and_says_so(tmp_path: Path) -> None:
    outcome = try_step(Sample(), rows_with({"a": 3}), folder=tmp_path, size=10)
    assert outcome.summary["headline"] == "3 of 3 rows kept. There are no 10 rows."


def test_stratified_each_label_keeps_its_share(tmp_path: Path) -> None:
    outcome = try_step(Sample(), rows_with({"a": 60, "b": 30, "c": 10}), folder=tmp_path, size=20, stratify="label")
    assert Counter(r.completion_text for r in outcome.rows()) == {"a": 12, "b": 6, "c": 2}
    assert outcome.summary["groups"] == 3


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_file() -> None:
    rows = rows_with({"a": 100})
    assert set(taken(rows, 10)) == set(taken(rows[::-1], 10))
    assert set(taken(rows, 10)) != set(taken(rows, 10, seed=1))


def test_rows_added_later_push_out_few() -> None:
    rows = rows_with({"a": 1_000})
    before, after = set(taken(rows[:900], 100)), set(taken(rows, 100))
    assert len(before & after) > 75


def test_the_draw_is_fair() -> None:
    rows = rows_with({"a": 20})
    counts = Counter(text for seed in range(400) for text in taken(rows, 5, seed=seed))
    assert len(counts) == 20
    assert all(60 < count < 145 for count in counts.values()), "each is drawn about 100 times of 400"


def test_rows_with_one_id_are_drawn_each_for_itself() -> None:
    rows = [row("same", str(n), id="x") for n in range(50)]
    assert 0 < len(taken(rows, 25)) == 25


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(0, 50), min_size=1), st.integers(0, 200))
def test_places_are_shared_out_exactly_and_in_proportion(sizes: dict[str, int], total: int) -> None:
    given_out = apportion(total, sizes)
    rows = sum(sizes.values())
    assert sum(given_out.values()) == min(total, rows)
    for key, size in sizes.items():
        assert 0 <= given_out[key] <= size
        if rows:
            assert abs(given_out[key] - min(total, rows) * size / rows) < 1


def test_free_text_is_no_label(tmp_path: Path) -> None:
    rows = [row(str(n), f"answer {n}") for n in range(2_001)]
    with pytest.raises(StepError, match="2,001 different labels"):
        try_step(Sample(), rows, folder=tmp_path, size=5, stratify="label")


@pytest.mark.parametrize("params", [{"size": None}, {"share": 0.5}, {"size": 0}, {"size": None, "share": 1.5}])
def test_params_that_do_not_fit_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sample.Params(**params)
