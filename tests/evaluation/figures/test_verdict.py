"""The first sentence of a report."""

from __future__ import annotations

from evaluation.figures.verdict import Evidence, decide
from evaluation.statistics import Estimate, PairedCounts, noninferiority_of_means, noninferiority_of_pairs, wilson


def test_an_interval_above_the_margin_says_it_can_replace_the_teacher() -> None:
    verdict = decide(Evidence(rows=2000, pairs=PairedCounts(1900, 20, 22, 58)), margin=0.02)
    assert verdict.tone == "good"
    assert verdict.sentence == (
        "The student replaces the teacher within 2 points (p < 0.001): it is right on 96.0 % of 2,000 held-out rows, the teacher on "
        "96.1 % (difference −0.1 points, 95 % interval −0.8 to +0.6 points)."
    )


def test_an_interval_below_the_margin_says_it_does_not() -> None:
    verdict = decide(Evidence(rows=1000, pairs=PairedCounts(850, 10, 100, 40)), margin=0.02)
    assert verdict.tone == "bad"
    assert verdict.sentence.startswith("The student does not replace the teacher within 2 points (p < 0.001): ")


def test_an_interval_across_the_margin_says_how_many_rows_are_missing() -> None:
    verdict = decide(Evidence(rows=100, pairs=PairedCounts(90, 3, 4, 3)), margin=0.02)
    assert verdict.tone == "unclear"
    assert "cannot be told yet (p = 0.355)" in verdict.sentence
    assert "more held-out rows are needed to tell." in verdict.sentence


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


def test_a_loss_of_just_the_margin_promises_no_number_of_rows() -> None:
    sentence = decide(Evidence(rows=100, pairs=PairedCounts(90, 2, 4, 4)), margin=0.02).sentence
    assert sentence.endswith("so no number of rows is sure to settle it.")


def test_scores_are_judged_by_their_means() -> None:
    differences = [0.01, -0.02, 0.0, 0.03] * 500
    test = noninferiority_of_means(differences, margin=0.02)
    verdict = decide(Evidence(rows=2000, test=test, means=(0.71, 0.70), measure="word overlap"), margin=0.02)
    assert verdict.tone == "good"
    assert verdict.sentence.startswith(
        "The student replaces the teacher within 2 points (p < 0.001): its word overlap is 71.0 % over 2,000 held-out rows, the "
        "teacher's 70.0 %"
    )


def test_rows_of_one_conversation_are_said_to_weigh_less() -> None:
    hits = [(i % 7 != 0, i % 9 != 0) for i in range(12) for _ in range(4)]
    names = [i for i in range(12) for _ in range(4)]
    test = noninferiority_of_pairs(hits, margin=0.02, clusters=names)
    details = decide(Evidence(rows=48, test=test, cluster_name="conversation"), margin=0.02).details
    assert "Rows are counted in 12 groups by conversation" in details[0]
    assert "12 groups are few" in details[1]


def test_a_single_conversation_is_no_evidence_and_says_why() -> None:
    test = noninferiority_of_pairs([(True, True)] * 9, margin=0.02, clusters=["a"] * 9)
    verdict = decide(Evidence(rows=9, test=test, pairs=PairedCounts(9, 0, 0, 0)), margin=0.02)
    assert verdict.tone == "unclear"
    assert verdict.sentence.endswith("All rows belong to one cluster, so nothing can be said of chance.")
