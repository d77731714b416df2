"""The first sentence of a report."""

from __future__ import annotations

from evaluation.statistics import Estimate, PairedCounts, wilson
from evaluation.verdict import Evidence, decide


def test_an_interval_above_the_margin_says_it_can_replace_the_teacher() -> None:
    verdict = decide(Evidence(rows=2000, pairs=PairedCounts(1900, 20, 22, 58)), margin=0.02)
    assert verdict.tone == "good"
    assert verdict.sentence == (
        "The student can replace the teacher within 2 points: it is right on 96.0 % of 2,000 held-out rows, the teacher on "
        "96.1 % (difference −0.1 points, 95 % interval −0.8 to +0.6 points)."
    )


def test_an_interval_below_the_margin_says_it_does_not() -> None:
    verdict = decide(Evidence(rows=1000, pairs=PairedCounts(850, 10, 100, 40)), margin=0.02)
    assert verdict.tone == "bad"
    assert verdict.sentence.startswith("The student does not replace the teacher within 2 points")


def test_an_interval_across_the_margin_says_how_many_rows_are_missing() -> None:
    verdict = decide(Evidence(rows=100, pairs=PairedCounts(90, 3, 4, 3)), margin=0.02)
    assert verdict.tone == "unclear"
    assert "more held-out rows would settle it." in verdict.sentence


def test_a_better_student_is_within_any_margin() -> None:
    assert decide(Evidence(rows=500, pairs=PairedCounts(400, 60, 5, 35)), margin=0.0).tone == "good"


def test_details_name_the_lead_over_the_base_model() -> None:
    evidence = Evidence(
        rows=400,
        agreement=wilson(360, 400),
        base_name="the prompted base model",
        base_measure="accuracy",
        base_difference=Estimate(0.5, 0.45, 0.55, 400),
    )
    assert decide(evidence, margin=0.02).details == [
        "By accuracy it is 50 points ahead of the prompted base model (95 % interval +45 to +55 points)."
    ]


def test_a_student_behind_its_base_or_level_with_it_is_said_plainly() -> None:
    behind = Evidence(
        rows=400, base_name="the base", base_measure="accuracy", base_difference=Estimate(-0.1, -0.2, -0.05, 400)
    )
    level = Evidence(
        rows=400, base_name="the base", base_measure="accuracy", base_difference=Estimate(0.01, -0.02, 0.04, 400)
    )
    assert "10 points behind the base" in decide(behind, margin=0.02).details[0]
    assert "cannot be told apart from the base" in decide(level, margin=0.02).details[0]
