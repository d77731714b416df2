"""What a judge's record says of how far it can be trusted."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.judging.bench import Verdict
from evaluation.judging.figures import Tally, describe_grades, describe_orders, describe_pairs
from evaluation.judging.health import excess, family_report, metric_report, warnings
from evaluation.judging.record import draw

CANDIDATES = [
    {"name": "teacher", "label": "Teacher", "kind": "teacher"},
    {"name": "student", "label": "Student", "kind": "student"},
]


def tally_of(*verdicts: Verdict) -> Tally:
    tally = Tally()
    assert list(tally.passing(verdicts)) == list(verdicts)
    return tally


def grade(rid: int, name: str, score: int | None, **more: Any) -> Verdict:
    status = more.pop("status", "asked" if score is not None else "unjudged")
    return Verdict(rid, name, status, score=score, item=f"{name}{rid}", **more)


def test_failures_have_the_worst_grade_and_missing_verdicts_count_nowhere() -> None:
    tally = tally_of(
        grade(0, "student", 5),
        grade(1, "student", 1, status="failed"),
        grade(2, "student", None, why="it said nothing"),
    )
    (told,) = describe_grades(tally, CANDIDATES, scale="1 to 5", seed=0)
    assert (told["graded"], told["failed"], told["unjudged"]) == (2, 1, 1)
    assert told["mean"]["value"] == 0.5
    assert told["mean"]["n"] == 2


def test_nobody_who_was_not_graded_is_listed() -> None:
    assert describe_grades(Tally(), CANDIDATES, scale="1 to 5", seed=0) == []
    assert describe_orders(Tally()) is None


def test_a_judge_that_likes_its_kin_more_than_the_metric_does_is_told_of() -> None:
    kin = [grade(n, "teacher", 5) for n in range(20)]
    tally = tally_of(*kin, *(grade(n, "student", 2 + n % 2) for n in range(20)))
    same: dict[int, float | None] = dict.fromkeys(range(20), 0.7)
    figures = {"teacher": same, "student": same}
    found = excess(tally, "teacher", "student", figures=figures, scale="1 to 5", seed=0)
    assert found["metric_gap"]["value"] == 0
    assert found["excess"]["low"] > 0.5
    family = family_report(
        tally,
        {"candidates": CANDIDATES},
        judge="gpt-4o",
        models={"teacher": ["gpt-4o-mini"], "student": ["SmolLM2"]},
        figures=figures,
        scale="1 to 5",
        seed=0,
    )
    assert [k["name"] for k in family["kin"]] == ["teacher"]
    assert family["learnt_from_kin"]
    said = " ".join(warnings(record(family=family)))
    assert "related to: Teacher (GPT)" in said
    assert "learnt from a teacher of the judge's family" in said
    assert "sees Teacher further above Student" in said


def test_where_the_metric_knows_nothing_nothing_is_claimed() -> None:
    tally = tally_of(grade(0, "teacher", 5), grade(0, "student", 1))
    found = excess(tally, "teacher", "student", figures={}, scale="1 to 5", seed=0)
    assert found == {"grade_gap": None, "metric_gap": None, "excess": None}
    assert metric_report(tally, figures={}, scale="1 to 5", measure="Accuracy") is None


def record(**changes: Any) -> dict[str, Any]:
    sound: dict[str, Any] = {
        "model": "judge",
        "golden": {"n": 40, "kappa": {"value": 0.7}},
        "orders": {"agree": {"value": 0.95}, "first": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "family": {"kin": [], "learnt_from_kin": False, "compared": []},
        "lapses": {"asked": 100, "unusable": 2},
    }
    return {**sound, **changes}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"golden": None}, "No person has graded"),
        ({"golden": {"n": 3, "kappa": {"value": 0.9}}}, "Only 3 answers"),
        ({"golden": {"n": 50, "kappa": {"value": 0.1}}}, "hardly agrees with people"),
        (
            {"orders": {"agree": {"value": 0.5}, "first": {"value": 0.2, "low": 0.1, "high": 0.3}}},
            "leans towards the second place: 80.0 %",
        ),
        ({"lapses": {"asked": 100, "unusable": 20}}, "20 of 100 verdicts are missing"),
    ],
)
def test_every_weakness_is_said(changes: dict[str, Any], said: str) -> None:
    assert any(said in warning for warning in warnings(record(**changes)))


def test_a_sound_judge_has_no_warning() -> None:
    assert warnings(record()) == []


def test_pairs_are_counted_with_their_ties() -> None:
    def pair(rid: int, **more: Any) -> Verdict:
        return Verdict(rid, "student", more.pop("status", "asked"), other="teacher", **more)

    tally = tally_of(
        pair(0, outcome="win", shown="first", swapped="second"),
        pair(1, outcome="tie", shown="first", swapped="first", by_order=True),
        pair(2, outcome="tie", shown="tie", swapped="first"),
        pair(3, outcome="tie", status="same"),
        pair(4, status="unjudged", why="it said nothing"),
    )
    (told,) = describe_pairs(tally, {"student": "Student", "teacher": "Teacher"}, seed=0)
    assert (told["rows"], told["asked"], told["same"], told["unjudged"], told["by_order"]) == (5, 3, 1, 1, 1)
    assert told["score"]["value"] == (1 + 3 * 0.5) / 4
    orders = describe_orders(tally)
    assert orders is not None
    assert (orders["pairs"], orders["by_order"], orders["half"]) == (3, 1, 1)
    assert orders["agree"]["value"] == pytest.approx(1 / 3)
    assert orders["first"]["value"] == pytest.approx(4 / 5)


def test_the_draw_is_the_same_for_everybody_and_holds_no_answer_twice() -> None:
    tally = tally_of(*(grade(n, "student", 1 + n % 5) for n in range(50)))
    drawn = draw(tally, seed=1, most=10)
    assert drawn == draw(tally, seed=1, most=10)
    assert drawn != draw(tally, seed=2, most=10)
    assert len({item for *_, item in drawn}) == 10


def test_intervals_count_rows_that_belong_together_once() -> None:
    tally = tally_of(*(grade(n, "student", 5 if n < 20 else 1) for n in range(40)))
    talks = [n // 10 for n in range(40)]
    for scale in ("1 to 5", "pass or fail"):
        mean = [
            describe_grades(tally, CANDIDATES, scale=scale, seed=0, clusters=clusters)[0]["mean"]  # type: ignore[arg-type]
            for clusters in (None, talks)
        ]
        assert mean[0]["value"] == mean[1]["value"]
        assert mean[1]["high"] - mean[1]["low"] > 1.5 * (mean[0]["high"] - mean[0]["low"])


def test_two_pairs_of_one_row_are_not_two_proofs_of_the_order() -> None:
    def verdicts(other: str) -> list[Verdict]:
        return [
            Verdict(
                n,
                "student",
                "asked",
                other=other,
                outcome="tie",
                shown="first",
                swapped="first" if n % 2 else "second",
                by_order=bool(n % 2),
            )
            for n in range(40)
        ]

    one, two = (describe_orders(tally_of(*found)) for found in (verdicts("a"), [*verdicts("a"), *verdicts("b")]))
    assert one is not None and two is not None
    widths = [told["agree"]["high"] - told["agree"]["low"] for told in (one, two)]
    assert widths[1] == pytest.approx(widths[0], rel=0.1), "twice the pairs of the same rows say hardly more"
