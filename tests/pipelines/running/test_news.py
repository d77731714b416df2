"""What is told of runs, and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from pipelines.building import drafts
from pipelines.models import Run, Schedule, StepRun
from pipelines.running import executor, news, pausing, runs
from studio.jobs import State
from studio.models import Delivery, Notification, Webhook, Workspace
from studio.notices import EVENTS
from tests.pipelines.toys import chain

Begin = Callable[..., Run]


@pytest.fixture
def begin(toy_steps: list[str], workspace: Workspace, editor: User) -> Begin:
    """``begin(**params of the answer)``: a run that the editor started."""

    def start(**params: Any) -> Run:
        pipeline = drafts.create(workspace, name="Toy", spec=chain(**params), user=editor)
        return runs.start_run(runs.freeze(pipeline, user=editor), user=editor)

    return start


@pytest.fixture
def hook(workspace: Workspace) -> Webhook:
    return Webhook.objects.create(workspace=workspace, url="https://host", events=list(EVENTS), encrypted=b"x")


def events() -> list[str]:
    return [d.event for d in Delivery.objects.order_by("created_at")]


def test_a_run_that_succeeds_is_told_once(begin: Begin, hook: Webhook, editor: User) -> None:
    run = runs.run_to_end(begin())
    runs.advance(run.pk)
    runs.advance_stale()
    notice = Notification.objects.get()
    assert (notice.user, notice.tone, notice.url) == (editor, "succeeded", "/w/lab/runs/1/")
    assert notice.title == "Run 1 of Toy succeeded"
    assert events() == ["run.succeeded"]
    told = Delivery.objects.get().payload["run"]
    assert (told["number"], told["state"], told["started_by"]) == (1, "succeeded", editor.username)
    assert told["pipeline"] == {"slug": "toy", "name": "Toy", "version": 1}
    assert told["finished_at"] and told["seconds"] >= 0


def test_a_failure_says_which_step_why_and_what_to_do(begin: Begin, hook: Webhook) -> None:
    run = runs.run_to_end(begin(fault="user"))
    notice = Notification.objects.get()
    assert notice.tone == "failed"
    assert notice.text == "Answer (say): The teacher said 401. Check the key."
    runs.retry_run(run, user=None)
    runs.run_to_end(run)
    assert events() == ["run.failed", "run.failed"]


def test_a_step_that_waits_is_told_with_its_question_and_settled_by_the_answer(
    begin: Begin, hook: Webhook, editor: User
) -> None:
    run = runs.run_to_end(begin(fault="cap"))
    assert run.state == State.WAITING
    notice = Notification.objects.get()
    assert (notice.tone, notice.url) == ("waiting", "/w/lab/runs/1/steps/say/")
    assert "cost cap" in notice.text
    assert Delivery.objects.get().payload["step"] == {"id": "say", "name": "Answer"}
    runs.answer_step(StepRun.objects.get(run=run, node="say"), user=editor, answers={"cap": 9.0})
    notice.refresh_from_db()
    assert notice.read_at is not None
    runs.run_to_end(run)
    assert events() == ["run.waiting", "run.succeeded"]


def test_a_run_that_pauses_where_it_was_asked_to_is_told_and_going_on_settles_it(
    begin: Begin, hook: Webhook, editor: User
) -> None:
    run = begin()
    pausing.pause(run, user=editor, after="make")
    runs.run_to_end(run)
    runs.advance(run.pk)
    assert run.state == State.WAITING
    notice = Notification.objects.get()
    assert (notice.tone, notice.url) == ("waiting", "/w/lab/runs/1/")
    assert notice.text.startswith("Paused after make")
    pausing.go_on(run, user=editor)
    notice.refresh_from_db()
    assert notice.read_at is not None
    runs.run_to_end(run)
    assert events() == ["run.waiting", "run.succeeded"]


def test_a_run_that_somebody_pauses_by_hand_alarms_nobody(begin: Begin, hook: Webhook, editor: User) -> None:
    run = begin()
    pausing.pause(run, user=editor)
    runs.run_to_end(run)
    assert run.state == State.WAITING
    assert not Notification.objects.exists() and events() == []


def test_a_lease_that_is_lost_tells_nothing(begin: Begin, hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin(fault="cap")
    executor.execute(StepRun.objects.get(run=run, node="make").pk)
    say = StepRun.objects.get(run=run, node="say")
    wait = StepRun.wait

    def too_late(self: StepRun, **words: str) -> None:
        StepRun.objects.filter(pk=self.pk).update(attempt=self.attempt + 1)
        wait(self, **words)

    monkeypatch.setattr(StepRun, "wait", too_late)
    executor.execute(say.pk)
    assert not Notification.objects.exists() and events() == []


def test_who_cancels_an_idle_run_is_not_told_of_it_and_others_are(
    begin: Begin, hook: Webhook, editor: User, owner: User
) -> None:
    runs.cancel_run(begin(), user=editor)
    assert not Notification.objects.exists()
    runs.cancel_run(begin(text="b"), user=owner)
    notice = Notification.objects.get()
    assert (notice.user, notice.tone) == (editor, "cancelled")
    assert notice.text == "0 of 2 steps were done; what they made is kept."
    assert events() == ["run.cancelled", "run.cancelled"]


def test_a_cancelled_run_no_longer_waits_for_anybody(begin: Begin, editor: User, owner: User) -> None:
    run = runs.run_to_end(begin(fault="cap"))
    runs.cancel_run(run, user=editor)
    assert not Notification.objects.filter(read_at__isnull=True).exists()


def test_whoever_made_the_schedule_is_told_of_its_runs_and_of_what_could_not_start(
    begin: Begin, hook: Webhook, owner: User
) -> None:
    run = begin()
    pipeline = run.version.pipeline
    schedule = Schedule.objects.create(
        pipeline=pipeline, every="day", at=time(6), zone="Europe/Berlin", created_by=owner
    )
    Run.objects.filter(pk=run.pk).update(created_by=None, schedule=schedule)
    runs.run_to_end(run)
    assert Notification.objects.get().user == owner
    news.schedule_could_not_start(schedule, why="2 problems to mend first.")
    notice = Notification.objects.filter(user=owner).first()
    assert notice is not None
    assert notice.title == "The schedule of Toy could not start a run"
    assert notice.text == "Every day at 06:00 (Europe/Berlin): 2 problems to mend first."
    assert notice.url == "/w/lab/pipelines/toy/"
    assert events() == ["run.succeeded", "schedule.failed"]
    assert Delivery.objects.first().payload["pipeline"] == {"slug": "toy", "name": "Toy"}  # type: ignore[union-attr]
