"""Replaying stored answers."""

from __future__ import annotations

import pytest

from pipelines.teachers.base import Connection, Sampling, TeacherError, Usage
from pipelines.teachers.recorded import RecordedTeacher, answer_of
from studio.lib.errors import StepError
from tests.aside import run_aside
from vault.rows import Message, Row, assistant


def prompt(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]


def row(text: str, answer: str | None, **meta: object) -> Row:
    return Row(id=text, prompt=prompt(text), completion=None if answer is None else assistant(answer), meta=dict(meta))


def teacher(*rows: Row, answers_from: str = "completion") -> RecordedTeacher:
    made = RecordedTeacher(RecordedTeacher.Params(answers_from=answers_from), connection=Connection())
    made.learn(rows)
    return made


def test_it_answers_by_the_hash_of_the_prompt_with_what_was_recorded() -> None:
    usage = {"input_tokens": 12, "output_tokens": 3}
    known = teacher(row("a", "A", model="big-1", usage=usage, cost_usd=0.25, latency_ms=80.0), row("b", "B"))
    answer = run_aside(known.complete(prompt("a"), Sampling()))
    assert (answer.text, answer.model, answer.cost_usd, answer.latency_ms) == ("A", "big-1", 0.25, 80.0)
    assert answer.usage == Usage(12, 3, 0)
    assert run_aside(known.complete(prompt("b"), Sampling())).model == "recorded"


def test_several_answers_to_one_prompt_are_its_samples() -> None:
    known = teacher(row("a", "first"), row("a", "second"))
    assert [run_aside(known.complete(prompt("a"), Sampling(), sample=n)).text for n in (0, 1)] == ["first", "second"]
    with pytest.raises(TeacherError, match="2 recorded answers") as caught:
        run_aside(known.complete(prompt("a"), Sampling(), sample=2))
    assert not caught.value.retryable


def test_missing_answers_are_counted_and_shown_before_anything_is_asked() -> None:
    known = teacher(row("a", "A"), row("empty", None))
    with pytest.raises(StepError, match="2 of 3 prompts have no recorded answer: “empty”; “new”") as caught:
        known.prepare([prompt("a"), prompt("empty"), prompt("new")])
    assert not caught.value.retryable
    assert "Record answers" in caught.value.action
    known.prepare([prompt("a")])


def test_the_reference_can_be_the_answer() -> None:
    gold = Row(
        id="x", prompt=prompt("x"), completion=assistant("guess"), reference=assistant("gold"), meta={"cost_usd": 1.0}
    )
    answer = answer_of(gold, column="reference")
    assert answer is not None
    assert answer.text == "gold"
    assert answer.cost_usd is None, "the teacher's cost is not the reference's"
    assert run_aside(teacher(gold, answers_from="reference").complete(prompt("x"), Sampling())).text == "gold"


def test_tool_calls_are_replayed() -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    recorded = Row(id="x", prompt=prompt("x"), completion={"role": "assistant", "content": None, "tool_calls": [call]})
    answer = answer_of(recorded, column="completion")
    assert answer is not None
    assert answer.message() == recorded.completion
