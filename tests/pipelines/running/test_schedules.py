"""Schedules: at the right hour whatever the clocks do, once per change, once after a downtime, never in silence."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from pipelines import tasks
from pipelines.building import drafts
from pipelines.models import Pipeline, Run, Schedule
from pipelines.running import runs, schedules
from pipelines.running.schedules import next_due
from studio.jobs import State
from studio.models import AuditEvent, Notification, Workspace
from tests.pipelines.toys import chain
from vault.models import Artifact, Dataset, DatasetVersion

BERLIN = "Europe/Berlin"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- the hour --------------------------------------------------------------------------------------------------------


def dues(hour: str, start: str, count: int, *, zone: str = BERLIN, weekday: int | None = None) -> list[str]:
    """The first few moments, each looked for from the one before it."""
    moment, found = at(start), []
    for _ in range(count):
        moment = next_due(at=time.fromisoformat(hour), zone=zone, weekday=weekday, after=moment)
        found.append(moment.strftime("%m-%d %H:%M"))
    return found


def test_every_day_is_the_same_hour_on_the_clocks_there() -> None:
    assert dues("08:00", "2026-01-10T06:59", 2) == ["01-10 07:00", "01-11 07:00"]
    assert dues("08:00", "2026-01-10T07:00", 1) == ["01-11 07:00"]
    assert dues("00:30", "2026-01-10T12:00", 1, zone="Asia/Kolkata") == ["01-10 19:00"]


def test_when_the_clocks_are_put_forward_the_hour_moves_in_utc_and_a_skipped_one_comes_later_once() -> None:
    """In Berlin 02:00 becomes 03:00 on 29 March 2026."""
    assert dues("08:00", "2026-03-27T12:00", 3) == ["03-28 07:00", "03-29 06:00", "03-30 06:00"]
    assert dues("02:30", "2026-03-27T12:00", 3) == ["03-28 01:30", "03-29 01:30", "03-30 00:30"]


def test_when_the_clocks_are_put_back_an_hour_that_comes_twice_counts_once() -> None:
    """In Berlin 03:00 becomes 02:00 on 25 October 2026: 02:30 is 00:30 and 01:30 in UTC."""
    assert dues("08:00", "2026-10-23T12:00", 3) == ["10-24 06:00", "10-25 07:00", "10-26 07:00"]
    assert dues("02:30", "2026-10-23T12:00", 3) == ["10-24 00:30", "10-25 00:30", "10-26 01:30"]
    assert dues("02:30", "2026-10-25T01:00", 1) == ["10-26 01:30"]


def test_every_week_is_on_its_day_there_also_over_a_change_of_the_clocks() -> None:
    assert dues("02:30", "2026-03-16T00:00", 3, weekday=6) == ["03-22 01:30", "03-29 01:30", "04-05 00:30"]
    assert dues("23:30", "2026-01-01T00:00", 2, zone="America/New_York", weekday=0) == ["01-06 04:30", "01-13 04:30"]


def test_a_zone_without_a_day_is_survived() -> None:
    """Samoa had no 30 December 2011."""
    assert dues("12:00", "2011-12-29T00:00", 2, zone="Pacific/Apia")[-1].startswith("12-30")


# --- starting --------------------------------------------------------------------------------------------------------


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(text="hi"), user=None)


@pytest.fixture
def daily(pipeline: Pipeline, editor: User) -> Schedule:
    made = Schedule(pipeline=pipeline, every=Schedule.Every.DAY, at=time(2, 0), zone=BERLIN)
    return schedules.add(made, user=editor)


@pytest.fixture
def dataset(workspace: Workspace) -> Dataset:
    return Dataset.objects.create(workspace=workspace, slug="letters", name="Letters")


@pytest.fixture
def watching(pipeline: Pipeline, dataset: Dataset, editor: User) -> Schedule:
    add_version(dataset)
    return schedules.add(Schedule(pipeline=pipeline, every=Schedule.Every.VERSION, dataset=dataset), user=editor)


def add_version(dataset: Dataset, **values: Any) -> DatasetVersion:
    number = schedules.newest_version(dataset) + 1
    artifact, _ = Artifact.objects.get_or_create(
        workspace=dataset.workspace, sha256=f"{number:064d}", defaults={"kind": "dataset", "size": 1}
    )
    return DatasetVersion.objects.create(dataset=dataset, number=number, artifact=artifact, rows=1, **values)


def due_at(schedule: Schedule) -> datetime:
    schedule.refresh_from_db()
    assert schedule.next_due_at is not None
    return schedule.next_due_at


def end(run: Run) -> None:
    run.steps.update(state=State.CANCELLED, finished_at=timezone.now())
    runs.advance(run.pk)


def test_a_run_starts_when_its_hour_has_come_and_not_before(daily: Schedule) -> None:
    due = due_at(daily)
    assert schedules.start_due(now=due - timedelta(seconds=1)) == []
    (run,) = schedules.start_due(now=due)
    assert run.schedule == daily and run.created_by is None
    assert due_at(daily) > due
    assert daily.note == f"Run {run.number} was started."
    assert AuditEvent.objects.filter(actor="schedule", verb="started").exists()
    assert schedules.start_due(now=due + timedelta(minutes=1)) == []


def test_after_a_downtime_it_starts_once_and_not_for_every_missed_hour(daily: Schedule) -> None:
    later = due_at(daily) + timedelta(days=9, hours=3)
    assert len(schedules.start_due(now=later)) == 1
    assert schedules.start_due(now=later) == []
    assert due_at(daily) > later


def test_it_starts_nothing_while_its_run_is_still_going(daily: Schedule) -> None:
    (run,) = schedules.start_due(now=due_at(daily))
    assert schedules.start_due(now=due_at(daily)) == []
    daily.refresh_from_db()
    assert daily.note == f"Nothing was started: run {run.number} was still going."
    end(run)
    assert len(schedules.start_due(now=due_at(daily))) == 1


def test_it_starts_beside_its_run_when_a_person_chose_so(daily: Schedule) -> None:
    Schedule.objects.update(waits=False)
    assert len(schedules.start_due(now=due_at(daily))) == 1
    assert len(schedules.start_due(now=due_at(daily))) == 1


def test_a_paused_one_starts_nothing_and_makes_up_for_nothing(daily: Schedule, editor: User) -> None:
    due = due_at(daily)
    schedules.set_active(daily, active=False, user=editor)
    assert schedules.start_due(now=due + timedelta(days=3)) == []
    schedules.set_active(daily, active=True, user=editor)
    assert due_at(daily) > timezone.now()


def test_two_clocks_that_read_the_same_start_one_run(daily: Schedule) -> None:
    """Both have read the schedule as due before either takes it."""
    due = due_at(daily)
    (first,), (second,) = list(schedules.list_due(due)), list(schedules.list_due(due))
    assert schedules._start(first, now=due) is not None
    assert schedules._start(second, now=due) is None
    assert Run.objects.count() == 1


def test_a_broken_pipeline_is_told_and_tried_at_the_next_hour(
    daily: Schedule, pipeline: Pipeline, editor: User
) -> None:
    Pipeline.objects.update(draft=chain(colour="red"))
    assert schedules.start_due(now=due_at(daily)) == []
    daily.refresh_from_db()
    assert daily.note.startswith("No run could be started. The pipeline has 1 problem to mend: say.colour")
    told = Notification.objects.get(user=editor)
    assert "could not start a run" in told.title and "say.colour" in told.text
    Pipeline.objects.update(draft=chain())
    assert len(schedules.start_due(now=due_at(daily))) == 1


def test_one_broken_schedule_keeps_no_other_from_starting(daily: Schedule, workspace: Workspace, editor: User) -> None:
    other = drafts.create(workspace, name="Other", spec=chain(), user=None)
    fine = schedules.add(Schedule(pipeline=other, every="day", at=time(2, 0), zone=BERLIN), user=editor)
    Pipeline.objects.filter(pk=daily.pipeline_id).update(draft={"schema": 9})
    assert [run.schedule for run in schedules.start_due(now=due_at(daily))] == [fine]


def test_a_new_version_starts_one_run_whatever_made_it(watching: Schedule, dataset: Dataset) -> None:
    assert schedules.start_due() == []
    add_version(dataset, parent=dataset.versions.first())
    (run,) = schedules.start_due()
    watching.refresh_from_db()
    assert (watching.seen_version, watching.note) == (2, f"Run {run.number} was started for version 2.")
    assert schedules.start_due() == []


def test_several_new_versions_at_once_are_one_change(watching: Schedule, dataset: Dataset) -> None:
    for _ in range(3):
        add_version(dataset)
    assert len(schedules.start_due()) == 1
    watching.refresh_from_db()
    assert watching.seen_version == 4


def test_a_version_that_comes_during_a_run_starts_the_next_when_it_has_ended(
    watching: Schedule, dataset: Dataset
) -> None:
    add_version(dataset)
    (run,) = schedules.start_due()
    add_version(dataset)
    assert schedules.start_due() == []
    end(run)
    assert len(schedules.start_due()) == 1


def test_two_clocks_see_a_new_version_once(watching: Schedule, dataset: Dataset) -> None:
    add_version(dataset)
    now = timezone.now()
    (first,), (second,) = list(schedules.list_due(now)), list(schedules.list_due(now))
    assert schedules._start(first, now=now) is not None
    assert schedules._start(second, now=now) is None


def test_a_version_of_the_time_before_it_was_added_or_resumed_starts_nothing(
    watching: Schedule, dataset: Dataset, editor: User
) -> None:
    schedules.set_active(watching, active=False, user=editor)
    add_version(dataset)
    schedules.set_active(watching, active=True, user=editor)
    assert schedules.start_due() == []


def test_started_by_hand_it_is_that_persons_run(daily: Schedule, editor: User) -> None:
    run = schedules.run_now(daily, user=editor)
    assert (run.created_by, run.schedule) == (editor, daily)


def test_looking_is_one_query_when_nothing_is_due(
    daily: Schedule, watching: Schedule, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        schedules.start_due(now=due_at_known)


due_at_known = at("2020-01-01T00:00")


def test_the_clock_starts_what_is_due(daily: Schedule) -> None:
    Schedule.objects.update(next_due_at=timezone.now() - timedelta(seconds=1))
    tasks.start_scheduled()
    assert Run.objects.get().schedule == daily


def test_data_that_would_not_be_read_is_warned_of(pipeline: Pipeline, dataset: Dataset) -> None:
    assert "does not read" in schedules.warn_of_fixed_data(pipeline, dataset)
    node: dict[str, Any] = {"id": "data", "step": "dataset", "params": {"dataset": "letters", "version": 1}}
    pipeline.draft = {"schema": 1, "nodes": [node], "edges": []}
    assert "always reads the same version" in schedules.warn_of_fixed_data(pipeline, dataset)
    del node["params"]["version"]
    assert schedules.warn_of_fixed_data(pipeline, dataset) == ""
