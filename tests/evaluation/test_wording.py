"""How figures are written."""

from __future__ import annotations

import pytest

from evaluation import wording
from evaluation.statistics import Estimate


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "100.0 %"), (0.9999, "99.9 %"), (0.0, "0.0 %"), (0.0001, "0.1 %"), (0.925, "92.5 %")]
)
def test_a_near_miss_is_never_rounded_to_certainty(value: float, text: str) -> None:
    assert wording.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.01, "+1 point"), (-0.013, "−1.3 points"), (0.0, "0 points"), (-0.0001, "0 points")]
)
def test_differences_are_in_points_with_a_real_minus(value: float, text: str) -> None:
    assert wording.points(value, signed=True) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (0, "$0"), (12.4, "$12.40"), (0.4, "$0.40"), (0.0123, "$0.012"), (0.0031, "$0.0031")],
)
def test_money_has_the_decimals_it_deserves(value: float | None, text: str) -> None:
    assert wording.money(value) == text
    assert wording.money(0.00001) == "under $0.0001"


def test_times_change_unit() -> None:
    assert [wording.milliseconds(v) for v in (None, 4.26, 85.4, 1240)] == ["unknown", "4.3 ms", "85 ms", "1.24 s"]


def test_intervals_are_written_in_the_metrics_unit() -> None:
    value = {"value": 0.9, "low": 0.855, "high": 0.932}
    assert wording.figure_range(value, unit="%") == "85.5–93.2"
    assert wording.figure_range(value, unit="") == "0.855–0.932"
    assert wording.figure_range({"value": 1, "low": None, "high": None}, unit="") == ""
    assert wording.point_range(Estimate(-0.01, -0.02, 0.003, 9)) == "95 % interval −2 to +0.3 points"


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "unknown"), (0.0123, "0.012 J"), (0.5, "0.50 J"), (12.34, "12.3 J"), (1240.4, "1,240 J")],
)
def test_joules_have_as_many_decimals_as_they_deserve(value: float | None, text: str) -> None:
    assert wording.joules(value) == text
