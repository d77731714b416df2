"""Voting over several answers to one prompt: what counts as the same, what wins, what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.models import StepOutput, StepRun
from pipelines.running import runs
from pipelines.steps.agreement import Agreement, Ballot, Told, canonical, plain
from studio.jobs import State
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Outcome, row, try_step
from tests.servers.chat import Reply, running_chat_server
from vault import store
from vault.rows import Row, assistant, read_rows


def samples(prompt: str, *answers: str | None, **more: Any) -> list[Row]:
    """The rows a teacher step makes of one prompt."""
    first = row(prompt, id=prompt, **more)
    made = []
    for number, answer in enumerate(answers):
        meta: dict[str, Any] = {"model": f"m{number}", "cost_usd": 0.5}
        if number:
            meta |= {"sample": number, "sample_of": first.id, "derived_from": [first.id]}
        completion = None if answer is None else assistant(answer)
        made.append(
            replace(first, id=f"{first.id}-{number + 1}" if number else first.id, completion=completion, meta=meta)
        )
    return made


def vote(*answers: str | None, labels: tuple[str, ...] = (), **params: Any) -> tuple[str, Row]:
    """Cause and row of one prompt's vote."""
    verdict = Ballot(Agreement.Params(**params), labels=labels).decide(samples("q", *answers), told=Told())
    return verdict.cause, verdict.row


def test_the_answer_of_most_becomes_the_completion_and_all_shares_are_kept(tmp_path: Path) -> None:
    rows = [
        *samples("a", "yes", "no", "Yes.", "yes", reference="gold"),
        *samples("b", "x", "y", "z", "w"),
    ]
    outcome = try_step(Agreement(), rows, folder=tmp_path)
    (kept,) = outcome.rows()
    assert (kept.id, kept.completion_text, kept.reference_text) == ("a", "yes", "gold")
    assert kept.soft == [{"text": "yes", "probability": 0.75}, {"text": "no", "probability": 0.25}]
    assert kept.meta["agreement"] == {"share": 0.75, "answers": 4, "different": 2}
    assert kept.meta["cost_usd"] == 2.0
    assert not {"sample", "sample_of", "derived_from"} & set(kept.meta), "the prompt is the row's own again"
    (reject,) = outcome.rows("rejects")
    assert reject.meta["reject"]["reason"] == "1 of 4 answers agree (25%); at least 60%."
    assert len(reject.soft or []) == 4
    assert outcome.summary["headline"] == (
        "1 of 2 prompts kept (1 dropped: 1 without enough agreement), from 8 answers that agree by 50% on average."
    )
    assert (outcome.summary["rows_in"], outcome.summary["prompts"], outcome.summary["unanimous"]) == (8, 2, 0)


def test_samples_need_not_stand_together(tmp_path: Path) -> None:
    a, b = samples("a", "1", "1", "1"), samples("b", "2", "2", "2")
    mixed = [row for pair in zip(a, b, strict=True) for row in pair]
    outcome = try_step(Agreement(), mixed, folder=tmp_path)
    assert [(r.id, r.completion_text) for r in outcome.rows()] == [("a", "1"), ("b", "2")]


def test_the_winner_is_spelt_as_most_of_its_voters_spell_it_and_remembers_who_said_it() -> None:
    cause, made = vote("yes", "Yes", "Yes", "no")
    assert (cause, made.completion_text, made.meta["model"]) == ("", "Yes", "m1")


@pytest.mark.parametrize(
    ("ties", "cause", "answer"), [("drop", "with a tie", "long one"), ("first", "", "long one"), ("shortest", "", "b")]
)
def test_ties_go_by_rule(ties: str, cause: str, answer: str) -> None:
    got, made = vote("long one", "b", "b", "long one", share=0.5, ties=ties)
    assert (got, made.completion_text) == (cause, answer)


def test_labels_are_compared_and_spelt_by_the_inputs_label_set() -> None:
    cause, made = vote("card-arrival", "Card arrival", "**card_arrival**", labels=("card_arrival", "lost_card"))
    assert (cause, made.completion_text) == ("", "card_arrival")
    assert made.soft == [{"text": "card_arrival", "probability": 1.0}]


def test_json_is_compared_by_value() -> None:
    cause, made = vote('{"a": 1, "b": [1.0]}', '```json\n{"b": [1], "a": 1}\n```', '{"a": 2, "b": [1]}')
    assert (cause, made.meta["agreement"]["share"]) == ("", pytest.approx(2 / 3, abs=1e-5))
    assert vote('{"a": 1}', '{"a": 1} indeed', compare="json", share=0.9)[0] == "without enough agreement"
    assert canonical("true text") is None


def test_only_the_part_that_counts_is_compared() -> None:
    cause, made = vote(
        "3 and 4 make 7. Answer: 7", "Count on. Answer: 7.", "Answer: 8", answer_pattern=r"(?i)answer:\s*(.+)"
    )
    assert (cause, made.completion_text) == ("", "3 and 4 make 7. Answer: 7")
    assert made.meta["agreement"]["different"] == 2


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("Yes.", "yes", True),
        ("**Paris**", "“paris”", True),
        ("a\nb", "a  b", True),
        ("lost_card", "Lost card", True),
        ("ﬁne", "fine", True),
        ("-5", "5", False),
        ("C++", "C", False),
        ("1.5", "15", False),
        ("€5", "$5", False),
        ("...", "!!!", False),
    ],
)
def test_what_makes_two_texts_the_same_answer(one: str, other: str, equal: bool) -> None:
    assert (plain(one) == plain(other)) == equal


def test_too_few_answers_are_no_vote() -> None:
    assert vote("yes")[0] == "with too few answers"
    assert vote("yes", None)[0] == "with too few answers"
    assert vote(None, None)[0] == "without an answer"
    assert vote("yes", least_answers=1)[0] == ""


def test_a_prompt_that_stands_twice_in_the_file_has_not_two_votes() -> None:
    first = replace(
        row("q", "yes", id="1"), meta={"teacher": "openai", "model": "m", "at": "2026-01-01", "latency_ms": 7.0}
    )
    verdict = Ballot(Agreement.Params()).decide([first, replace(first, id="2")], told=Told())
    assert verdict.cause == "with too few answers"
    assert verdict.row.meta["derived_from"] == ["2"]


def test_lineage_of_augmented_rows_is_kept() -> None:
    rows = [
        replace(r, meta={**r.meta, "derived_from": ["seed", *r.meta.get("derived_from", [])]})
        for r in samples("q", "a", "a")
    ]
    verdict = Ballot(Agreement.Params()).decide(rows, told=Told())
    assert verdict.row.meta["derived_from"] == ["seed"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "A."]), min_size=1, max_size=12))
def test_shares_add_up_and_the_winner_has_the_largest(answers: list[str]) -> None:
    _, made = vote(*answers, share=0.01, ties="first", least_answers=1)
    shares = [answer["probability"] for answer in made.soft or []]
    assert sum(shares) == pytest.approx(1)
    assert made.meta["agreement"]["share"] == pytest.approx(max(shares), abs=1e-5)
    assert plain(made.completion_text or "") == plain((made.soft or [])[0]["text"]) or shares.count(max(shares)) > 1


def test_params_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValidationError, match="group in round brackets"):
        Agreement.Params(answer_pattern="answer: .*")
    with pytest.raises(ValidationError, match="greater than 0"):
        Agreement.Params(share=0)


def test_no_agreement_at_all_stops_the_run_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="with too few answers") as caught:
        try_step(Agreement(), [row("a", "b")], folder=tmp_path)
    assert "several answers to each prompt" in caught.value.action


def test_the_label_set_travels_on(tmp_path: Path) -> None:
    outcome: Outcome = try_step(Agreement(), samples("q", "A", "a"), folder=tmp_path, meta={"labels": ["a", "b"]})
    assert outcome.result.outputs["rows"].meta["labels"] == ["a", "b"]
    assert outcome.rows()[0].completion_text == "a"


@pytest.fixture
def own(settings: Any) -> Iterator[dict[str, Any]]:
    """A teacher on loopback that says "yes" three times of four."""
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server(script=[Reply(text=t) for t in ("yes", "yes", "no", "Yes.")] * 2) as server:
        yield {"teacher": "openai_compatible", "model": "small", "base_url": f"{server.url}/v1"}


def test_a_teachers_samples_are_voted_on_in_a_run(start: Any, own: dict[str, Any]) -> None:
    spec = {
        "schema": 1,
        "nodes": [
            {"id": "make", "step": "source", "params": {"count": 2}},
            {"id": "ask", "step": "generate", "params": {**own, "samples": 4, "temperature": 1.0, "concurrency": 1}},
            {"id": "vote", "step": "agreement", "params": {"share": 0.7}},
        ],
        "edges": [{"from": "make.rows", "to": "ask.rows"}, {"from": "ask.rows", "to": "vote.rows"}],
    }
    run = runs.run_to_end(start(spec))
    step = StepRun.objects.get(run=run, node="vote")
    assert step.state == State.SUCCEEDED, step.error
    rows = list(read_rows(store.path(StepOutput.objects.get(step_run=step, port="rows").artifact)))
    assert [(r.id, r.completion_text) for r in rows] == [("r0", "yes"), ("r1", "yes")]
    assert [answer["probability"] for answer in rows[0].soft or []] == [0.75, 0.25]
