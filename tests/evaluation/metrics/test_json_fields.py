"""Fields of JSON: nested, lists, numbers, missing and added ones."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.json_fields import JsonFields


def score(answer: str | None, target: str, **params: Any) -> float | None:
    return JsonFields(JsonFields.Params(**params)).score(Item(answer, None, target))


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ('{"a": 1, "b": 2}', '{"b": 2.0, "a": 1}', 1.0),
        ('{"a": 1}', '{"a": 1, "b": 2}', 0.5),
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', '{"a": 1, "b": 2}', 0.5),
        ('{"a": {"b": [1, 2, 3]}}', '{"a": {"b": [1, 2, 4]}}', 2 / 3),
        ('{"a": [1]}', '{"a": [1, {"x": 1, "y": 2}]}', 1 / 3),
        ('{"a": true}', '{"a": 1}', 0.0),
        ('{"a": "1"}', '{"a": 1}', 0.0),
        ('{"a": null}', '{"a": null}', 1.0),
        ('{"a": {"b": 1, "c": 2}}', '{"a": 5}', 0.0),
        ("{}", "{}", 1.0),
        ("[]", "{}", 0.0),
        ('```json\n{"a": 1}\n```', '{"a": 1}', 1.0),
        ("no json", '{"a": 1}', 0.0),
        (None, '{"a": 1}', 0.0),
        ("{}", "no json", None),
    ],
)
def test_every_value_counts_once(answer: str | None, target: str, expected: float | None) -> None:
    found = score(answer, target)
    assert found == (None if expected is None else pytest.approx(expected))


def test_lists_in_any_order_are_paired_by_what_fits_best() -> None:
    wanted = '[{"n": 1, "v": 1}, {"n": 2, "v": 2}]'
    given = '[{"n": 2, "v": 9}, {"n": 1, "v": 1}]'
    assert score(given, wanted) == 0.0
    assert score(given, wanted, lists="in any order") == 0.75


def test_what_is_added_may_be_ignored_and_numbers_and_texts_taken_loosely() -> None:
    assert score('{"a": 1, "b": 2}', '{"a": 1}', extra="are ignored") == 1.0
    assert score('{"a": 0.3}', '{"a": 0.2}', tolerance=0.1) == 1.0
    assert score('{"a": "Berlin."}', '{"a": "berlin"}', texts="loosely") == 1.0
    assert score('{"a": "Berlin."}', '{"a": "berlin"}') == 0.0


def test_lists_in_lists_in_any_order_are_compared_once_a_pair() -> None:
    """Without remembering pairs this would take 3 to the power of 200 comparisons."""
    assert score("[" * 200 + "1" + "]" * 200, "[" * 200 + "2" + "]" * 200, lists="in any order") == 0.0


def test_deep_and_long_json_ends() -> None:
    assert score("[" * 700 + "]" * 700, "[" * 700 + "]" * 700) in (0.0, 1.0)
    numbers = ",".join(map(str, range(1000)))
    assert score(f"[{numbers}]", f"[{numbers}]", lists="in any order") == 1.0
