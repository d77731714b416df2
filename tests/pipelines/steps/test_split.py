"""The split: disjoint, complete, exact in its shares, steady when rows are added, and by label."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.steps.split import PARTS, Keyed, Split, assign, keyed_row, quotas, stratum_labels, tied
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Outcome, row, try_step

PARAMS = Split.Params()
KEYED = st.lists(
    st.builds(Keyed, st.integers(0, 60).map(str), st.sampled_from(["", "x", "y", "z"])), min_size=100, max_size=200
).filter(lambda rows: len({r.group for r in rows}) >= 3)


def distinct(count: int, *, labels: int = 4) -> list[Keyed]:
    return [Keyed(f"prompt {n}", f"label {n % labels}") for n in range(count)]


@settings(deadline=None)
@given(rows=KEYED, seed=st.integers(0, 3))
def test_every_row_has_one_part_and_no_prompt_is_on_two_sides(rows: list[Keyed], seed: int) -> None:
    plan = assign(rows, params=Split.Params(seed=seed))
    assert len(plan.parts) == len(rows)
    assert set(plan.parts) == set(PARTS)
    sides: dict[str, set[str]] = {}
    for keyed, part in zip(rows, plan.parts, strict=True):
        sides.setdefault(keyed.group, set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())


@settings(deadline=None)
@given(rows=KEYED, shuffle=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows: list[Keyed], shuffle: random.Random) -> None:
    before = dict(zip([r.group for r in rows], assign(rows, params=PARAMS).parts, strict=True))
    shuffle.shuffle(rows)
    assert dict(zip([r.group for r in rows], assign(rows, params=PARAMS).parts, strict=True)) == before


@settings(deadline=None)
@given(count=st.integers(20, 400), labels=st.integers(1, 9), test=st.sampled_from([0.1, 0.15, 0.25]))
def test_shares_are_exact_to_the_row_in_total_and_in_each_label(count: int, labels: int, test: float) -> None:
    rows = distinct(count, labels=labels)
    parts = assign(rows, params=Split.Params(test=test)).parts
    assert parts.count("test") == max(1, round(count * test))
    assert parts.count("validation") == max(1, round(count * 0.1))
    sizes = Counter(r.label for r in rows)
    held = Counter(r.label for r, part in zip(rows, parts, strict=True) if part == "test")
    assert all(abs(held[label] - sizes[label] * test) <= 1 for label in sizes)


def test_added_rows_move_few_rows_and_none_between_test_and_validation() -> None:
    old, new = distinct(1_000), distinct(1_100)
    before, after = assign(old, params=PARAMS).parts, assign(new, params=PARAMS).parts[:1_000]
    moved = Counter((a, b) for a, b in zip(before, after, strict=True) if a != b)
    assert sum(moved.values()) <= 40
    assert ("test", "validation") not in moved
    assert ("validation", "test") not in moved


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    rows = distinct(300)
    first, second = (assign(rows, params=Split.Params(seed=seed)).parts for seed in (1, 2))
    assert first != second
    assert first == assign(rows, params=Split.Params(seed=1)).parts


@pytest.mark.parametrize("copy", ["pay  THE rent!", "Pay the rent", "pay_the_rent…", "ｐａｙ the rent"])
def test_copies_that_differ_in_case_spaces_punctuation_or_system_prompt_stay_together(copy: str) -> None:
    assert keyed_row(row(copy, system="other")).group == keyed_row(row("pay the rent")).group


def test_prompts_of_nothing_but_signs_are_told_apart() -> None:
    assert keyed_row(row("🙂")).group != keyed_row(row("🙁")).group


def test_the_reference_is_the_label_where_there_is_one() -> None:
    assert keyed_row(row("a", "Teacher says", reference="Gold.")).label == "gold"
    assert keyed_row(row("a", "Teacher says")).label == "teacher says"


@pytest.mark.parametrize(
    ("labels", "expected"),
    [(["x", "y"] * 5, {"x", "y"}), ([str(n) for n in range(10)], set()), (["x"] * 10, set()), ([""] * 10, set())],
)
def test_answers_are_labels_only_when_they_are_few_and_used_often(labels: list[str], expected: set[str]) -> None:
    assert stratum_labels([Keyed(str(n), v) for n, v in enumerate(labels)], params=PARAMS) == expected


def test_stratifying_can_be_switched_off() -> None:
    assert assign(distinct(40), params=Split.Params(stratify="never")).labels == 0


def test_quotas_give_spare_rows_to_the_largest_remainders() -> None:
    assert quotas({"a": 19, "b": 11, "c": 10}, share=0.1, seed=0) == {"a": 2, "b": 1, "c": 1}


def test_one_huge_group_of_copies_does_not_swallow_the_test_set() -> None:
    rows = [Keyed("same", "")] * 80 + [Keyed(str(n), "") for n in range(20)]
    parts = assign(rows, params=PARAMS).parts
    assert set(parts[:80]) == {"train"}
    assert (parts.count("test"), parts.count("validation")) == (10, 10)


def test_three_prompts_are_enough_for_three_parts_and_two_are_not() -> None:
    assert sorted(assign(distinct(3), params=PARAMS).parts) == ["test", "train", "validation"]
    with pytest.raises(StepError, match="3 parts were asked for, but there are only 2 distinct prompts"):
        assign(distinct(2), params=PARAMS)


def test_a_share_of_nothing_is_an_empty_part(tmp_path: Path) -> None:
    outcome = try_step(Split(), [row(str(n), "x") for n in range(10)], folder=tmp_path, validation=0.0, test=0.2)
    assert [len(outcome.rows(part)) for part in PARTS] == [8, 0, 2]


def test_the_step_writes_each_row_once_and_says_how_many(tmp_path: Path) -> None:
    rows = [row(f"prompt {n}", "ab"[n % 2]) for n in range(100)]
    outcome = try_step(Split(), rows, folder=tmp_path, meta={"labels": ["a", "b"]})
    ids = [r.id for part in PARTS for r in outcome.rows(part)]
    assert sorted(ids) == sorted(r.id for r in rows)
    assert outcome.summary["headline"] == (
        "100 of 100 rows kept: 80 train, 10 validation, 10 test, stratified over 2 labels."
    )
    assert outcome.result.outputs["test"].meta == {"labels": ["a", "b"], "rows": 10}


def test_shares_that_leave_nothing_to_train_on_are_a_bad_parameter() -> None:
    with pytest.raises(ValidationError, match="leave some for training"):
        Split.Params(validation=0.5, test=0.5)


def sides(outcome: Outcome) -> dict[str, str]:
    """The part of each row, by its id."""
    return {r.id: part for part in PARTS for r in outcome.rows(part)}


def test_near_duplicates_stay_on_one_side_when_that_is_asked_for(tmp_path: Path) -> None:
    draw = random.Random(0)
    texts = [" ".join("".join(draw.choices("abcdefghij", k=6)) for _ in range(10)) for _ in range(40)]
    rows = [row(text + " more" * (n % 3), "x", id=f"{t}-{n}") for n in range(3) for t, text in enumerate(texts)]
    plain = sides(try_step(Split(), rows, folder=tmp_path))
    (tmp_path / "near").mkdir()
    outcome = try_step(Split(), rows, folder=tmp_path / "near", keep_together="near duplicates")
    near = sides(outcome)
    assert sorted(near) == sorted(r.id for r in rows)
    assert any(len({plain[f"{t}-{n}"] for n in range(3)}) > 1 for t in range(40))
    assert all(len({near[f"{t}-{n}"] for n in range(3)}) == 1 for t in range(40))
    assert outcome.summary["groups"] == 40
    assert Counter(near.values()) == {"train": 96, "validation": 12, "test": 12}


def test_rows_that_share_a_field_stay_on_one_side_and_so_do_like_prompts(tmp_path: Path) -> None:
    rows = [
        replace(row(f"question {n}", "x", id=f"{n}"), meta={"document": {"id": f"d{n % 30}"}} if n < 90 else {})
        for n in range(120)
    ]
    rows += [row("Question 7!", "x", id="copy")]
    outcome = try_step(Split(), rows, folder=tmp_path, keep_together="document")
    found = sides(outcome)
    assert all(len({found[f"{d + 30 * k}"] for k in range(3)}) == 1 for d in range(30))
    assert found["copy"] == found["7"]
    assert outcome.summary["groups"] == 60


def test_a_field_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="No row has “customer” in its meta"):
        try_step(Split(), [row("a", "x")], folder=tmp_path, keep_together="customer")


@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 9), st.one_of(st.none(), st.just(-1), st.integers(0, 4))), max_size=30),
    shuffle=st.randoms(use_true_random=False),
)
def test_what_is_tied_together_does_not_depend_on_the_order(
    pairs: list[tuple[int, int | None]], shuffle: random.Random
) -> None:
    def groups(order: list[tuple[int, int | None]]) -> dict[tuple[int, int | None], str]:
        keyed = [Keyed(f"prompt {prompt}", "") for prompt, _ in order]
        return dict(zip(order, [k.group for k in tied(keyed, [g for _, g in order])], strict=True))

    before = groups(pairs)
    assert all(before[a] == before[b] for a in pairs for b in pairs if a[0] == b[0] or (a[1] == b[1] not in (None, -1)))
    shuffle.shuffle(pairs)
    assert groups(pairs) == before
