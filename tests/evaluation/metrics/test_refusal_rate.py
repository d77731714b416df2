"""Refusals: the fewer, the better."""

from __future__ import annotations

from evaluation.candidates.predictions import Candidate, Prediction
from evaluation.figures.scoring import judge
from evaluation.metrics.base import Item, judges
from evaluation.metrics.refusal_rate import RefusalRate
from vault.rows import Row, assistant


def test_a_refusal_and_a_failure_count() -> None:
    metric = RefusalRate()
    assert metric.score(Item("I'm sorry, but I can't help with that.", None, None)) == 1.0
    assert metric.score(Item("It costs 5 euros.", None, None)) == 0.0
    assert metric.score(Item(None, None, None)) == 1.0
    assert RefusalRate(RefusalRate.Params(phrases=["ask someone"])).score(Item("Ask someone else.", None, None)) == 1.0


def test_it_is_turned_round_where_more_must_be_better() -> None:
    rows = [Row("1", [], assistant("x")), Row("2", [], assistant("x"))]
    answers = {"1": Prediction("1", text="I cannot help with that."), "2": Prediction("2", text="Fine.")}
    judged = judge(Candidate("student", "student", "Student", answers), rows, channel="generated")
    assert judged.scores(RefusalRate(), rows=2) == [0.0, 1.0]
    assert judged.hits(RefusalRate(), rows=2) == [False, True]
    assert judges(RefusalRate)
