"""The right number, out of the text around it."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.metrics.base import Item
from evaluation.metrics.numeric import Numeric


def score(answer: str | None, target: str, **params: Any) -> float | None:
    return Numeric(Numeric.Params(**params)).score(Item(answer, None, target))


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("First 3, then 4: the answer is 12.", "#### 12", 1.0),
        ("It is $1,234.50.", "1234.5", 1.0),
        ("-5 degrees", "5", 0.0),
        ("−5", "-5.0", 1.0),
        ("1e3", "1000", 1.0),
        ("0.1", "0.10000000000000001", 0.0),
        ("none", "5", 0.0),
        (None, "5", 0.0),
        ("5", "none", None),
        ("50 %", "50", 1.0),
    ],
)
def test_the_last_number_counts(answer: str | None, target: str, expected: float | None) -> None:
    assert score(answer, target) == expected


def test_tolerances_and_decimal_comma_and_the_first_number() -> None:
    assert score("10.1", "10", absolute=0.1) == 1.0
    assert score("101", "100", relative=0.01) == 1.0
    assert score("102", "100", relative=0.01) == 0.0
    assert score("1.234,5 Euro", "1234,5", decimal="comma") == 1.0
    assert score("7 of 9", "7", which="first") == 1.0


def test_a_monstrous_number_is_none() -> None:
    assert score("9" * 5000, "9") == 0.0
