"""Asking another model about held-out rows: through the executor, the database and a real server on loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from evaluation.candidates.outside import read_candidates
from evaluation.steps.ask_model import AskModel
from pipelines.building import drafts, planning
from pipelines.models import Run, StepOutput, StepRun, TeacherCall
from pipelines.running import runs
from pipelines.specs import spec as specs
from studio.jobs import State
from studio.models import Workspace
from studio.registries import STEPS
from tests.pipelines import toys
from tests.servers.chat import ChatServer, Reply, running_chat_server
from vault import store
from vault.rows import Row, read_rows

Start = Callable[[dict[str, Any]], Run]


@pytest.fixture
def server(settings: Settings) -> Iterator[ChatServer]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server() as running:
        yield running


@pytest.fixture
def own(server: ChatServer) -> dict[str, Any]:
    """Params for the server as one of our own, without a key."""
    return {"teacher": "openai_compatible", "model": "small", "base_url": f"{server.url}/v1", "concurrency": 1}


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, workspace: Workspace) -> Start:
    """``start(spec)``: a started run of that spec."""
    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **toys.TABLE})

    def start_spec(spec: dict[str, Any]) -> Run:
        pipeline = drafts.create(workspace, name="Toy", spec=spec, user=None)
        return runs.start_run(runs.freeze(pipeline, user=None), user=None)

    return start_spec


def spec(*models: dict[str, Any], rows: int = 3, teacher: dict[str, Any] | None = None) -> dict[str, Any]:
    """Rows ``q0``, ``q1``… (answered by ``teacher``) and models ``ask1``, ``ask2``… asked one after the other."""
    nodes = [{"id": "make", "step": "source", "params": {"count": rows}}]
    edges, held_out = [], "make.rows"
    if teacher is not None:
        nodes.append({"id": "teach", "step": "generate", "params": teacher})
        edges.append({"from": held_out, "to": "teach.rows"})
        held_out = "teach.rows"
    for number, params in enumerate(models, start=1):
        nodes.append({"id": f"ask{number}", "step": "ask_model", "params": params})
        edges.append({"from": held_out, "to": f"ask{number}.rows"})
        if number > 1:
            edges.append({"from": f"ask{number - 1}.answers", "to": f"ask{number}.others"})
    return {"schema": 1, "nodes": nodes, "edges": edges}


def step_of(run: Run, node: str = "ask1") -> StepRun:
    return StepRun.objects.get(run=run, node=node)


def folder_of(run: Run, node: str = "ask1") -> Path:
    return store.path(StepOutput.objects.get(step_run=step_of(run, node), port="answers").artifact)


def rows_of(run: Run, node: str = "ask1") -> list[Row]:
    return list(read_rows(folder_of(run, node)))


def test_every_row_comes_back_with_the_answer_its_price_and_who_gave_it(start: Start, own: dict[str, Any]) -> None:
    run = runs.run_to_end(start(spec({**own, "price_in": 10.0, "price_out": 100.0})))
    assert run.state == State.SUCCEEDED, step_of(run).error
    rows = rows_of(run)
    assert [(r.id, r.completion_text) for r in rows] == [("r0", "Q0"), ("r1", "Q1"), ("r2", "Q2")]
    meta = rows[0].meta
    assert (meta["candidate"], meta["model"], meta["fingerprint"]) == (
        "outside_small",
        "small-2024-07-18",
        "fp_44709d6fcb",
    )
    assert meta["cost_usd"] == pytest.approx(0.002)
    assert meta["latency_ms"] > 0
    assert meta["usage"] == {"input_tokens": 100, "output_tokens": 10, "cached_tokens": 0}
    (told,) = read_candidates(folder_of(run))
    assert (told["label"], told["model"], told["again"]) == ("small", "small", 0)
    summary = step_of(run).summary
    assert summary["headline"] == "small answered 3 of 3 rows."
    assert summary["cost_usd"] == pytest.approx(0.006)
    assert summary["models"] == {"small-2024-07-18": 3}
    output = StepOutput.objects.get(step_run=step_of(run), port="answers")
    assert (output.artifact.kind, output.artifact.meta["rows"]) == ("answers", 3)


def test_what_the_teacher_answered_before_is_not_paid_for_again(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    run = runs.run_to_end(start(spec(own, teacher=own)))
    assert len(server.bodies) == 3
    assert step_of(run).summary["answers_reused"] == 3
    teacher = StepOutput.objects.get(step_run=step_of(run, "teach"), port="rows").artifact
    assert [r.meta["at"] for r in rows_of(run)] == [r.meta["at"] for r in read_rows(store.path(teacher))]


def test_asked_anew_it_is_asked_once_for_each_number(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    runs.run_to_end(start(spec({**own, "again": 1}, teacher=own)))
    assert len(server.bodies) == 6
    other = runs.run_to_end(start(spec({**own, "again": 1, "name": "Today"}, teacher=own)))
    assert len(server.bodies) == 6, "the answers of that number are kept too"
    assert read_candidates(folder_of(other))[0]["label"] == "Today"
    runs.run_to_end(start(spec({**own, "again": 2}, teacher=own)))
    assert len(server.bodies) == 9


def test_refusals_empty_and_cut_off_answers_stay_as_failures_of_their_rows(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.script = [Reply(finish="content_filter", text="no")] + [Reply(text="")] * 2 + [Reply(finish="length")] * 2
    run = runs.run_to_end(start(spec({**own, "max_tokens": 7}, rows=4)))
    assert run.state == State.SUCCEEDED, step_of(run).error
    rows = rows_of(run)
    assert [r.completion_text for r in rows] == [None, None, None, "Q3"]
    assert [r.meta["reject"]["reason"] for r in rows[:3]] == [
        "The teacher refused to answer.",
        "The answer was empty.",
        "The answer was cut off at 7 tokens.",
    ]
    assert step_of(run).summary["failures"] == {"refused": 1, "empty": 1, "cut off": 1}
    assert step_of(run).summary["headline"] == "small answered 1 of 4 rows (1 refused, 1 empty, 1 cut off)."


def test_a_model_that_answers_nothing_is_still_a_candidate(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.default = Reply(text="")
    run = runs.run_to_end(start(spec(own)))
    assert run.state == State.SUCCEEDED, step_of(run).error
    assert len(rows_of(run)) == 3
    assert step_of(run).summary["headline"] == "small answered 0 of 3 rows (3 empty)."


def test_a_call_that_failed_for_good_is_a_failure_of_its_row(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.script = [Reply(status=400, error="too long for this model")]
    run = runs.run_to_end(start(spec(own)))
    first = rows_of(run)[0]
    assert first.completion is None
    assert "too long for this model" in first.meta["reject"]["reason"]
    assert "model" not in first.meta, "nobody answered"


def test_several_models_come_in_one_artifact_under_names_of_their_own(start: Start, own: dict[str, Any]) -> None:
    run = runs.run_to_end(
        start(spec(own, {**own, "again": 1}, {**own, "model": "Large/Model-2", "name": "The large one"}))
    )
    assert run.state == State.SUCCEEDED
    told = read_candidates(folder_of(run, "ask3"))
    assert [(c["name"], c["label"]) for c in told] == [
        ("outside_small", "small"),
        ("outside_small_2", "small (2)"),
        ("outside_the_large_one", "The large one"),
    ]
    assert [r.meta["candidate"] for r in rows_of(run, "ask3")] == [c["name"] for c in told for _ in range(3)]


def test_the_system_prompt_can_be_dropped_or_replaced(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    system = {"system_prompt": "Name the label."}
    runs.run_to_end(
        start(
            spec(
                own,
                {**own, "system_prompt_mode": "drop"},
                {**own, "system_prompt_mode": "replace", "system_prompt": "Short."},
                rows=1,
                teacher={**own, **system},
            )
        )
    )
    systems = [[m["content"] for m in body["messages"] if m["role"] == "system"] for body in server.bodies]
    assert systems == [["Name the label."], [], ["Short."]], "kept, the question is the teacher's: answered already"


def test_a_sample_asks_no_more_than_its_rows(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    run = runs.run_to_end(start(spec({**own, "rows": 2, "seed": 3}, rows=20)))
    assert len(server.bodies) == len(rows_of(run)) == 2


def test_the_cost_cap_waits_for_a_person_and_leaves_out_what_was_not_asked(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.input_tokens = 20
    priced = {**own, "price_in": 1_000.0, "price_out": 1_000.0, "max_tokens": 20, "cost_cap_usd": 0.5}
    run = runs.run_to_end(start(spec(priced, rows=30)))
    assert step_of(run).state == State.WAITING
    asked = len(server.bodies)
    assert 0 < asked < 30
    assert runs.answer_step(step_of(run), user=None, answers={"at_cap": "keep"})
    runs.run_to_end(run)
    assert len(server.bodies) == asked == len(rows_of(run)), "a row that was not asked is no failure"
    summary = step_of(run).summary
    assert (summary["incomplete"], summary["failed"], summary["rows_in"]) == (True, 0, 30)
    assert f"{30 - asked} were not asked" in summary["headline"]


def test_a_raised_cap_goes_on_where_it_stood(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.input_tokens = 20
    priced = {**own, "price_in": 1_000.0, "price_out": 1_000.0, "max_tokens": 20, "cost_cap_usd": 0.5}
    run = runs.run_to_end(start(spec(priced, rows=30)))
    assert runs.answer_step(step_of(run), user=None, answers={"cost_cap_usd": 50.0})
    runs.run_to_end(run)
    assert len(server.bodies) == 30, "nothing is asked twice"
    assert TeacherCall.objects.count() == 30


def test_before_a_run_its_cost_is_told_from_the_last_one(
    start: Start, own: dict[str, Any], workspace: Workspace
) -> None:
    priced = {**own, "price_in": 10.0, "price_out": 100.0}
    runs.run_to_end(start(spec({**priced, "again": 1}, teacher=priced)))
    wanted = spec({**priced, "again": 2, "rows": 2}, teacher=priced)
    made = planning.plan(specs.parse(wanted), workspace_id=workspace.pk)
    assert made["ask1"].verdict == "run"
    assert made["ask1"].cost_usd == pytest.approx(0.004), "two rows of the three"


def test_the_answers_have_a_page_with_who_answered_and_why_not(
    start: Start, own: dict[str, Any], server: ChatServer, viewer_client: Client
) -> None:
    server.script = [Reply(text="")] * 2
    run = runs.run_to_end(start(spec(own)))
    address = reverse("run_output", args=[run.workspace.slug, run.number, "ask1", "answers"])
    page = viewer_client.get(run.get_absolute_url()).content.decode()
    assert "answers" in page
    response = viewer_client.get(address)
    assert response.status_code == 200
    text = response.content.decode()
    assert "small-2024-07-18" in text
    assert "Why there is no answer" in text
    assert "The answer was empty." in text


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"teacher": "recorded"}, "Input should be"),
        ({"teacher": "openai"}, "name of the teacher's model"),
        ({"model": "m", "system_prompt_mode": "replace", "system_prompt": " "}, "Enter the system prompt"),
        ({"model": "m", "again": -1}, "greater than or equal to 0"),
        ({"model": "m", "name": "x" * 81}, "at most 80"),
    ],
)
def test_params_that_do_not_fit_are_refused(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        AskModel.Params.model_validate(params)
