"""A metric by an expression of one's own."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from evaluation.expressions.sandbox import Outcome
from evaluation.metrics.base import Item, judges
from evaluation.metrics.own import NO_ANSWER, Own
from studio.lib.params import problems


def own(expression: str, **given: Any) -> Own:
    return Own(Own.Params.model_validate({"name": "mine", "expression": expression, **given}))


ITEMS = [
    Item("yes", teacher="yes", reference="yes", meta={"limit": 3}),
    Item("no way", teacher="no", reference=None, meta={"limit": 3}),
    Item(None, teacher="no", reference="no", meta={"limit": 3}),
    Item("no", teacher=None, reference="no", label="no", meta={}),
]


def test_rows_are_scored_and_failures_count_as_the_worst() -> None:
    metric = own("len(answer) <= meta['limit']")
    assert metric.score_all(ITEMS) == [1.0, 0.0, 0.0, 0.0]
    assert metric.outcomes(ITEMS)[2:] == [Outcome(failed=NO_ANSWER), Outcome(failed="there is no 'limit' in it")]
    assert metric.notes() == [
        "“Mine” failed on 1 different answer: there is no 'limit' in it (1). They count as the worst score."
    ]
    found = metric.aggregate(ITEMS, seed=0)
    assert found is not None
    assert (found.value, found.n) == (0.25, 4)


def test_a_row_without_what_the_expression_reads_has_no_score() -> None:
    assert own("answer == reference").score_all(ITEMS) == [1.0, None, 0.0, 1.0]
    assert own("answer == teacher").score_all(ITEMS) == [1.0, 0.0, 0.0, None]
    assert own("answer == target").score_all(ITEMS) == [1.0, 0.0, 0.0, 1.0]
    assert own("label == 'no'").score_all(ITEMS) == [None, None, None, 1.0]


def test_lower_can_be_better_and_a_number_has_its_own_scale() -> None:
    metric = own("len(answer)", better="lower", scale="number", low=0, high=5, label="Length")
    assert metric.score_all(ITEMS) == [3.0, 5.0, 5.0, 2.0]
    assert (metric.label, metric.unit, metric.higher_is_better, metric.binary) == ("Length", "", False, False)
    assert not judges(metric)
    assert "gives 6, which lies outside 0 to 5" in metric.notes()[0]


def test_with_no_good_end_a_failure_has_no_score() -> None:
    metric = own("1 / (len(answer) - 2)", better="neither", scale="share")
    assert metric.score_all(ITEMS) == [1.0, 0.25, None, None]
    assert "worst score" not in metric.notes()[0]


def test_rows_for_which_it_gives_none_are_counted() -> None:
    metric = own("None if answer == 'no' else answer == 'yes'")
    assert metric.score_all(ITEMS) == [1.0, 0.0, 0.0, None]
    assert metric.notes() == ["“Mine” gave None for 1 different answer; those have no score."]


def test_an_answer_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = own("answer == 'yes'")
    first = metric.score_all(ITEMS)
    monkeypatch.setattr("evaluation.metrics.own.run_rows", lambda *_, **__: pytest.fail("evaluated again"))
    assert metric.score_all(ITEMS) == first
    assert metric.score(ITEMS[0]) == 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"expression": "answer.__class__"}, "character 1"),
        ({"expression": "len(answer)"}, "gives a number: write"),
        ({"expression": "answer.lower()"}, "gives a text"),
        ({"expression": "1 < 2", "low": -1}, "belong to"),
        ({"expression": "len(answer)", "scale": "number", "low": 2, "high": 2}, "below high"),
        ({"expression": "1 < 2", "name": "Not so"}, "pattern|match"),
        ({"expression": "1 < 2", "better": "best"}, "higher"),
        ({"expression": "1 < 2", "scale": "number", "high": float("inf")}, "finite"),
        ({}, "equired|expression"),
    ],
)
def test_what_can_not_be_is_told_when_it_is_saved(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Own.Params.model_validate({"name": "mine", **given})
    text = " ".join(f"{field}: {message}" for field, message in problems(caught.value))
    import re

    assert re.search(said, text), text
