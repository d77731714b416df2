"""Asking a teacher as a step of a run: through the executor, the database and a real server on loopback."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from pipelines.models import Run, StepOutput, StepRun, TeacherCall
from pipelines.running import executor, runs
from pipelines.steps import teaching
from pipelines.steps.base import InputArtifact
from pipelines.steps.generate import Generate
from pipelines.teachers.engine import Limits
from studio.jobs import State
from studio.lib.errors import StepError
from studio.models import ProviderCredential, Workspace
from tests.pipelines.steps.desk import Desk, row, try_step
from tests.servers.chat import ChatServer, Reply, running_chat_server
from vault import store
from vault.rows import Row, assistant, read_rows, write_rows

Start = Callable[[dict[str, Any]], Run]
ROOT = Path(__file__).resolve().parents[3]
KEY = "sk-live-0123456789-abcdef"


def spec(rows: int = 3, **params: Any) -> dict[str, Any]:
    """Rows ``q0``, ``q1``… and a teacher that answers them."""
    return {
        "schema": 1,
        "nodes": [
            {"id": "make", "step": "source", "params": {"count": rows}},
            {"id": "ask", "step": "generate", "params": params},
        ],
        "edges": [{"from": "make.rows", "to": "ask.rows"}],
    }


@pytest.fixture
def server(settings: Settings) -> Iterator[ChatServer]:
    settings.ALLOWED_HOSTS_OUT = ["127.0.0.1"]
    with running_chat_server() as running:
        yield running


@pytest.fixture
def own(server: ChatServer) -> dict[str, Any]:
    """Params for the server as one of our own, without a key."""
    return {"teacher": "openai_compatible", "model": "small", "base_url": f"{server.url}/v1"}


@pytest.fixture
def key(workspace: Workspace, server: ChatServer) -> ProviderCredential:
    """A key for OpenAI behind a gateway of our own."""
    credential = ProviderCredential(workspace=workspace, name="team", provider="openai", base_url=f"{server.url}/v1")
    credential.seal(KEY)
    credential.save()
    return credential


def ask_step(run: Run) -> StepRun:
    return StepRun.objects.get(run=run, node="ask")


def rows_of(run: Run, port: str = "rows") -> list[Row]:
    output = StepOutput.objects.get(step_run=ask_step(run), port=port)
    return list(read_rows(store.path(output.artifact)))


# --- through the executor ------------------------------------------------------------------------------------------------


def test_every_row_leaves_with_its_answer_and_where_it_came_from(start: Start, own: dict[str, Any]) -> None:
    run = runs.run_to_end(start(spec(price_in=10.0, price_out=100.0, **own)))
    assert run.state == State.SUCCEEDED, ask_step(run).error
    rows = rows_of(run)
    assert [r.completion_text for r in rows] == ["Q0", "Q1", "Q2"]
    meta = rows[0].meta
    assert (meta["teacher"], meta["model"]) == ("openai_compatible", "small-2024-07-18")
    assert meta["usage"] == {"input_tokens": 100, "output_tokens": 10, "cached_tokens": 0}
    assert meta["cost_usd"] == pytest.approx(0.002)
    assert meta["fingerprint"] == "fp_44709d6fcb"
    assert meta["latency_ms"] > 0
    assert meta["at"].startswith("20")
    step = ask_step(run)
    assert step.summary["rows_kept"] == step.summary["answers_new"] == 3
    assert step.summary["cost_usd"] == pytest.approx(0.006)
    assert rows_of(run, "rejects") == []
    assert TeacherCall.objects.filter(workspace=run.workspace, step_run=step).count() == 3


def test_the_key_is_sent_to_its_provider_and_kept_nowhere_else(
    start: Start, server: ChatServer, key: ProviderCredential, data_root: Path
) -> None:
    server.key = KEY
    params = {"teacher": "openai", "model": "gpt-4o-mini", "credential": "team"}
    run = runs.run_to_end(start(spec(**params)))
    assert run.state == State.SUCCEEDED, ask_step(run).error
    step = ask_step(run)
    assert KEY not in str([step.params, step.facts, step.summary, list(TeacherCall.objects.values())])
    for path in data_root.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_an_answer_is_never_paid_for_twice_between_runs(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    runs.run_to_end(start(spec(3, **own)))
    more = runs.run_to_end(start(spec(5, **own)))
    assert sorted(server.prompts) == ["q0", "q1", "q2", "q3", "q4"]
    assert ask_step(more).summary["answers_reused"] == 3
    assert [r.completion_text for r in rows_of(more)] == ["Q0", "Q1", "Q2", "Q3", "Q4"]


def test_another_concurrency_or_cap_reuses_the_whole_step(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    priced = {**own, "price_in": 1.0, "price_out": 1.0}
    first = runs.run_to_end(start(spec(**priced)))
    again = runs.run_to_end(start(spec(**priced, concurrency=2, cost_cap_usd=5.0)))
    assert ask_step(again).reused_from == ask_step(first)
    assert len(server.bodies) == 3


def test_the_cost_cap_asks_a_person_and_goes_on_where_it_stood(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.input_tokens = 20
    run = start(spec(30, **own, price_in=1_000.0, price_out=1_000.0, max_tokens=20, cost_cap_usd=0.5, concurrency=2))
    runs.run_to_end(run)
    step = ask_step(run)
    assert step.state == State.WAITING
    assert "$0.50" in step.error
    asked = len(server.bodies)
    assert 0 < asked < 30
    assert TeacherCall.objects.count() == asked
    assert runs.answer_step(step, user=None, answers={"cost_cap_usd": 50.0})
    runs.run_to_end(run)
    assert ask_step(run).state == State.SUCCEEDED
    assert len(server.bodies) == 30, "nothing is asked twice"
    assert ask_step(run).summary["cost_usd"] == pytest.approx(30 * 0.03)


def test_at_the_cap_the_answers_so_far_can_be_kept(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.input_tokens = 20
    run = start(spec(30, **own, price_in=1_000.0, price_out=1_000.0, max_tokens=20, cost_cap_usd=0.5))
    runs.run_to_end(run)
    assert runs.answer_step(ask_step(run), user=None, answers={"at_cap": "keep"})
    runs.run_to_end(run)
    kept, dropped = rows_of(run), rows_of(run, "rejects")
    assert len(kept) == len(server.bodies) > 0
    assert len(kept) + len(dropped) == 30
    assert dropped[0].meta["reject"] == {"by": "generate", "reason": "Not asked: the cost cap was reached."}
    assert ask_step(run).summary["incomplete"] is True


def test_a_cap_without_a_price_is_refused_before_anything_is_asked(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    run = runs.run_to_end(start(spec(**own, cost_cap_usd=1.0)))
    assert "price of small is not known" in ask_step(run).error
    assert "0 for a server of your own" in ask_step(run).action
    assert server.bodies == []


def test_without_prices_the_cost_is_unknown_not_zero(start: Start, own: dict[str, Any]) -> None:
    run = runs.run_to_end(start(spec(**own)))
    assert ask_step(run).summary["cost_usd"] is None
    assert rows_of(run)[0].meta["cost_usd"] is None


def test_rows_without_a_usable_answer_leave_by_rejects_with_their_reason(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.script = [Reply(finish="length"), Reply(finish="length"), Reply(text=""), Reply(text="")]
    run = runs.run_to_end(start(spec(4, **own, concurrency=1, max_tokens=7)))
    assert run.state == State.SUCCEEDED
    assert [r.id for r in rows_of(run)] == ["r2", "r3"]
    reasons = {r.id: r.meta["reject"]["reason"] for r in rows_of(run, "rejects")}
    assert reasons == {"r0": "The answer was cut off at 7 tokens.", "r1": "The answer was empty."}
    assert ask_step(run).summary["dropped"] == {"cut off": 1, "empty": 1}


def test_a_row_that_failed_is_asked_again_by_the_next_run(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.script = [Reply(text="")] * 2
    runs.run_to_end(start(spec(2, **own, concurrency=1)))
    again = runs.run_to_end(start(spec(3, **own, concurrency=1)))
    assert [r.id for r in rows_of(again)] == ["r0", "r1", "r2"]
    assert server.prompts == ["q0", "q0", "q1", "q0", "q2"]


def test_a_success_that_lacks_rows_for_a_passing_reason_says_so(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.script = [Reply(status=400)]
    whole = runs.run_to_end(start(spec(3, **own, concurrency=1)))
    assert len(rows_of(whole, "rejects")) == 1
    assert "incomplete" not in ask_step(whole).summary, "what the provider rejects, it would reject again"


def test_rows_that_failed_by_the_teachers_trouble_are_asked_by_the_next_run(
    start: Start, own: dict[str, Any], server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "Limits", partial(Limits, backoff=0.001, longest_wait=0.001))
    server.script = [Reply(status=500)] * 5
    first = runs.run_to_end(start(spec(3, **own, concurrency=1)))
    assert first.state == State.SUCCEEDED, ask_step(first).error
    assert [r.id for r in rows_of(first, "rejects")] == ["r0"]
    assert ask_step(first).summary["incomplete"] is True
    assert "Run it again" in ask_step(first).summary["headline"]
    asked = len(server.bodies)
    again = runs.run_to_end(start(spec(3, **own, concurrency=1)))
    assert [r.id for r in rows_of(again)] == ["r0", "r1", "r2"]
    assert len(server.bodies) == asked + 1, "only what is missing is asked"
    assert "incomplete" not in ask_step(again).summary
    assert ask_step(runs.run_to_end(start(spec(3, **own, concurrency=1)))).reused_from == ask_step(again)


def test_a_question_that_two_runs_paid_for_is_on_both_bills(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    priced = {**own, "concurrency": 1, "price_in": 10.0, "price_out": 100.0}
    server.script = [Reply(text="")] * 2
    first = runs.run_to_end(start(spec(2, **priced)))
    again = runs.run_to_end(start(spec(3, **priced)))
    bills = [
        sum(call.cost_usd or 0 for call in TeacherCall.objects.filter(step_run=ask_step(run))) for run in (first, again)
    ]
    assert bills == [pytest.approx(3 * 0.002), pytest.approx(2 * 0.002)]
    assert [r.completion_text for r in rows_of(again)] == ["Q0", "Q1", "Q2"]


def test_money_in_doubt_is_remembered_by_the_next_attempt(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    """Timed-out calls may be billed: a raised cap must not forget them."""
    server.default = Reply(hang=True)
    priced = {**own, "price_in": 1_000.0, "price_out": 1_000.0, "max_tokens": 100, "timeout": 1}
    run = runs.run_to_end(start(spec(2, **priced, cost_cap_usd=0.2, concurrency=1)))
    step = ask_step(run)
    assert (step.state, len(server.bodies)) == (State.WAITING, 1)
    assert "perhaps $0.1" in step.error
    assert runs.answer_step(step, user=None, answers={"cost_cap_usd": 0.21})
    runs.run_to_end(run)
    assert ask_step(run).state == State.WAITING
    assert len(server.bodies) == 1, "the cap counts what the first attempt may have cost"


def test_a_teacher_that_answers_nothing_fails_the_step(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.default = Reply(text="")
    run = runs.run_to_end(start(spec(**own)))
    assert "answered none of the 3 questions: 3 × empty" in ask_step(run).error


@pytest.mark.parametrize(
    ("params", "error", "action"),
    [
        ({}, "needs an API key, and this step names no credential", "Provider keys"),
        ({"credential": "lost"}, "no credential 'lost'", "Provider keys"),
        ({"credential": "wrong"}, "is a key for anthropic, and the teacher is openai", "never sent to another"),
    ],
)
def test_a_missing_or_foreign_key_is_said_clearly(
    params: dict[str, str], error: str, action: str, start: Start, workspace: Workspace
) -> None:
    other = ProviderCredential(workspace=workspace, name="wrong", provider="anthropic")
    other.seal(KEY)
    other.save()
    run = runs.run_to_end(start(spec(teacher="openai", model="gpt-4o-mini", **params)))
    assert error in ask_step(run).error
    assert action in ask_step(run).action


@pytest.mark.parametrize("provider", ["openai", "openai_compatible"])
def test_a_key_is_never_sent_to_another_address(
    provider: str, start: Start, server: ChatServer, workspace: Workspace
) -> None:
    """An editor who may use a key but not see it must not be able to have it sent to a server of their own."""
    meant = "" if provider == "openai" else "https://llm.example.com/v1"
    credential = ProviderCredential(workspace=workspace, name="team", provider=provider, base_url=meant)
    credential.seal(KEY)
    credential.save()
    run = runs.run_to_end(start(spec(teacher=provider, model="m", credential="team", base_url=f"{server.url}/v1")))
    assert "only, and this step's address is" in ask_step(run).error
    assert server.headers == []


def test_a_rejected_key_fails_at_once_with_what_to_do(
    start: Start, server: ChatServer, key: ProviderCredential
) -> None:
    server.key = "another"
    params = {"teacher": "openai", "model": "gpt-4o-mini", "credential": "team"}
    run = runs.run_to_end(start(spec(50, **params)))
    step = ask_step(run)
    assert step.state == State.FAILED
    assert "401" in step.error
    assert "Check the API key" in step.action
    assert step.attempt == 1
    assert KEY not in step.error + step.trace


def test_a_teacher_that_is_down_is_tried_again_later_by_itself(start: Start, own: dict[str, Any]) -> None:
    run = start(spec(40, **{**own, "base_url": "http://127.0.0.1:9/v1"}, concurrency=30))
    executor.execute(StepRun.objects.get(run=run, node="make").pk)
    step = executor.execute(ask_step(run).pk)
    assert step is not None
    assert (step.state, step.attempt) == (State.PENDING, 1)
    assert "127.0.0.1:9" in step.error
    assert step.not_before is not None


def test_an_address_inside_the_house_is_refused(start: Start, own: dict[str, Any], settings: Settings) -> None:
    settings.ALLOWED_HOSTS_OUT = []
    run = runs.run_to_end(start(spec(**own)))
    assert "not a public address" in ask_step(run).error
    assert "STUDIO_ALLOWED_HOSTS_OUT" in ask_step(run).action


def test_a_cancel_is_seen_while_nothing_arrives_and_what_was_paid_is_kept(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    server.default = Reply(delay=1.0)
    run = start(spec(20, **own))
    executor.execute(StepRun.objects.get(run=run, node="make").pk)
    step = ask_step(run)
    StepRun.objects.filter(pk=step.pk).update(cancel_requested_at=run.created_at)
    done = executor.execute(step.pk)
    assert done is not None
    assert done.state == State.CANCELLED
    assert len(server.bodies) <= 8
    assert TeacherCall.objects.count() == len(server.bodies), "what was paid in flight is kept"


def test_a_worker_killed_in_the_middle_pays_for_nothing_twice(tmp_path: Path, server: ChatServer) -> None:
    """``kill -9``, then another worker takes over: no stored answer is asked for again, and every row is answered."""
    server.default = Reply(delay=0.02)
    root, rows = tmp_path / "killed", 120
    root.mkdir()
    command = [sys.executable, "-m", "tests.pipelines.steps.generate_worker", str(root), server.url, str(rows)]
    with (tmp_path / "log").open("w+b") as log:
        first = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        try:
            end = time.monotonic() + 60
            while server.answered < rows // 4 and first.poll() is None and time.monotonic() < end:
                time.sleep(0.005)
        finally:
            first.kill()
            first.wait()
        log.seek(0)
        assert rows // 4 <= server.answered < rows, log.read().decode()
    database = sqlite3.connect(root / "studio.sqlite3")
    stored = {
        row[0]
        for row in database.execute("select json_extract(answer, '$.message.content') from pipelines_teachercall")
    }
    database.close()
    assert len(stored) >= rows // 4 - 4
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert second.stdout.strip() == "succeeded", second.stdout + second.stderr
    asked = [text.upper() for text in server.prompts]
    assert {text for text in asked if asked.count(text) > 1}.isdisjoint(stored)
    assert set(asked) == {f"Q{n}" for n in range(rows)}
    assert len(asked) <= rows + 4, "at most the calls in flight at the kill were lost"


# --- on a desk, without a database -----------------------------------------------------------------------------------------


def test_the_rows_own_reference_stands_as_the_teachers_recorded_answer(tmp_path: Path) -> None:
    rows = [row("a", reference="A"), row("b", reference="B"), row("a", reference="another A", id="copy")]
    outcome = try_step(
        Generate(), rows, folder=tmp_path, teacher="recorded", answers_from="reference", meta={"labels": ["A"]}
    )
    assert [r.completion_text for r in outcome.rows()] == ["A", "B", "another A"]
    assert outcome.rows()[0].meta["teacher"] == "recorded"
    assert outcome.rows()[0].reference == assistant("A")
    assert outcome.result.outputs["rows"].meta["labels"] == ["A"]
    assert outcome.summary["headline"] == "3 recorded answers replayed."


def test_recorded_answers_that_are_missing_are_counted(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="1 of 2 prompts have no recorded answer: “b”"):
        try_step(Generate(), [row("a", "A"), row("b")], folder=tmp_path, teacher="recorded")


def test_a_recording_on_the_second_input_answers_by_prompt(tmp_path: Path) -> None:
    write_rows(tmp_path / "in", [row("a"), row("b", "kept")])
    record = Row(id="1", prompt=row("a").prompt, completion=assistant("A"), meta={"model": "big", "cost_usd": 0.5})
    write_rows(tmp_path / "recording", [record])
    desk = Desk(tmp_path / "scratch")
    desk.scratch.mkdir()
    inputs = {
        "rows": InputArtifact("0" * 64, "dataset", tmp_path / "in", {}),
        "answers": InputArtifact("1" * 64, "dataset", tmp_path / "recording", {}),
    }
    result = Generate().run(desk, Generate.Params(teacher="recorded"), inputs)
    rows = list(read_rows(result.outputs["rows"].path))
    assert [r.completion_text for r in rows] == ["A", "kept"]
    assert (rows[0].meta["model"], rows[0].meta["cost_usd"]) == ("big", 0.5)
    assert result.summary["answers_kept"] == 1
    assert desk.reports[-1] == (2, 2)
    assert desk.beats == 1 + 2 + 2 + 2, (
        "learning, looking, counting and writing show at each row that the step is alive"
    )
    with pytest.raises(StepError, match="the teacher is openai"):
        Generate().run(desk, Generate.Params(teacher="openai", model="m"), inputs)


def test_the_system_prompt_replaces_the_rows_own(tmp_path: Path) -> None:
    rows = [row("a", reference="A", system="old")]
    outcome = try_step(
        Generate(), rows, folder=tmp_path, teacher="recorded", answers_from="reference", system_prompt="new"
    )
    assert outcome.rows()[0].prompt == [{"role": "system", "content": "new"}, {"role": "user", "content": "a"}]


def test_samples_become_rows_with_ids_of_their_own(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.script = [Reply(text="one"), Reply(text="two"), Reply(text=""), Reply(text="")]
    run = runs.run_to_end(start(spec(1, **own, samples=3, temperature=0.9, concurrency=1)))
    rows = rows_of(run)
    assert [(r.id, r.completion_text) for r in rows] == [("r0", "one"), ("r0-2", "two")]
    assert rows[1].meta["sample_of"] == "r0"
    assert rows[1].meta["derived_from"] == ["r0"]
    assert [r.id for r in rows_of(run, "rejects")] == ["r0-3"]


def test_more_samples_later_ask_only_for_those_that_are_missing(
    start: Start, own: dict[str, Any], server: ChatServer
) -> None:
    runs.run_to_end(start(spec(2, **own, samples=2, temperature=0.9)))
    assert len(server.bodies) == 4
    more = runs.run_to_end(start(spec(2, **own, samples=5, temperature=0.9)))
    assert len(server.bodies) == 10
    assert ask_step(more).summary["answers_reused"] == 4
    assert [r.id for r in rows_of(more)][:5] == ["r0", "r0-2", "r0-3", "r0-4", "r0-5"]


def test_every_sample_counts_against_the_cap(start: Start, own: dict[str, Any], server: ChatServer) -> None:
    server.input_tokens = 20
    priced = {**own, "price_in": 1_000.0, "price_out": 1_000.0, "max_tokens": 20, "cost_cap_usd": 0.5}
    run = runs.run_to_end(start(spec(2, **priced, samples=20, temperature=1.0)))
    assert ask_step(run).state == State.WAITING
    assert 0 < len(server.bodies) < 20


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"teacher": "openai"}, "name of the teacher's model"),
        ({"teacher": "openai_compatible", "model": "m"}, "address"),
        ({"teacher": "openai", "model": "m", "samples": 2, "temperature": 0.0}, "temperature above 0"),
        ({"teacher": "openai", "model": "m", "price_in": 1.0}, "both prices"),
        ({"teacher": "oracle", "model": "m"}, "openai"),
        ({"teacher": "openai", "model": "m", "cost_cap_usd": 0}, "greater than 0"),
    ],
)
def test_params_that_do_not_fit_are_refused(params: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        Generate.Params.model_validate(params)
