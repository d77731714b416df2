"""Payback, saving and sensitivity, worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.breakeven import (
    Assumptions,
    calculate,
    nice_steps,
    picture,
    price_to_beat,
    sensitivity,
    short_usd,
    spent,
)

CASE = Assumptions(per_day=1000, teacher_per_1000=10.0, machine_per_month=100.0, one_off=410.0)


def test_the_saving_is_the_teachers_bill_less_the_machine_and_pays_back_the_one_off() -> None:
    found = calculate(CASE)
    assert found.teacher == pytest.approx(1000 * 365.25 / 12 / 1000 * 10)
    assert found.student == 100
    assert found.saving == pytest.approx(204.375)
    assert found.payback_months == pytest.approx(410 / 204.375)
    assert found.break_even_per_day == pytest.approx(100 / 10 * 1000 / (365.25 / 12))


def test_at_the_break_even_traffic_both_cost_the_same() -> None:
    even = calculate(CASE).break_even_per_day
    assert even is not None
    found = calculate(Assumptions(even, 10.0, machine_per_month=100.0, one_off=410.0))
    assert found.saving == pytest.approx(0, abs=1e-9)


def test_answers_handed_back_are_paid_to_the_teacher() -> None:
    found = calculate(Assumptions(1000, 10.0, machine_per_1000=1.0, handed_back=0.2))
    assert found.student == pytest.approx(found.teacher * 0.3)


def test_a_student_that_is_not_cheaper_never_pays_back() -> None:
    found = calculate(Assumptions(1000, 1.0, machine_per_1000=2.0, one_off=5.0))
    assert found.payback_months is None
    assert found.break_even_per_day is None
    assert found.cost == pytest.approx(-found.saving)
    assert found.cost > 0


def test_nothing_paid_once_is_back_at_once_and_no_traffic_saves_nothing() -> None:
    assert calculate(Assumptions(10, 1.0)).payback_months == 0
    idle = calculate(Assumptions(0, 1.0, machine_per_month=50))
    assert idle.saving == -50
    assert idle.payback_months is None


def test_each_assumption_is_halved_and_doubled_alone() -> None:
    lines = sensitivity(CASE)
    assert [line.label for line in lines] == [
        "Traffic: half", "Traffic: double", "Teacher's price: half", "Teacher's price: double", "Machine's price: half",
        "Machine's price: double", "One-off cost: half", "One-off cost: double",
        "A quarter of the answers handed back to the teacher",
    ]  # fmt: skip
    assert lines[6].result.payback_months == pytest.approx(calculate(CASE).payback_months / 2)


def test_the_totals_cross_where_the_picture_says() -> None:
    points = spent(CASE)
    crossed = next(p.month for p in points if p.student < p.teacher)
    shown = picture(CASE)
    cross = shown["cross"]
    assert isinstance(cross, dict)
    assert crossed - 1 <= cross["months"] <= crossed
    assert shown["x0"] < cross["x"] < shown["x1"]


@given(*[st.floats(0, 1e9)] * 4, st.floats(0, 1), st.floats(0, 1e9))
@settings(max_examples=80, deadline=None)
def test_any_assumptions_can_be_drawn(
    per_day: float, teacher: float, month: float, use: float, back: float, once: float
) -> None:
    shown = picture(Assumptions(per_day, teacher, month, use, back, once))
    assert isinstance(shown["lines"], list)
    for line in shown["lines"]:
        for pair in line["points"].split():
            x, y = map(float, pair.split(","))
            assert math.isfinite(x)
            assert shown["y1"] - 0.2 <= y <= shown["y0"] + 0.2


def test_axes_have_round_steps_that_reach_the_top() -> None:
    assert nice_steps(930) == [0, 250, 500, 750, 1000]
    assert nice_steps(0) == [0.0, 1.0]
    assert [short_usd(v) for v in (0, 0.25, 400, 12_000, 1_500_000, 2e9)] == [
        "$0",
        "$0.25",
        "$400",
        "$12k",
        "$1.5M",
        "$2B",
    ]


def test_the_time_until_it_is_paid_back_is_said_in_a_unit_that_fits() -> None:
    told = [calculate(Assumptions(1_000, 1.0, one_off=cost)).payback_text for cost in (0, 0.5, 30, 304.375)]
    assert told == ["at once", "1 day", "30 days", "10.0 months"]
    assert calculate(Assumptions(1_000, 1.0, machine_per_month=1e6, one_off=5)).payback_text == "never"


def test_the_price_from_which_the_student_pays_counts_its_machine_and_what_is_handed_back() -> None:
    given = Assumptions(1_000, 0.0, machine_per_month=30.4375, machine_per_1000=0.5, handed_back=0.25)
    assert price_to_beat(given) == pytest.approx(2.0)
    assert price_to_beat(Assumptions(1_000, 0.0, handed_back=1.0)) is None
    assert price_to_beat(Assumptions(0, 0.0)) is None
