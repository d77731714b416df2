"""The comparison inside every slice."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.figures.slices import (
    FIELDS,
    Scores,
    build_slices,
    confidence_of_teacher,
    enough_rows,
    length_of,
    members_of,
)
from tests.evaluation.conftest import make_row
from vault.rows import Row


def rows_with_tags(tags: list[str]) -> list[Row]:
    return [replace(make_row(i, teacher="card", reference="card"), tags=[tag]) for i, tag in enumerate(tags)]


def build(rows: list[Row], student: list[float | None], other: list[float | None] | None, **more: object) -> dict:
    options = {"fields": ["tag"], "label_of": lambda row: row.reference_text, "margin": 0.02, **more}
    return build_slices(rows, Scores(student, other, binary=True), **options)  # type: ignore[arg-type]


def test_a_slice_that_falls_behind_comes_first_and_stands_after_the_correction() -> None:
    tags = [f"t{i % 10}" for i in range(600)]
    student = [0.0 if tag == "t3" and i % 3 else 1.0 for i, tag in enumerate(tags)]
    found = build(rows_with_tags(tags), student, [1.0] * 600)
    first = found["slices"][0]
    assert (first["field"], first["value"], first["n"]) == ("tag", "t3", 60)
    assert first["difference"]["value"] == pytest.approx(-2 / 3, abs=0.02)
    assert first["p"] < first["p_holm"] < 0.001
    assert found["tested"] == 10
    assert all(s["p_holm"] == 1.0 for s in found["slices"][1:])
    assert found["fields"] == [
        {"field": "tag", "title": "Tag", "slices": 10, "shown": 10, "left_out": 0, "left_out_rows": 0}
    ]
    json.dumps(found, allow_nan=False)


def test_by_chance_alone_a_slice_is_reported_in_about_one_evaluation_of_twenty_at_most() -> None:
    generator = random.Random(5)
    false = 0
    for _ in range(120):
        rows = rows_with_tags([f"t{i % 12}" for i in range(360)])
        student, other = ([float(generator.random() < 0.8) for _ in rows] for _ in range(2))
        found = build(rows, student, other)
        false += any(s["p_holm"] is not None and s["p_holm"] < 0.05 for s in found["slices"])
    assert false / 120 < 0.09


def test_small_slices_are_marked_and_tiny_ones_not_tested() -> None:
    tags = ["few"] * 4 + ["some"] * 40 + ["many"] * 2000
    found = build(rows_with_tags(tags), [1.0, 0.0] * 1022, [1.0] * 2044)
    by_value = {s["value"]: s for s in found["slices"]}
    assert by_value["few"]["p"] is None
    assert by_value["few"]["reason"] == "Fewer than 10 rows: not tested."
    assert by_value["some"]["small"] is True
    assert found["tested"] == 2
    assert found["enough"] is not None


def test_a_slice_of_one_row_does_not_stand_before_one_that_says_something() -> None:
    found = build(rows_with_tags(["one"] + ["many"] * 40), [0.0] + [0.0, 1.0] * 20, [1.0] * 41)
    assert [s["value"] for s in found["slices"]] == ["many", "one"]
    assert build(rows_with_tags(["one"] + ["many"] * 40), [0.0] + [0.0, 1.0] * 20, None)["slices"][0]["value"] == "many"


def test_what_is_left_out_is_counted() -> None:
    tags = [f"t{i:03d}" for i in range(90) for _ in range(2)]
    found = build(rows_with_tags(tags), [1.0] * 180, [1.0] * 180, most_per_field=30)
    assert len(found["slices"]) == 30
    assert found["fields"][0]["slices"] == 90
    assert found["fields"][0]["left_out"] == 60
    assert found["fields"][0]["left_out_rows"] == 120


def test_nobody_to_compare_with_leaves_the_students_figures_from_the_worst() -> None:
    tags = ["a"] * 20 + ["b"] * 20
    found = build(rows_with_tags(tags), [1.0] * 20 + [0.0] * 20, None)
    assert [s["value"] for s in found["slices"]] == ["b", "a"]
    assert found["slices"][0]["difference"] is None
    assert found["slices"][0]["reason"] == "There is nobody to compare with on these rows."
    assert found["tested"] == 0


def test_rows_that_only_one_was_asked_leave_a_slice_empty_with_a_reason() -> None:
    found = build(rows_with_tags(["a"] * 12 + ["b"] * 12), [1.0] * 24, [1.0] * 12 + [None] * 12)
    empty = next(s for s in found["slices"] if s["value"] == "b")
    assert empty["n"] == 0
    assert empty["reason"] == "No row of it was put to both."


def test_a_field_on_which_all_rows_are_alike_is_left_out() -> None:
    found = build(rows_with_tags(["a"] * 12), [1.0] * 12, [1.0] * 12)
    assert found["fields"] == []
    assert found["slices"] == []


def test_rows_of_one_conversation_make_a_slices_interval_wider() -> None:
    tags = [f"t{i // 60 % 2}" for i in range(240)]
    student = [float(i // 6 % 4 != 0) for i in range(240)]
    names = [f"c{i // 6}" for i in range(240)]
    plain = build(rows_with_tags(tags), student, [1.0] * 240)["slices"][0]
    clustered = build(rows_with_tags(tags), student, [1.0] * 240, clusters=names)["slices"][0]
    assert clustered["difference"]["low"] < plain["difference"]["low"]
    assert clustered["p"] > plain["p"]


def test_scores_between_zero_and_one_are_compared_by_their_means() -> None:
    rows = rows_with_tags(["a"] * 50 + ["b"] * 50)
    scores = Scores([0.5] * 50 + [0.8] * 50, [0.8] * 100, binary=False)
    found = build_slices(rows, scores, fields=["tag"], label_of=lambda r: None, margin=0.05)
    assert found["slices"][0]["value"] == "a"
    assert found["slices"][0]["difference"]["value"] == pytest.approx(-0.3)
    assert found["slices"][0]["p_holm"] < 0.001


def test_the_lengths_are_the_same_buckets_in_every_run() -> None:
    assert length_of("x" * 50) == "up to 50 characters"
    assert length_of("x" * 51) == "51–200 characters"
    assert length_of("x" * 4_000) == "1,001–4,000 characters"
    assert length_of("x" * 4_001) == "over 4,000 characters"


def test_the_teachers_confidence_is_that_of_its_own_answer() -> None:
    row = make_row(0, teacher="card", reference=None)
    soft = [{"text": "card", "probability": 0.81}, {"text": "cash", "probability": 0.19}]
    assert confidence_of_teacher(replace(row, soft=soft)) == "80–95 % sure"
    assert confidence_of_teacher(replace(row, soft=[{"text": "x", "probability": 0.0}])) == "0–50 % sure"
    assert confidence_of_teacher(replace(row, soft=[{"text": "card", "probability": 1.0}])) == "95–100 % sure"
    assert confidence_of_teacher(row) is None


def test_every_field_parts_rows_that_differ_in_it() -> None:
    one = replace(
        make_row(0, teacher="card", reference="card", source={"file": "a.jsonl"}),
        prompt=[{"role": "user", "content": "Where is the nearest cash machine, please?"}],
        tags=["x"],
        soft=[{"text": "card", "probability": 0.99}],
    )
    two = replace(
        make_row(1, teacher="cash", reference="cash", source={"file": "b.jsonl"}),
        prompt=[
            {
                "role": "user",
                "content": "Wo finde ich bitte den nächsten Geldautomaten, und was kostet das Abheben dort?",
            }
        ],
        tags=["y"],
        soft=[{"text": "cash", "probability": 0.6}],
    )
    members = members_of([one, two], list(FIELDS), label_of=lambda row: row.reference_text)
    assert set(members) == set(FIELDS)
    assert set(members["language"]) == {"English", "German"}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from([None, 0.0, 1.0]), st.sampled_from([None, 0.0, 1.0])),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_rows_give_a_report_that_can_be_written(cells: list[tuple[str, float | None, float | None]]) -> None:
    rows = rows_with_tags([tag for tag, _, _ in cells])
    found = build(rows, [a for _, a, _ in cells], [b for _, _, b in cells])
    json.dumps(found, allow_nan=False)
    assert sum(f["shown"] for f in found["fields"]) == len(found["slices"])


def test_rows_enough_for_a_margin_are_unknown_without_margin_or_rows() -> None:
    assert enough_rows([], margin=0.02, binary=True) is None
    assert enough_rows([(1.0, 1.0)], margin=0, binary=True) is None
