"""The gate holds a run until its report is signed."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from evaluation.models import Scorecard, SignOff
from evaluation.signoff import records, settling
from evaluation.signoff.waiting import resume_gates
from evaluation.tasks import settle_sign_offs, wake_gates
from pipelines.models import StepRun
from pipelines.running import runs
from pipelines.running.executor import execute
from pipelines.specs.spec import parse, validate
from studio.jobs import State
from studio.models import AuditEvent
from tests.evaluation.signoff.conftest import card as card
from tests.evaluation.signoff.conftest import say
from vault.models import Artifact

WIRED = {"report": {"node": "evaluate", "port": "report"}, "student": {"node": "train", "port": "student"}}


@pytest.fixture
def gate(card: Scorecard) -> StepRun:
    """A gate behind the report that also takes the student, ready to be done."""
    run = card.step_run.run
    run.state = State.RUNNING
    run.save(update_fields=["state"])
    return StepRun.objects.create(
        run=run, node="gate", position=2, step="review_gate", version=1, queue="cpu", wiring=WIRED
    )


def do(gate: StepRun) -> StepRun:
    """One attempt, afterwards."""
    found = execute(gate.pk)
    assert found is not None
    return found


def test_it_waits_without_a_worker_and_asks_the_team(gate: StepRun, card: Scorecard) -> None:
    done = do(gate)
    assert (done.state, done.lease_until) == (State.WAITING, None)
    assert "waits for the team's sign-off" in done.error
    gate.run.refresh_from_db()
    assert gate.run.state == State.WAITING
    found = SignOff.objects.get()
    assert found.asked_at is not None
    assert AuditEvent.objects.filter(actor="review gate", verb="asked for sign-off of").count() == 1


def test_an_approval_lets_it_go_on_by_itself_and_passes_everything_through(
    gate: StepRun, card: Scorecard, reviewer: User
) -> None:
    do(gate)
    say(card, reviewer)
    gate.refresh_from_db()
    assert (gate.state, gate.ready) == (State.PENDING, True)
    done = do(gate)
    assert done.state == State.SUCCEEDED
    assert done.summary["headline"] == f"Signed off by {reviewer.username}."
    assert {o.port: o.artifact.sha256 for o in done.outputs.all()} == {
        "report": card.report.sha256,
        "student": card.student_sha,
    }
    assert Artifact.objects.filter(sha256=card.student_sha).count() == 1
    assert settling.settle(SignOff.objects.get()).state == "approved", "the gate's own outputs change nothing"


def test_a_step_behind_it_runs_only_then(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    behind = StepRun.objects.create(
        run=gate.run, node="export", position=3, step="export_gguf", version=1, queue="gpu", ready=False,
        wiring={"student": {"node": "gate", "port": "student"}},
    )  # fmt: skip
    do(gate)
    runs.advance(gate.run_id)
    behind.refresh_from_db()
    assert not behind.ready
    say(card, reviewer)
    do(gate)
    behind.refresh_from_db()
    assert behind.ready


def test_requested_changes_keep_it_waiting(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    do(gate)
    say(card, reviewer, "changes")
    gate.refresh_from_db()
    assert gate.state == State.WAITING


def test_a_rejection_fails_it_with_its_reason_and_a_new_sign_off_can_be_asked_for(
    gate: StepRun, card: Scorecard, reviewer: User, owner: User
) -> None:
    do(gate)
    say(card, reviewer, "reject", reason="It confuses cash and card.")
    done = do(gate)
    assert done.state == State.FAILED
    assert done.error == f"{reviewer.username} rejected the report: It confuses cash and card."
    records.ask(card, by=owner)
    assert runs.retry_run(gate.run, user=owner) == 1
    assert do(gate).state == State.WAITING
    say(card, reviewer)
    assert do(gate).state == State.SUCCEEDED


def test_an_approval_that_came_before_lets_it_through_at_once(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    assert do(gate).state == State.SUCCEEDED


def test_an_approval_that_is_void_by_now_does_not(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    card.scores.filter(metric="accuracy", kind="student").update(value=1.0)
    assert do(gate).state == State.WAITING
    assert list(SignOff.objects.order_by("number").values_list("state", flat=True)) == ["void", "open"]


def test_an_opened_gate_is_never_reused_by_a_later_run(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    do(gate)
    records.withdraw(card, user=reviewer)
    again = StepRun.objects.create(
        run=gate.run, node="again", position=4, step="review_gate", version=1, queue="cpu", wiring=WIRED
    )
    assert do(again).state == State.WAITING


def test_a_gate_that_nobody_woke_is_woken_by_the_clock(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    """The approval comes between the gate's look and its waiting: nobody sees it wait."""
    do(gate)
    say(card, reviewer)
    StepRun.objects.filter(pk=gate.pk).update(state=State.WAITING)
    wake_gates()
    gate.refresh_from_db()
    assert gate.state == State.PENDING
    assert resume_gates() == 0


def test_the_clock_voids_what_changed_unseen(card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    card.scores.filter(metric="accuracy", kind="student").update(value=1.0)
    settle_sign_offs()
    assert SignOff.objects.get().state == "void"


def test_a_later_step_that_takes_what_does_not_come_in_is_told_of(gate: StepRun) -> None:
    StepRun.objects.create(
        run=gate.run, node="export", position=3, step="export_gguf", version=1, queue="gpu", ready=False,
        wiring={"gguf": {"node": "gate", "port": "gguf"}},
    )  # fmt: skip
    done = do(gate)
    assert (done.state, done.error) == (
        State.FAILED,
        "“export” takes “gguf” from this gate, but nothing is wired into it here.",
    )


def test_a_report_without_a_scorecard_is_no_report_to_sign(gate: StepRun, card: Scorecard) -> None:
    card.delete()
    done = do(gate)
    assert done.state == State.FAILED
    assert "nothing to sign" in done.error


def test_a_gate_behind_a_gate_guards_the_same_report(gate: StepRun, card: Scorecard, reviewer: User) -> None:
    say(card, reviewer)
    do(gate)
    second = StepRun.objects.create(
        run=gate.run, node="second", position=3, step="review_gate", version=1, queue="cpu",
        wiring={"report": {"node": "gate", "port": "report"}},
    )  # fmt: skip
    assert do(second).state == State.SUCCEEDED


def test_it_stands_between_a_students_report_and_its_export_in_a_spec() -> None:
    spec = parse(
        {
            "schema": 1,
            "nodes": [
                {"id": "data", "step": "dataset", "params": {"dataset": "x"}},
                {"id": "split", "step": "split", "params": {}},
                {"id": "train", "step": "train", "params": {}},
                {"id": "evaluate", "step": "evaluate", "params": {}},
                {"id": "gate", "step": "review_gate", "params": {}},
                {"id": "export", "step": "export_gguf", "params": {}},
            ],
            "edges": [
                {"from": "data.rows", "to": "split.rows"},
                {"from": "split.train", "to": "train.train"},
                {"from": "split.test", "to": "evaluate.rows"},
                {"from": "train.adapter", "to": "evaluate.student"},
                {"from": "evaluate.report", "to": "gate.report"},
                {"from": "train.adapter", "to": "gate.student"},
                {"from": "gate.student", "to": "export.student"},
            ],
        }
    )
    assert [p.message for p in validate(spec)] == []
