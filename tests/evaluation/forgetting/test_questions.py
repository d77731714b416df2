"""Rows as multiple-choice questions."""

from __future__ import annotations

from typing import Any

import pytest

from evaluation.forgetting.questions import MOST_CHOICES, questions_of
from studio.lib.errors import StepError
from tests.evaluation.conftest import make_row, make_rows
from vault.rows import Row, assistant


def test_a_closed_set_of_right_answers_is_what_every_question_chooses_from() -> None:
    found = questions_of(make_rows([(None, "cash"), ("ignored", "card"), ("card", None)]))
    assert [line["choices"] for line in found.lines] == [["card", "cash"]] * 3
    assert [line["answer"] for line in found.lines] == [1, 0, 0]
    assert found.lines[0]["question"] == "Name the label.\n\nquestion 0"
    assert found.left_out == 0


def test_a_row_may_bring_choices_of_its_own() -> None:
    rows = [
        make_row(0, teacher=None, reference="Paris", choices=["Rome", " Paris ", "Rome", ""]),
        make_row(1, teacher=None, reference="seven", choices=["six", "seven", "eight"]),
    ]
    assert [(q["choices"], q["answer"]) for q in questions_of(rows).lines] == [
        (["Rome", "Paris"], 1),
        (["six", "seven", "eight"], 1),
    ]


def test_a_preferred_answer_is_asked_against_the_other() -> None:
    [line] = questions_of([make_row(0, teacher="good", reference=None, non_preferred=assistant("bad"))]).lines
    assert (line["choices"], line["answer"]) == (["good", "bad"], 0)


@pytest.mark.parametrize(
    "choices", ["Paris", ["Rome", "Madrid"], ["Paris"], [1, 2], [], [str(n) for n in range(MOST_CHOICES + 1)], None]
)
def test_a_row_whose_own_choices_are_no_choice_is_left_out_and_counted(choices: Any) -> None:
    good = make_rows([(None, "card"), (None, "cash")])
    found = questions_of([*good, make_row(9, teacher=None, reference="Paris", choices=choices)])
    assert (len(found.lines), found.left_out) == (2, 1)


def test_rows_without_an_answer_or_a_question_are_left_out() -> None:
    empty = Row(id="e", prompt=[{"role": "user", "content": " "}], reference=assistant("card"))
    found = questions_of([*make_rows([(None, "card"), (None, "cash"), (None, None)]), empty])
    assert (len(found.lines), found.left_out) == (2, 2)


@pytest.mark.parametrize("answers", [["same"] * 3, [f"free text {n}" for n in range(MOST_CHOICES + 1)], []])
def test_a_dataset_that_is_no_multiple_choice_says_what_would_be(answers: list[str]) -> None:
    with pytest.raises(StepError, match="is a question with answers") as problem:
        questions_of(make_rows([(None, answer) for answer in answers]))
    assert "choices" in problem.value.action


def test_a_conversation_names_who_speaks() -> None:
    row = Row(
        id="c",
        prompt=[
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Yes?"},
            {"role": "user", "content": "Card or cash?"},
        ],
        reference=assistant("card"),
        meta={"choices": ["card", "cash"]},
    )
    [line] = questions_of([row]).lines
    assert line["question"] == "user: Hello\n\nassistant: Yes?\n\nuser: Card or cash?"
