from __future__ import annotations

import json

import pytest

from vault.readers.alpaca import Alpaca

from .conftest import Make, read


def test_instruction_and_input_make_the_prompt(make: Make) -> None:
    rows = [
        {"instruction": "Add.", "input": "1 and 1", "output": "2"},
        {"instruction": "Say hello.", "input": "", "output": "Hello"},
    ]
    found, problems = read(Alpaca(), make(json.dumps(rows)))
    assert problems == []
    assert [(row.user_text, row.completion_text) for row in found] == [
        ("Add.\n\n1 and 1", "2"),
        ("Say hello.", "Hello"),
    ]
    assert read(Alpaca(), make(json.dumps(rows)), answer="reference")[0][0].reference_text == "2"


def test_system_and_history_come_before_the_instruction(make: Make) -> None:
    value = {"instruction": "And now?", "output": "4", "system": "Count.", "history": [["1+1?", "2"]]}
    [row], _ = read(Alpaca(), make(json.dumps(value)), system_prompt="Unused.")
    assert [m["content"] for m in row.prompt] == ["Count.", "1+1?", "2", "And now?"]
    assert [m["role"] for m in row.prompt] == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize(
    "value,reason,column",
    [
        ({"instruction": " ", "output": "x"}, "no prompt", "instruction"),
        ({"output": "x"}, "no prompt", "instruction"),
        ({"instruction": "a", "output": "x", "history": [["one"]]}, "pairs", "history"),
        ({"instruction": "a", "output": "x", "history": "no"}, "pairs", "history"),
    ],
)
def test_a_bad_record_says_why(make: Make, value: object, reason: str, column: str) -> None:
    path = make('{"instruction": "a", "output": "b"}\n' + json.dumps(value) + "\n")
    rows, [problem] = read(Alpaca(), path)
    assert len(rows) == 1 and (problem.line, problem.column) == (2, column) and reason in problem.reason


def test_only_instructions_are_recognised() -> None:
    assert Alpaca().sniff({"instruction": "", "output": ""})
    assert not Alpaca().sniff({"instruction": "", "output": []})
    assert not Alpaca().sniff({"input": "", "output": ""})
    assert not Alpaca().sniff(None)
