"""Sure rows to the student, the others back to the teacher."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.candidates.predictions import Candidate, Prediction, teacher_of
from evaluation.figures.cascade import Routed, build_cascade, choose, curve, halves, thresholds
from evaluation.report.document import Options, build_report
from tests.evaluation.conftest import make_rows


def rows_of(count: int, *, seed: int = 1, teacher: float = 0.97) -> list[Routed]:
    """A calibrated student and a teacher that is right on most rows."""
    generator = np.random.default_rng(seed)
    sure = generator.beta(4, 1, count)
    right, theirs = generator.random(count) < sure, generator.random(count) < teacher
    return [Routed(f"r{i}", float(sure[i]), float(right[i]), float(theirs[i])) for i in range(count)]


def build(rows: list[Routed], **more: object) -> dict:
    options = {"measure": "accuracy", "margin": 0.03, "binary": True, "seed": 0, **more}
    return build_cascade(rows, **options)  # type: ignore[arg-type]


def test_a_threshold_is_chosen_on_one_half_and_confirmed_on_the_other() -> None:
    found = build(rows_of(6000))
    assert found["chosen_on"] == "half"
    assert 0.5 < found["threshold"] < 1
    assert found["chosen"]["rows"] + found["confirmed"]["rows"] == 6000
    assert found["chosen"]["outcome"] == "within"
    assert 0.1 < found["confirmed"]["handed_back"] < 0.9
    assert found["confirmed"]["quality"]["value"] > found["student"]["value"]
    json.dumps(found, allow_nan=False)


def test_the_half_that_did_not_choose_confirms_it_about_as_often_as_a_test_should() -> None:
    outcomes = [build(rows_of(1500, seed=s), margin=0.04)["confirmed"]["difference"]["value"] for s in range(20)]
    assert np.mean([d > -0.04 for d in outcomes]) > 0.8


def test_handing_more_back_costs_more_and_the_ends_are_student_and_teacher_alone() -> None:
    rows = rows_of(500)
    points = curve(rows, seed=1, student_usd=0.1, teacher_usd=4.0)
    assert points[0]["handed_back"] == 0
    assert points[0]["usd_per_1000"] == 0.1
    assert points[0]["quality"] == pytest.approx(np.mean([r.student for r in rows]))
    assert points[-1]["handed_back"] == 1
    assert points[-1]["usd_per_1000"] == pytest.approx(4.1)
    assert points[-1]["quality"] == pytest.approx(np.mean([r.teacher for r in rows]))
    shares = [p["handed_back"] for p in points]
    assert shares == sorted(shares)
    assert all(p["low"] <= p["quality"] <= p["high"] for p in points)


def test_a_teacher_of_unknown_price_leaves_the_price_unknown() -> None:
    assert curve(rows_of(50), seed=1, student_usd=0.1, teacher_usd=None)[0]["usd_per_1000"] is None


def test_a_student_as_good_as_the_teacher_hands_nothing_back() -> None:
    rows = [Routed(f"r{i}", 0.5 + i % 5 / 10, 1.0, 1.0) for i in range(1000)]
    assert build(rows)["threshold"] == 0.0
    assert build(rows)["confirmed"]["handed_back"] == 0


def test_too_few_rows_have_a_reason_and_no_threshold() -> None:
    found = build(rows_of(39))
    assert found["threshold"] is None
    assert "39 rows with a confidence are too few" in found["reason"]
    assert build([])["student"] is None


def test_too_few_rows_to_prove_the_margin_go_by_the_figure_and_say_so() -> None:
    found = build(rows_of(100), margin=0.01)
    assert found["threshold"] is not None
    assert found["reason"].startswith("Too few rows to prove")


def test_a_conversation_lies_whole_in_one_half() -> None:
    rows = [Routed(f"r{i}", 0.5, 1.0, 1.0, cluster=f"c{i // 10}") for i in range(300)]
    first, second = halves(rows, seed=3)
    assert {r.cluster for r in first}.isdisjoint({r.cluster for r in second})
    assert first and second
    one = build([r._replace(cluster="same") for r in rows])
    assert one["threshold"] is None
    assert "one group" in one["reason"]


def test_rows_that_are_not_a_number_are_left_out() -> None:
    rows = [*rows_of(60), Routed("odd", math.nan, 1.0, 1.0)]
    assert build(rows)["rows"] == 60


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.booleans()), max_size=120))
@settings(max_examples=40, deadline=None)
def test_any_rows_give_something_that_can_be_written(cells: list[tuple[float, bool, bool]]) -> None:
    rows = [Routed(f"r{i}", c, float(a), float(b)) for i, (c, a, b) in enumerate(cells)]
    json.dumps(build(rows), allow_nan=False)
    found = thresholds(rows)
    assert found[0] == 0.0
    if rows:
        assert all(row.confidence < found[-1] for row in rows)
        assert choose(rows, margin=1.0, binary=True) == (0.0, "tested")


def test_the_report_carries_the_cascade_of_a_student_that_gave_confidences() -> None:
    rows = make_rows([("card", "card"), ("cash", "cash"), ("card", "cash")] * 40, cost_usd=0.004)
    answers = {
        r.id: Prediction(r.id, text="card", label="card", confidence=0.9 if r.reference_text == "card" else 0.4)
        for r in rows
    }
    student = Candidate("student", "Student", "student", answers, usd_per_row=0.0001)
    report = build_report(
        rows, [teacher_of(rows), student], Options(labels=["card", "cash"], margin=0.1, cluster_by="none")
    )
    cascade = report["cascade"]
    assert cascade["measure"] == "accuracy"
    assert cascade["teacher_usd_per_1000"] == pytest.approx(4)
    assert cascade["student_usd_per_1000"] == pytest.approx(0.1)
    json.dumps(report, allow_nan=False)


def test_where_the_teacher_is_the_reference_the_cascade_goes_by_agreement() -> None:
    rows = make_rows([("card", None), ("cash", None)] * 30)
    answers = {r.id: Prediction(r.id, text="card", label="card", confidence=0.7) for r in rows}
    report = build_report(
        rows, [teacher_of(rows), Candidate("student", "Student", "student", answers)], Options(labels=["card", "cash"])
    )
    assert report["cascade"]["measure"] == "agreement"
    assert report["cascade"]["teacher"]["value"] == 1.0


def test_without_confidences_or_without_a_teacher_there_is_no_cascade() -> None:
    rows = make_rows([("card", "card")] * 3)
    answers = {r.id: Prediction(r.id, text="card") for r in rows}
    student = Candidate("student", "Student", "student", answers)
    assert build_report(rows, [teacher_of(rows), student], Options(labels=["card"]))["cascade"] is None
    assert build_report(rows, [student], Options(labels=["card"]))["cascade"] is None
