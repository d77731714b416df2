"""What ties rows together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.steps.desk import row
from vault.lineage import Families, exact_key, group_of, names, parents, qualified, question, question_key
from vault.rows import Row, prompt_id, write_rows


def made(text: str, *, id: str = "", **meta: Any) -> Row:
    return replace(row(text, id=id), meta=meta)


def test_the_question_is_every_message_but_the_system_prompt() -> None:
    prompt: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "content": "b"},
    ]
    assert question(Row(id="1", prompt=prompt)) == 'a\n[{"id": "1"}]\nb'


def test_questions_that_differ_in_case_spaces_or_signs_share_a_key_and_not_the_exact_one() -> None:
    one, two = row("Where is my card?", system="s"), row("where is  my card")
    assert question_key(one) == question_key(two)
    assert exact_key(one) != exact_key(two)
    assert exact_key(one) == exact_key(row("Where is my card?"))
    assert question_key(row("?!")) != question_key(row("!?"))


def test_an_id_from_a_file_means_a_row_only_together_with_the_file() -> None:
    one, other = {"source": {"file": "a.csv", "line": 2}}, {"source": {"file": "b.csv", "line": 2}}
    assert qualified("7", one) != qualified("7", other)
    assert qualified("7", {}) == "7"
    hashed = prompt_id([{"role": "user", "content": "a"}])
    assert qualified(hashed, one) == qualified(hashed, other) == hashed
    assert qualified(f"{hashed}-2", one) == f"{hashed}-2"


def test_rows_are_known_by_their_id_and_by_their_prompt() -> None:
    assert names(row("a", id="7")) == ["7", prompt_id(row("a").prompt)]


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({}, []),
        ({"derived_from": ["a", "b"]}, ["a", "b"]),
        ({"derived_from": ["a"], "sample_of": "b"}, ["a", "b"]),
        ({"derived_from": "not a list", "sample_of": 3}, []),
        ({"derived_from": [7]}, ["7"]),
    ],
)
def test_parents_are_read_from_the_meta(meta: dict[str, Any], expected: list[str]) -> None:
    assert parents(meta) == expected


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"thread": {"id": "t1", "turn": 2}}, "t1"),
        ({"thread": "t1"}, "t1"),
        ({"thread": 0}, "0"),
        ({"thread": ""}, None),
        ({"thread": {"turn": 2}}, None),
        ({"thread": ["a"]}, None),
        ({}, None),
    ],
)
def test_a_group_is_a_value_or_the_id_of_a_mapping(meta: dict[str, Any], expected: str | None) -> None:
    assert group_of(made("a", **meta), "thread") == expected


def test_families_join_rows_with_what_they_were_made_from(tmp_path: Path) -> None:
    rows = [
        made("a", id="a"),
        made("b", id="b", derived_from=["a"]),
        made("c", id="c", derived_from=["b"]),
        made("d", id="d", derived_from=["root"]),
        made("e", id="e", sample_of="root"),
        made("f", id="f"),
    ]
    write_rows(tmp_path, rows)
    families = Families()
    assert families.read(tmp_path) == 4
    assert families.of("a") == families.of("b") == families.of("c")
    assert families.of("d") == families.of("e") == families.of("root")
    assert families.of("a") != families.of("d")
    assert families.of("f") == "f"


def test_a_row_that_names_itself_as_its_origin_is_a_family_of_one(tmp_path: Path) -> None:
    write_rows(tmp_path, [made("a", id="a", derived_from=["a"])])
    families = Families()
    families.read(tmp_path)
    assert families.of("a") == "a"


def test_a_long_chain_of_ancestors_is_one_family() -> None:
    families = Families()
    for number in range(5_000):
        families.tie(f"{number}", f"{number + 1}")
    assert families.of("0") == families.of("5000")
