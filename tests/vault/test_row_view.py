from __future__ import annotations

import json

from vault.row_view import DIFFED, SHOWN, show_message, show_row
from vault.rows import Row, assistant

CALL = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"n": 1}'}}


def test_markdown_is_laid_out_and_html_stays_text() -> None:
    shown = show_message({"role": "user", "content": "**b** <script>x</script>"})
    assert shown.html is not None and "<strong>b</strong>" in shown.html and "<script>" not in shown.html


def test_text_that_is_json_is_shown_as_json() -> None:
    assert show_message(assistant('{"a": [1]}')).json == {"a": [1]}
    for text in ("12", "{not json}", "[1, 2", ""):
        assert not show_message(assistant(text)).is_json
    assert not show_message(assistant("[" * 10_000 + "]" * 10_000)).is_json


def test_tool_calls_are_taken_apart() -> None:
    shown = show_message({"role": "assistant", "content": None, "tool_calls": [CALL]})
    assert shown.text == "" and [(c.name, c.arguments, c.id) for c in shown.tool_calls] == [("find", {"n": 1}, "c1")]
    odd = show_message(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"x": 1}, {"function": {"name": "f", "arguments": "{oops"}}],
        }
    )
    assert [(c.name, c.arguments) for c in odd.tool_calls] == [("", {"x": 1}), ("f", "{oops")]
    answer = show_message({"role": "tool", "content": "42", "tool_call_id": "c1", "name": "find"})
    assert (answer.tool_call_id, answer.name) == ("c1", "find")


def test_a_long_text_is_cut_until_the_reader_wants_all_of_it() -> None:
    text = "word " * SHOWN
    cut = show_message(assistant(text))
    assert len(cut.text) == SHOWN and cut.rest == len(text) - SHOWN and cut.chars == len(text)
    assert show_message(assistant(text), whole=True).rest == 0


def test_null_characters_can_be_seen() -> None:
    shown = show_message(assistant("a\0" + "x" * 70_000), whole=True)
    assert shown.text.startswith("a\ufffd")


def test_a_row_tells_its_difference_its_provenance_and_its_tools() -> None:
    tools = [
        {"type": "function", "function": {"name": "find", "description": "Finds.", "parameters": {"type": "object"}}},
        3,
    ]
    meta = {"teacher": "t", "model": "m", "cost_usd": 0.1, "source": {"file": "f", "line": 2}, "tools": tools, "k": [1]}
    shown = show_row(Row("a", [{"role": "user", "content": "q"}], assistant("a b"), assistant("a c"), meta=meta))
    assert shown["differs"] and ("added", "b") in shown["pieces"] and ("removed", "c") in shown["pieces"]
    assert shown["provenance"] == {"teacher": "t", "model": "m", "cost_usd": 0.1}
    assert shown["source"] == {"file": "f", "line": 2} and shown["other_meta"] == {"k": "[1]"}
    assert [tool["name"] for tool in shown["tools"]] == ["find"]
    assert json.loads(shown["raw"])["id"] == "a"


def test_texts_too_long_to_compare_and_rows_too_large_to_show_are_left_to_the_download() -> None:
    shown = show_row(Row("a", [{"role": "user", "content": "q"}], assistant("x" * (DIFFED + 1)), assistant("y")))
    assert shown["differs"] and shown["pieces"] == [] and shown["raw"] == "" and shown["raw_bytes"] > DIFFED
    same = show_row(Row("a", [{"role": "user", "content": "q"}], assistant("y"), assistant("y")))
    assert not same["differs"]


def test_odd_meta_breaks_nothing() -> None:
    meta = {"source": "a file", "tools": "hammer", "reject": None, "usage": {}, "cost_usd": 0}
    shown = show_row(Row("a", [], None, meta=meta))
    assert shown["source"] == {} and shown["tools"] == [] and shown["prompt"] == [] and shown["answer"] is None
