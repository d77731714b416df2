"""The test against the margin as the report carries it."""

from __future__ import annotations

import json

import pytest

from evaluation.candidates.predictions import teacher_of
from evaluation.report.document import Options, build_report
from tests.evaluation.conftest import make_candidate, make_rows

ROWS = [("card", "card"), ("cash", "cash")] * 100


def test_the_report_holds_the_test_the_settings_and_what_the_rows_can_show() -> None:
    rows = make_rows([*ROWS, ("cash", "card")])
    student = make_candidate("student", ["card", "cash"] * 100 + ["card"])
    report = build_report(rows, [teacher_of(rows), student], Options(labels=["card", "cash"], margin=0.05))
    test = report["non_inferiority"]
    assert test["measure"] == "accuracy"
    assert test["method"] == "Tango's score test"
    assert test["outcome"] == "within"
    assert test["p"] < 0.025
    assert report["verdict"]["tone"] == "good"
    assert report["settings"] == {
        "margin": 0.05, "measure": "accuracy", "cluster_by": "auto", "clustered_by": "", "discordance": 0.1,
        "slices": ["label", "tag", "length", "language", "confidence", "source"],
    }  # fmt: skip
    assert report["detectable"]["basis"] == "seen"
    assert report["detectable"]["rows"] == 201
    assert report["detectable"]["difference"] is None or report["detectable"]["difference"] < 0.05
    assert report["slices"]["against"] == "teacher"
    json.dumps(report, allow_nan=False)


def test_free_text_with_references_is_judged_by_word_overlap_and_not_by_exact_matches() -> None:
    rows = make_rows(
        [("Please wait five working days.", "Please wait for five working days."), ("Open the app.", "Open our app.")]
        * 60
    )
    student = make_candidate("student", ["Please wait for five days.", "Open your app."] * 60)
    report = build_report(rows, [teacher_of(rows), student], Options(margin=0.2, cluster_by="none"))
    assert report["non_inferiority"]["measure"] == "token_f1"
    assert report["non_inferiority"]["method"].startswith("one-sided t-test")
    assert report["verdict"]["sentence"].startswith(
        "The student replaces the teacher within 20 points (p < 0.001): its word overlap is"
    )
    assert 0.8 < report["retained"]["value"] < 1.1


def test_a_chosen_measure_is_used_and_one_that_does_not_fit_is_said() -> None:
    rows = make_rows([("a b c", "a b d")] * 30)
    student = make_candidate("student", ["a b x"] * 30)
    chosen = build_report(rows, [teacher_of(rows), student], Options(measure="chrf"))
    assert chosen["settings"]["measure"] == "chrf"
    odd = build_report(rows, [teacher_of(rows), student], Options(measure="macro_f1"))
    assert odd["settings"]["measure"] == "token_f1"
    assert any("“macro_f1” says nothing of this kind of task" in note for note in odd["notes"])


def test_rows_of_few_conversations_weigh_less_everywhere() -> None:
    rows = make_rows(ROWS)
    for i, row in enumerate(rows):
        row.meta["conversation"] = {"id": f"c{i // 20}", "turn": i % 20}
    answers = [("card", "cash")[i % 2] if i // 20 != 3 else "wrong" for i in range(200)]
    teacher, student = make_candidate("base", ["card", "cash"] * 100), make_candidate("student", answers)
    plain = build_report(
        rows, [teacher_of(rows), teacher, student], Options(labels=["card", "cash"], cluster_by="none")
    )
    grouped = build_report(rows, [teacher_of(rows), teacher, student], Options(labels=["card", "cash"]))

    def width(report: dict) -> float:
        figure = next(c for c in report["candidates"] if c["name"] == "student")["metrics"]["accuracy"]
        return figure["high"] - figure["low"]

    assert width(grouped) > 2 * width(plain)
    first, second = (r["comparisons"][0] for r in (plain, grouped))
    assert second["p"] > first["p"]
    assert second["p_method"] == "paired permutation of groups"
    assert second["difference"]["n"] == first["difference"]["n"] == 200


def test_where_the_teacher_is_the_reference_slices_are_against_the_base() -> None:
    rows = make_rows(ROWS)
    base, student = make_candidate("base", ["card"] * 200), make_candidate("student", ["card", "cash"] * 100)
    report = build_report(rows, [teacher_of(rows), base, student], Options(labels=["card", "cash"], cluster_by="none"))
    assert report["non_inferiority"] is None
    assert report["detectable"]["basis"] == "expected"
    assert report["slices"]["against"] == "base"
    assert report["slices"]["slices"][0]["value"] == "card"
    assert report["slices"]["slices"][1]["difference"]["value"] == 1.0


def test_a_base_that_was_asked_a_sample_does_not_shrink_the_slices_to_it() -> None:
    rows = make_rows(ROWS)
    base = make_candidate("base", ["card"] * 20, asked=frozenset(f"r{i}" for i in range(20)))
    student = make_candidate("student", ["card", "card"] * 100)
    report = build_report(rows, [teacher_of(rows), base, student], Options(labels=["card", "cash"], cluster_by="none"))
    assert report["slices"]["against"] is None
    assert [(s["value"], s["n"], s["student"]["value"]) for s in report["slices"]["slices"]] == [
        ("cash", 100, 0.0),
        ("card", 100, 1.0),
    ]


@pytest.mark.parametrize("pairs", [[], [(None, None)], [("card", "card")], [(None, "card")] * 3])
def test_reports_with_next_to_nothing_have_all_their_keys(pairs: list) -> None:
    rows = make_rows(pairs)
    report = build_report(
        rows, [teacher_of(rows), make_candidate("student", [None] * len(pairs))], Options(labels=["card"])
    )
    for key in ("settings", "non_inferiority", "detectable", "slices", "teacher_models", "leakage"):
        assert key in report
    json.dumps(report, allow_nan=False)
