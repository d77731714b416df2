"""More rows are wired into a pipeline's training, and nothing else is changed."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.losses.next_round import Change, NoPlace, find_place, message_for, next_spec, teacher_of
from pipelines.specs import spec as specs

WRITER = {"teacher": "openai_compatible", "model": "m", "base_url": "http://127.0.0.1:9/v1", "count": 5}
MORE = Change("more", ("near-losses", 2), WRITER, {"teacher": "openai", "model": "big"})


def draft(*, guard: bool = False) -> dict[str, Any]:
    """A dataset is split, a student is trained and evaluated on the test rows."""
    steps = {"data": "dataset", "cut": "split", "student": "train", "report": "evaluate"}
    edges = [
        ("data.rows", "cut.rows"),
        ("cut.train", "student.train"),
        ("cut.validation", "student.validation"),
        ("cut.test", "report.rows"),
        ("cut.train", "report.train"),
        ("student.adapter", "report.student"),
    ]
    if guard:
        steps["safe"] = "leakage_guard"
        edges[1] = ("safe.train", "student.train")
        edges[4] = ("safe.train", "report.train")
        edges += [("cut.train", "safe.train"), ("cut.test", "safe.test")]
    nodes = [{"id": n, "step": s, "params": {"dataset": "d"} if s == "dataset" else {}} for n, s in steps.items()]
    return {"schema": 1, "nodes": nodes, "edges": [{"from": a, "to": b} for a, b in edges]}


def feeds(spec: dict[str, Any]) -> dict[str, str]:
    return {edge["to"]: edge["from"] for edge in spec["edges"]}


def test_new_rows_come_in_behind_the_split_and_through_a_guard() -> None:
    before = draft()
    made = next_spec(before, MORE)
    assert specs.validate(specs.parse(made)) == []
    wires = feeds(made)
    assert wires["with_new_rows.rows"] == "cut.train" and wires["with_new_rows.more"] == "guard_new_rows.train"
    assert wires["answers_to_new_rows.rows"] == "more_like_these.rows"
    assert wires["more_like_these.rows"] == "near_the_losses.rows" and wires["more_like_these.held_out"] == "cut.test"
    assert wires["guard_new_rows.train"] == "answers_to_new_rows.rows"
    assert wires["guard_new_rows.test"] == "cut.test" and wires["guard_new_rows.validation"] == "cut.validation"
    assert wires["student.train"] == wires["report.train"] == "with_new_rows.rows"
    assert wires["report.rows"] == "cut.test" and wires["cut.rows"] == "data.rows"
    assert before == draft()


def test_a_guard_that_is_there_is_used() -> None:
    made = next_spec(draft(guard=True), MORE)
    assert specs.validate(specs.parse(made)) == []
    wires = feeds(made)
    assert wires["safe.train"] == "with_new_rows.rows" and wires["with_new_rows.rows"] == "cut.train"
    assert wires["student.train"] == "safe.train"
    assert sum(node["step"] == "leakage_guard" for node in made["nodes"]) == 1


def test_rows_of_a_dataset_come_in_the_same_way_without_a_writer() -> None:
    made = next_spec(draft(), Change("add", ("mine", 3)))
    assert specs.validate(specs.parse(made)) == []
    assert feeds(made)["guard_new_rows.train"] == "more_rows.rows"
    assert not any(node["step"] in ("more_like_these", "generate") for node in made["nodes"])


def test_a_second_round_has_names_of_its_own() -> None:
    made = next_spec(next_spec(draft(), MORE), MORE)
    assert specs.validate(specs.parse(made)) == []
    assert {"more_like_these", "more_like_these_2"} <= {node["id"] for node in made["nodes"]}
    wires = feeds(made)
    assert wires["with_new_rows_2.rows"] == "with_new_rows.rows"
    assert wires["student.train"] == "with_new_rows_2.rows"


def test_a_pipeline_without_a_place_says_so() -> None:
    nodes = [node for node in draft()["nodes"] if node["step"] != "train"]
    with pytest.raises(NoPlace):
        find_place({"nodes": nodes, "edges": []})


def test_the_pipelines_own_teacher_is_the_first_that_can_be_asked() -> None:
    recorded = {"id": "a", "step": "generate", "params": {"teacher": "recorded"}}
    asked = {"id": "b", "step": "generate", "params": {"teacher": "anthropic", "model": "m"}}
    assert teacher_of({"nodes": [recorded, asked]}) == {"teacher": "anthropic", "model": "m"}
    assert teacher_of({"nodes": [recorded]}) is None


def test_the_version_says_why_it_was_made() -> None:
    assert message_for(["card, lost"], "more", run=3) == "After run 3: more prompts like “card, lost”."
    assert len(message_for(["x" * 90] * 20, "add", run=3)) == 300


def test_only_the_nearest_rows_of_a_dataset_are_added_when_so_chosen() -> None:
    made = next_spec(draft(), Change("add", ("mine", 3), nearest=50, lost=["h1", "h2"]))
    assert specs.validate(specs.parse(made)) == []
    wires = feeds(made)
    assert wires["nearest_to_losses.rows"] == "more_rows.rows" and wires["nearest_to_losses.like"] == "cut.test"
    assert wires["guard_new_rows.train"] == "nearest_to_losses.rows"
    (node,) = [n for n in made["nodes"] if n["step"] == "nearest_rows"]
    assert node["params"] == {"count": 50, "ids": "h1\nh2"}
