"""Worked examples for the base model."""

from __future__ import annotations

from evaluation.candidates.examples import choose_examples, question_key
from tests.evaluation.conftest import make_rows


def test_every_answer_has_its_turn_before_one_comes_twice() -> None:
    rows = make_rows([("card", None)] * 8 + [("cash", None)] * 2 + [("transfer", None)])
    answers = [e["completion"]["content"] for e in choose_examples(rows, count=4, seed=1)]
    assert set(answers[:3]) == {"card", "cash", "transfer"}
    assert len(answers) == 4


def test_questions_of_held_out_rows_never_become_examples() -> None:
    rows = make_rows([("card", None), ("cash", None)])
    found = choose_examples(rows, count=5, seed=1, held_out={question_key(rows[0])})
    assert [e["completion"]["content"] for e in found] == ["cash"]


def test_system_messages_are_left_to_the_prompt_that_is_asked() -> None:
    example = choose_examples(make_rows([("card", None)]), count=1, seed=1)[0]
    assert [m["role"] for m in example["prompt"]] == ["user"]


def test_rows_without_an_answer_are_no_examples_and_too_few_rows_give_fewer() -> None:
    assert choose_examples(make_rows([(None, "card"), ("", None)]), count=3, seed=1) == []


def test_the_seed_decides_the_choice() -> None:
    rows = make_rows([("card", None)] * 30)
    one, again, other = (choose_examples(rows, count=3, seed=s) for s in (1, 1, 2))
    assert one == again
    assert one != other
