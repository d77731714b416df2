"""Tool calls as JSON, in tags and as OpenAI writes them."""

from __future__ import annotations

import json

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.tool_call import ToolCall

WANTED = json.dumps(
    [{"id": "c1", "type": "function", "function": {"name": "pay", "arguments": '{"to": "Ann", "sum": 5}'}}]
)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ('{"name": "pay", "arguments": {"sum": 5.0, "to": "Ann"}}', 1),
        ('I pay.\n<tool_call>\n{"name": "pay", "arguments": {"to": "Ann", "sum": 5}}\n</tool_call>', 1),
        ('{"tool_calls": [{"function": {"name": "pay", "arguments": "{\\"to\\": \\"Ann\\", \\"sum\\": 5}"}}]}', 1),
        ('```json\n{"name": "pay", "parameters": {"to": "Ann", "sum": 5}}\n```', 1),
        ('{"name": "pay", "arguments": {"to": "Bob", "sum": 5}}', 0),
        ('{"name": "pay", "arguments": {"to": "Ann"}}', 0),
        ('{"name": "refund", "arguments": {"to": "Ann", "sum": 5}}', 0),
        ("<tool_call>{broken</tool_call>", 0),
        ("I have paid Ann.", 0),
        (None, 0),
    ],
)
def test_name_and_arguments_must_be_the_same(answer: str | None, score: int) -> None:
    assert ToolCall().score(Item(answer, None, WANTED)) == score


def test_the_name_alone_may_be_compared() -> None:
    metric = ToolCall(ToolCall.Params(compared="name"))
    assert metric.score(Item('{"name": "pay", "arguments": {"to": "Bob"}}', None, WANTED)) == 1


def test_several_calls_in_any_order_or_in_theirs() -> None:
    one, two = '{"name": "a", "arguments": {}}', '{"name": "b", "arguments": {}}'
    item = Item(f"<tool_call>{two}</tool_call><tool_call>{one}</tool_call>", None, f"[{one}, {two}]")
    assert ToolCall().score(item) == 1
    assert ToolCall(ToolCall.Params(order="matters")).score(item) == 0


def test_a_call_where_none_is_due_is_wrong_and_without_any_call_there_is_no_figure() -> None:
    words = Item("It is sunny.", None, "The sun shines.")
    assert ToolCall().score(words) == 1
    assert ToolCall().score(Item('{"name": "pay", "arguments": {}}', None, "The sun shines.")) == 0
    assert ToolCall().aggregate([words], seed=0) is None
    assert ToolCall().aggregate([words, Item(WANTED, None, WANTED)], seed=0) is not None
