"""Changes to a draft's graph, and the layout kept beside it."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.building import editing
from pipelines.building.layout import tidy_layout
from pipelines.specs import spec as specs

DRAFT: dict[str, Any] = {
    "schema": 1,
    "nodes": [
        {"id": "data", "step": "dataset", "params": {"dataset": "bank"}},
        {"id": "unique", "step": "dedupe_exact", "params": {}},
        {"id": "split", "step": "split", "params": {"test": 0.2}},
        {"id": "student", "step": "train", "params": {}},
    ],
    "edges": [
        {"from": "data.rows", "to": "unique.rows"},
        {"from": "unique.rows", "to": "split.rows"},
        {"from": "split.train", "to": "student.train"},
    ],
}


def edges(draft: dict[str, Any]) -> set[str]:
    return {f"{edge['from']}>{edge['to']}" for edge in draft["edges"]}


def test_a_new_step_stands_after_the_chosen_one_and_takes_what_fits() -> None:
    draft, name = editing.add_node(DRAFT, "filter_length", after="unique")
    assert name == "filter_length"
    assert [n["id"] for n in draft["nodes"]] == ["data", "unique", "filter_length", "split", "student"]
    assert "unique.rows>filter_length.rows" in edges(draft)
    assert len(DRAFT["nodes"]) == 4
    draft, name = editing.add_node(draft, "filter_length")
    assert name == "filter_length_2" and not any("filter_length_2" in edge for edge in edges(draft))
    with pytest.raises(editing.CannotChange):
        editing.add_node(DRAFT, "fly")


def test_a_removed_sieve_lets_its_input_go_straight_on() -> None:
    draft = editing.remove_node(DRAFT, "unique")
    assert edges(draft) == {"data.rows>split.rows", "split.train>student.train"}
    draft = editing.remove_node(DRAFT, "student")
    assert edges(draft) == {"data.rows>unique.rows", "unique.rows>split.rows"}
    with pytest.raises(KeyError):
        editing.remove_node(DRAFT, "nobody")


def test_a_copy_has_the_settings_and_inputs_and_feeds_nobody() -> None:
    draft, name = editing.duplicate_node(DRAFT, "split")
    assert name == "split_2"
    copy = next(n for n in draft["nodes"] if n["id"] == name)
    assert copy["params"] == {"test": 0.2} and copy["params"] is not DRAFT["nodes"][2]["params"]
    assert {e for e in edges(draft) if "split_2" in e} == {"unique.rows>split_2.rows"}


def test_a_new_name_is_used_at_both_ends_of_every_edge() -> None:
    draft = editing.rename_node(DRAFT, "unique", "no_copies")
    assert edges(draft) == {"data.rows>no_copies.rows", "no_copies.rows>split.rows", "split.train>student.train"}
    assert editing.rename_node(DRAFT, "unique", "unique") == DRAFT
    for wanted in ("split", "No Copies", "", "x" * 60):
        with pytest.raises(editing.CannotChange):
            editing.rename_node(DRAFT, "unique", wanted)


def test_a_port_can_be_fed_by_what_fits_and_makes_no_circle() -> None:
    fitting = editing.fitting_sources(DRAFT, "split")
    assert fitting["rows"] == ["data.rows", "unique.rows", "unique.rejects"]
    draft = editing.wire(DRAFT, "split", {"rows": "data.rows"})
    assert "data.rows>split.rows" in edges(draft) and "unique.rows>split.rows" not in edges(draft)
    assert "split.rows" not in {e["to"] for e in editing.wire(DRAFT, "split", {"rows": ""})["edges"]}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("Split", "split_2"), ("3 rows", "s_3_rows"), ("???", "step"), ("ÄÖ x", "x"), ("new", "new")],
)
def test_a_free_name_is_always_a_name(wanted: str, expected: str) -> None:
    name = editing.free_id(["split"], wanted)
    assert name == expected and specs.is_node_id(name)


def test_of_a_layout_only_places_of_steps_and_small_notes_are_kept() -> None:
    spec = specs.parse(DRAFT)
    sent = {
        "nodes": {
            "data": [1.26, 5],
            "split": ["a", 2],
            "ghost": [0, 0],
            "unique": [float("nan"), 0],
            "student": [9e99, 1],
        },
        "notes": [
            {"id": "n1", "x": 0, "y": 1, "text": "x" * 9000, "width": 5},
            {"id": "../x", "x": 0, "y": 1, "text": ""},
            {"id": "n2", "x": True, "y": 1, "text": ""},
            "text",
        ],
        "else": 1,
    }
    kept = tidy_layout(sent, spec=spec)
    assert kept["nodes"] == {"data": [1.3, 5.0], "student": [1_000_000.0, 1.0]}
    assert [n["id"] for n in kept["notes"]] == ["n1"]
    assert len(kept["notes"][0]["text"]) == 4000 and kept["notes"][0]["width"] == 120
    assert tidy_layout({"nodes": [], "notes": {}}, spec=spec) == {"nodes": {}, "notes": []}
