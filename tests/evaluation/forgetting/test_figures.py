"""Base model against student on the same questions."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.forgetting.figures import compare, finding_of, headline, judge


def result(scores: list[int], **changes: Any) -> dict[str, Any]:
    """A result file of the child."""
    keys = [f"k{n}" for n in range(len(scores))]
    told = {"task": "piqa", "metric": "acc", "version": "1.0", "total": 900, "keys": keys, "scores": scores}
    return {**told, **changes}


def compared(base: list[int], student: list[int]) -> dict[str, Any]:
    """The figures of one task."""
    return compare("piqa", result(base), result(student), label="PIQA", about="things")


def test_both_scores_and_their_difference_come_with_intervals() -> None:
    found = compared([1, 1, 0, 1], [1, 0, 0, 0])
    assert (found["base"]["value"], found["student"]["value"]) == (0.75, 0.25)
    assert found["difference"]["value"] == -0.5
    assert found["difference"]["low"] < -0.5 < found["difference"]["high"]
    assert (found["only_base"], found["only_student"], found["n"], found["total"]) == (2, 0, 4, 900)


def test_other_questions_are_never_compared() -> None:
    with pytest.raises(ValueError, match="different questions"):
        compare("piqa", result([1, 0]), result([1, 0], keys=["k0", "other"]), label="PIQA", about="")
    with pytest.raises(ValueError, match="different questions"):
        compare("piqa", result([1, 0]), result([1, 0], metric="acc_norm"), label="PIQA", about="")


def test_a_task_without_questions_has_no_figures_and_finds_nothing() -> None:
    [task] = judge([compared([], [])], margin=0.02)
    assert (task["base"], task["difference"], task["p"], task["finding"]) == (None, None, None, "unclear")


def test_the_same_answers_everywhere_are_kept_only_where_the_number_of_questions_shows_it() -> None:
    few, many = compared([1, 0] * 5, [1, 0] * 5), compared([1, 0] * 500, [1, 0] * 500)
    assert [t["finding"] for t in judge([few, many], margin=0.02)] == ["unclear", "kept"]


def test_a_loss_stands_only_behind_the_correction_for_looking_at_many() -> None:
    lost = compared([1] * 8 + [0, 1] * 10, [0] * 8 + [0, 1] * 10)
    assert lost["p"] == pytest.approx(2 / 2**8)
    assert judge([lost], margin=0.02)[0]["finding"] == "forgot"
    same = compared([1, 0], [1, 0])
    many = judge([lost, *[same] * 9], margin=0.02)
    assert many[0]["p_holm"] == pytest.approx(20 / 2**8)
    assert many[0]["finding"] == "unclear"


@pytest.mark.parametrize(
    ("value", "low", "p", "finding"),
    [(-0.1, -0.15, 0.001, "forgot"), (0.1, 0.05, 0.001, "better"), (0, -0.01, 1, "kept"), (0, -0.03, 1, "unclear")],
)
def test_findings(value: float, low: float, p: float, finding: str) -> None:
    assert finding_of({"value": value, "low": low}, p, margin=0.02) == finding


@pytest.mark.parametrize(
    ("findings", "sentence", "tone"),
    [
        ([], "No question was asked.", "good"),
        (["kept"], "The student kept A within the margin.", "good"),
        (["forgot", "kept"], "The student forgot part of A; it kept B within the margin.", "bad"),
        (["unclear", "unclear", "better"], "The student does better on C; no change is shown on A and B.", "unclear"),
        (["unclear"], "No change is shown on A.", "unclear"),
    ],
)
def test_the_headline_names_the_losses_first(findings: list[str], sentence: str, tone: str) -> None:
    tasks = [{"label": "ABC"[n], "finding": finding} for n, finding in enumerate(findings)]
    assert headline(tasks) == (sentence, tone)
