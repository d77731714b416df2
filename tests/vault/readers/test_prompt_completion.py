from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.readers.prompt_completion import PromptCompletion
from vault.rows import Row, write_jsonl

from .conftest import Make, read


def test_texts_become_messages(make: Make) -> None:
    path = make('{"prompt": "2+2?", "completion": "4", "reference": "four"}\n')
    [row], problems = read(PromptCompletion(), path, system_prompt="Count.")
    assert problems == []
    assert row.prompt == [{"role": "system", "content": "Count."}, {"role": "user", "content": "2+2?"}]
    assert row.completion_text == "4" and row.reference_text == "four"


def test_message_lists_of_trl_are_read(make: Make) -> None:
    value = {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}
    [row], _ = read(PromptCompletion(), make(json.dumps(value)))
    assert row.completion == {"role": "assistant", "content": "a"}


def test_an_empty_completion_is_none(make: Make) -> None:
    [row], _ = read(PromptCompletion(), make('{"prompt": "q", "completion": " "}'))
    assert row.completion is None


@pytest.mark.parametrize(
    "text,reason,column",
    [
        ('{"completion": "a"}', "no prompt", "prompt"),
        ('{"prompt": "", "completion": "a"}', "no prompt", "prompt"),
        ('{"prompt": {}, "completion": "a"}', "not a list", "prompt"),
        ('{"prompt": "q", "completion": 5}', "not a list", "completion"),
        ('{"prompt": "q", "completion": {"role": "user", "content": "x"}}', "not an assistant's", "completion"),
        ('{"prompt": "q", "soft": [{"text": "a", "probability": 2}]}', "0 to 1", "soft"),
        ('{"prompt": "q", "soft": "a"}', "'soft'", "soft"),
        ('{"prompt": "q", "meta": []}', "'meta'", "meta"),
        ('{"prompt": "q", "meta": {"x": 1e999}}', "infinite", "meta"),
        ("not json", "Broken JSON at position 1", "1"),
    ],
)
def test_a_bad_line_says_why(make: Make, text: str, reason: str, column: str) -> None:
    rows, [problem] = read(PromptCompletion(), make('{"prompt": "q", "completion": "a"}\n' + text + "\n"))
    assert len(rows) == 1
    assert (problem.line, problem.column) == (2, column) and reason in problem.reason


def test_records_without_an_answer_are_recognised_only_as_message_lists() -> None:
    reader = PromptCompletion()
    assert reader.sniff({"prompt": "q", "completion": None})
    assert reader.sniff({"prompt": [{"role": "user", "content": "q"}]})
    assert not reader.sniff({"prompt": "q", "city": "Rome"})
    assert not reader.sniff(None)


def test_a_completion_of_several_messages_ends_with_the_answer(make: Make) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = [
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "5", "tool_call_id": "c"},
        {"role": "assistant", "content": "five"},
    ]
    value = {"prompt": [{"role": "user", "content": "q"}], "completion": said, "tools": [{"type": "function"}]}
    [row], problems = read(PromptCompletion(), make(json.dumps(value)))
    assert problems == []
    assert [m["role"] for m in row.prompt] == ["user", "assistant", "tool"] and row.completion_text == "five"
    assert row.meta["tools"] == [{"type": "function"}]


def test_an_answer_that_people_did_not_like_is_not_learnt(make: Make) -> None:
    path = make(
        '{"prompt": "q", "completion": "a", "label": true}\n{"prompt": "p", "completion": "b", "label": false}\n'
    )
    rows, _ = read(PromptCompletion(), path)
    assert [row.completion_text for row in rows] == ["a", None]
    assert rows[1].meta["non_preferred"] == {"role": "assistant", "content": "b"}


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
WORDS = TEXT.filter(lambda text: text.strip() != "")
ANSWER = st.none() | WORDS.map(lambda text: {"role": "assistant", "content": text})
ROW = st.builds(
    Row,
    id=st.uuids().map(str),
    prompt=st.tuples(st.sampled_from(["system", "user"]), TEXT, WORDS).map(
        lambda t: [{"role": t[0], "content": t[1]}, {"role": "user", "content": t[2]}]
    ),
    completion=ANSWER,
    reference=ANSWER,
    soft=st.none() | st.lists(st.fixed_dictionaries({"text": TEXT, "probability": st.floats(0, 1)}), max_size=3),
    tags=st.lists(WORDS.map(str.strip).filter(bool), max_size=3, unique=True),
    meta=st.dictionaries(WORDS.filter(lambda k: k != "source"), TEXT | st.integers() | st.booleans(), max_size=3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_what_the_studio_writes_comes_back_as_the_same_rows(tmp_path: Path, rows: list[Row]) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, rows)
    found, problems = read(PromptCompletion(), path)
    assert problems == []
    for number, row in enumerate(found, start=1):
        assert row.meta.pop("source") == {"line": number}
    assert found == rows
