"""Merged weights and files against the adapter: what counts as the same answer, and what is told."""

from __future__ import annotations

from dataclasses import replace

from evaluation.candidates.predictions import Candidate, Prediction
from evaluation.figures.forms import KEPT, describe_forms, sentence_of
from evaluation.figures.scoring import judge
from evaluation.report.document import Options, build_report
from evaluation.report.sections import forms_view
from tests.evaluation.conftest import make_candidate, make_rows

ROWS = make_rows([("card", "card")] * 4)


def described(*candidates: Candidate) -> list[dict[str, object]]:
    """The records of these candidates over the rows."""
    return describe_forms([judge(c, ROWS, channel="generated") for c in candidates], ROWS)


def merged(*texts: str | None) -> Candidate:
    """A form of the student that wrote these texts."""
    return replace(make_candidate("merged", texts, form_of="student"), label="Student, merged", kind="student")


def test_the_very_answer_counts_and_white_space_around_it_does_not() -> None:
    student = make_candidate("student", ["card", "cash", "card", "Card"])
    [form] = described(student, merged("card", " cash\n", "transfer", "card"))
    assert (form["rows"], form["same"], form["differing"], form["positions"]) == (4, 2, 2, [2, 3])
    assert form["share"]["value"] == 0.5  # type: ignore[index]
    assert sentence_of(form) == "Student, merged against student: the same answer on 2 of 4 rows, another on 2."


def test_a_row_that_neither_answers_is_not_counted_and_one_that_one_answers_differs() -> None:
    student = make_candidate("student", ["card", None, None, "card"])
    [form] = described(student, merged("card", None, "card", None))
    assert (form["rows"], form["same"], form["positions"]) == (3, 1, [2, 3])


def test_both_failing_everywhere_gives_no_share() -> None:
    student = make_candidate("student", [None] * 4)
    [form] = described(student, merged(None, None, None, None))
    assert (form["rows"], form["share"]) == (0, None)
    assert "neither answered any row" in sentence_of(form)


def test_candidates_that_are_no_form_of_another_are_left_alone() -> None:
    assert described(make_candidate("student", ["card"] * 4), make_candidate("base", ["cash"] * 4)) == []
    assert described(merged("card", "card", "card", "card")) == []


def test_each_way_of_answering_that_both_have_is_compared() -> None:
    def answers(label: str) -> dict[str, Prediction]:
        return {r.id: Prediction(r.id, text="card", label=label, confidence=0.9) for r in ROWS}

    student = Candidate("student", "Student", "student", answers("card"))
    form = Candidate("gguf_q8_0", "GGUF Q8_0", "quantised", answers("cash"), form_of="student")
    written, scored = described(student, form)
    assert (written["channel"], written["same"]) == ("generated", 4)
    assert (scored["channel"], scored["same"]) == ("scored", 0)
    assert "by the likeliest label" in sentence_of(scored)


def test_only_the_first_differing_rows_are_kept() -> None:
    rows = make_rows([("card", "card")] * (KEPT + 50))
    student = make_candidate("student", ["card"] * len(rows))
    form = make_candidate("merged", ["cash"] * len(rows), form_of="student")
    [found] = describe_forms([judge(c, rows, channel="generated") for c in (student, form)], rows)
    assert found["differing"] == KEPT + 50
    assert found["positions"] == list(range(KEPT))


def test_the_report_names_the_rows_and_a_file_without_addresses_has_no_links() -> None:
    student = make_candidate("student", ["card"] * 4)
    report = build_report(ROWS, [student, merged("card", "card", "card", "cash")], Options(labels=["card", "cash"]))
    [line] = forms_view(report, rows_url="/rows/")
    assert line["links"] == [{"text": "4", "href": "/rows/?row=3"}]
    assert line["cell"].text == "75.0 %"
    assert forms_view(report, rows_url="")[0]["links"] == []
    assert forms_view({"forms": None}, rows_url="/rows/") == forms_view({}, rows_url="/rows/") == []
