"""New prompts after examples: from a server on loopback that writes, repeats itself, copies or says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from pipelines.models import Run, StepOutput, StepRun, TeacherCall
from pipelines.running import runs
from pipelines.steps.base import InputArtifact
from pipelines.steps.more_like_these import MoreLikeThese, held_out_repeats
from studio.jobs import State
from tests.pipelines.steps.desk import Desk, row
from tests.servers.chat import ChatServer, Reply, running_chat_server
from vault import store
from vault.rows import Row, read_rows, write_rows

Start = Callable[[dict[str, Any]], Run]

NEW = (
    "My card never came back from the shop",
    "Where do I report that a payment is missing",
    "Somebody else used my account in Rome last night",
    "I would like to raise the limit for one purchase",
)


@pytest.fixture
def server(settings: Settings) -> Iterator[ChatServer]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server(default=Reply(text=json.dumps(NEW))) as running:
        yield running


@pytest.fixture
def own(server: ChatServer) -> dict[str, Any]:
    return {"teacher": "openai_compatible", "model": "writer", "base_url": f"{server.url}/v1", "concurrency": 1}


def spec(rows: int = 3, text: str = "card", **params: Any) -> dict[str, Any]:
    return {
        "schema": 1,
        "nodes": [
            {"id": "make", "step": "source", "params": {"count": rows}},
            {"id": "answer", "step": "answer", "params": {"text": text}},
            {"id": "more", "step": "more_like_these", "params": params},
        ],
        "edges": [{"from": "make.rows", "to": "answer.rows"}, {"from": "answer.rows", "to": "more.rows"}],
    }


def step_of(run: Run) -> StepRun:
    return StepRun.objects.get(run=run, node="more")


def rows_of(run: Run, port: str = "rows") -> list[Row]:
    return list(read_rows(store.path(StepOutput.objects.get(step_run=step_of(run), port=port).artifact)))


def test_new_prompts_are_rows_that_know_where_they_come_from(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    run = runs.run_to_end(start(spec(**own, count=4, at_once=5, price_in=10.0, price_out=100.0)))
    step = step_of(run)
    assert step.state == State.SUCCEEDED, step.error
    kept = rows_of(run)
    assert [r.user_text for r in kept] == list(NEW)
    assert all(r.completion is None for r in kept)
    assert set(kept[0].meta["derived_from"]) == {"r0", "r1", "r2"}
    assert step.summary["headline"].startswith("4 prompts written in 1 answers. 4 of 4 rows kept")
    assert step.summary["cost_usd"] > 0
    asked = server.bodies[0]["messages"]
    assert "Write 5 NEW messages" in asked[0]["content"] and "example 3>>" in asked[1]["content"]


def test_what_was_written_is_never_paid_for_twice(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    runs.run_to_end(start(spec(**own, count=4)))
    first = len(server.bodies)
    runs.run_to_end(start(spec(**own, count=4, alike=0.9)))
    assert len(server.bodies) == first
    assert TeacherCall.objects.count() == first


def test_labels_are_taken_over_from_the_examples_and_said_to_the_teacher(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    run = runs.run_to_end(start(spec(**own, count=4, answers="as the examples'")))
    assert {r.completion_text for r in rows_of(run)} == {"card"}
    assert "right answer to all of them>>\ncard" in server.bodies[0]["messages"][1]["content"]


def test_repeats_leave_with_their_reason(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    example = "q0"
    texts = [NEW[0], NEW[0].upper() + "!", example, NEW[1], NEW[2]]
    server.script = [Reply(text=json.dumps(texts))]
    run = runs.run_to_end(start(spec(**own, count=2, at_once=50)))
    causes = {r.user_text: r.meta["reject"]["reason"] for r in rows_of(run, "rejects")}
    assert [r.user_text for r in rows_of(run)] == [NEW[0], NEW[1]]
    assert "another new prompt" in causes[NEW[0].upper() + "!"]
    assert "asked for" in causes[NEW[2]]
    assert "an example" in causes[example]


def test_an_answer_without_a_prompt_fails_in_words(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.default = Reply(text="I would rather not.")
    run = runs.run_to_end(start(spec(**own, count=2)))
    assert step_of(run).state == State.FAILED
    assert "No row is left" in step_of(run).error


def test_nothing_like_a_held_out_row_is_kept(tmp_path: Path) -> None:
    held = [row(NEW[2], id="h0"), row("how do I close my account for good, please tell me now", id="h1")]
    write_rows(tmp_path / "held", held)
    source = InputArtifact("ab" * 32, "dataset", tmp_path / "held", {})
    (tmp_path / "scratch").mkdir()
    rows = [
        row(NEW[2].lower() + "?", id="n0"),
        row("how do I close my account for good, please tell me today", id="n1"),
        row(NEW[0], id="n2"),
        Row("n3", [{"role": "user", "content": "something else"}], meta={"derived_from": ["h1"]}),
    ]
    found = held_out_repeats(Desk(tmp_path / "scratch"), rows, source, threshold=0.6)  # type: ignore[arg-type]
    assert set(found) == {0, 1, 3}
    assert all(cause == "too near to a held-out row" for cause, _ in found.values())


def test_recorded_answers_can_write_nothing() -> None:
    with pytest.raises(ValidationError, match="can't write new prompts"):
        MoreLikeThese.Params(teacher="recorded")
