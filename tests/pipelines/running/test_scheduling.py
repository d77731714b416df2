"""Who is next: priority, turns between workspaces, limits, age; and what people are told of their place in line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from pipelines import tasks
from pipelines.building import drafts
from pipelines.models import Priority, Run, StepRun
from pipelines.running import runs, scheduling
from pipelines.running.scheduling import Running, Waiting, order
from studio import jobs, workers
from studio.jobs import State
from studio.lib.errors import StudioError
from studio.models import Worker, Workspace
from tests.pipelines.toys import chain

Queue = Callable[..., Run]


@pytest.fixture(autouse=True)
def fresh_lines() -> Iterator[None]:
    """Lines are kept for two seconds; a test has a new one."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def queue(toy_steps: list[str], workspace: Workspace) -> Queue:
    """``queue(workspace, priority=)``: a started run whose first step waits for a worker of the cpu queue."""
    made: dict[Any, Any] = {}

    def queue_run(where: Workspace = workspace, *, priority: int = Priority.NORMAL) -> Run:
        if where.pk not in made:
            pipeline = drafts.create(where, name="Toy", spec=chain(), user=None)
            made[where.pk] = runs.freeze(pipeline, user=None)
        return runs.start_run(made[where.pk], user=None, priority=priority)

    return queue_run


def take() -> Run | None:
    step = scheduling.claim_next("cpu")
    return step.run if step else None


def end(run: Run) -> None:
    for step in run.steps.filter(state=State.RUNNING):
        step.finish(State.FAILED)


# --- taking ----------------------------------------------------------------------------------------------------------


def test_the_oldest_run_is_taken_first_when_nothing_else_tells_them_apart(queue: Queue) -> None:
    first, second = queue(), queue()
    assert [take(), take(), take()] == [first, second, None]


def test_a_run_of_higher_priority_overtakes_and_one_of_lower_priority_waits(queue: Queue) -> None:
    low, normal, high = queue(priority=Priority.LOW), queue(), queue(priority=Priority.HIGH)
    assert [take(), take(), take()] == [high, normal, low]


def test_the_workspace_with_fewer_steps_running_is_next(
    queue: Queue, workspace: Workspace, other_workspace: Workspace
) -> None:
    mine = [queue(workspace) for _ in range(3)]
    theirs = queue(other_workspace)
    assert [take(), take(), take(), take()] == [mine[0], theirs, mine[1], mine[2]]


def test_with_one_worker_workspaces_take_turns_however_long_the_line_of_one_is(
    queue: Queue, workspace: Workspace, other_workspace: Workspace
) -> None:
    mine = [queue(workspace) for _ in range(20)]
    theirs = [queue(other_workspace) for _ in range(2)]
    taken = []
    for _ in range(5):
        run = take()
        assert run is not None
        taken.append(run)
        end(run)
    assert taken == [mine[0], theirs[0], mine[1], theirs[1], mine[2]]


def test_a_turn_of_long_ago_does_not_count(queue: Queue, workspace: Workspace, other_workspace: Workspace) -> None:
    before = queue(workspace)
    end_of = take()
    assert end_of == before
    end(before)
    StepRun.objects.update(started_at=timezone.now() - timedelta(days=2))
    mine, _theirs = queue(workspace), queue(other_workspace)
    assert take() == mine


def test_a_workspace_at_its_limit_is_passed_over_until_a_step_of_it_ends(
    queue: Queue, workspace: Workspace, other_workspace: Workspace, settings: Settings
) -> None:
    settings.WORKSPACE_LIMITS = {"cpu": 1}
    first, second = queue(workspace, priority=Priority.HIGH), queue(workspace, priority=Priority.HIGH)
    theirs = queue(other_workspace, priority=Priority.LOW)
    assert [take(), take(), take()] == [first, theirs, None]
    end(first)
    assert [take(), take()] == [second, None]


def test_a_limit_holds_for_its_own_queue_alone(queue: Queue, settings: Settings) -> None:
    settings.WORKSPACE_LIMITS = {"gpu": 1}
    runs_ = [queue(), queue()]
    assert [take(), take()] == runs_


def test_a_step_whose_next_try_is_later_is_not_taken(queue: Queue) -> None:
    run = queue()
    run.steps.filter(ready=True).update(not_before=timezone.now() + timedelta(minutes=1))
    assert take() is None


def test_a_drained_worker_takes_nothing_and_stops_looking(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "here", workers.Here())
    workers.introduce(label="cpu", queues=["cpu"], concurrency=1)
    workers.enter(beats=False)
    Worker.objects.update(draining_since=timezone.now())
    for _ in range(scheduling.TRIED_AT_ONCE + 1):
        queue()
    assert take() is None
    assert not StepRun.objects.filter(state=State.RUNNING).exists()


def test_a_ring_for_one_step_is_answered_with_the_best_one(queue: Queue, toy_steps: list[str]) -> None:
    ordinary, urgent = queue(), queue(priority=Priority.HIGH)
    tasks.execute_step(str(ordinary.steps.get(node="make").pk))
    assert urgent.steps.get(node="make").state == State.SUCCEEDED
    assert ordinary.steps.get(node="make").state == State.PENDING
    assert toy_steps == ["source"]


def test_a_ring_for_a_step_that_is_gone_does_nothing(db: None) -> None:
    tasks.execute_step("00000000-0000-0000-0000-000000000000")


def test_the_end_of_a_step_rings_for_the_next_in_line(
    queue: Queue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[Any] = []
    first, second = queue(), queue()
    settings.RING = True
    monkeypatch.setattr(StepRun, "ring", lambda step: rung.append(step.pk))
    tasks.execute_step(str(first.steps.get(node="make").pk))
    # The step that became ready rings for itself; the oldest run that waits is rung for as well.
    assert first.steps.get(node="say").pk in rung
    assert rung[-1] in {first.steps.get(node="say").pk, second.steps.get(node="make").pk}


def test_the_reaper_rings_for_a_few_steps_of_each_queue_only(queue: Queue) -> None:
    for _ in range(20):
        queue()
    StepRun.objects.filter(run__number__gt=18).update(queue="gpu")
    picked = StepRun.pick_for_ringing(StepRun.objects.filter(ready=True))
    assert [sum(s.queue == q for s in picked) for q in ("cpu", "gpu")] == [16, 2]


# --- priority --------------------------------------------------------------------------------------------------------


def test_the_priority_of_an_ended_run_cannot_be_changed(queue: Queue, editor: Any) -> None:
    run = queue()
    runs.cancel_run(run, user=editor)
    with pytest.raises(StudioError, match="has ended"):
        runs.set_priority(run, Priority.HIGH, user=editor)


# --- the order, played through ---------------------------------------------------------------------------------------


def places(waiting: list[Waiting], **how: Any) -> list[tuple[Any, float | None]]:
    how = {"running": [], "served": {}, "slots": 1, "limit": None, **how}
    found = order(waiting, **how)
    return [(pk, place.starts_in) for pk, place in sorted(found.items(), key=lambda item: item[1].number)]


def test_a_step_starts_when_those_before_it_have_ended() -> None:
    line = [Waiting("a", 1, 0, 10.0), Waiting("b", 1, 0, 20.0), Waiting("c", 1, 0, 5.0)]
    assert places(line) == [("a", 0.0), ("b", 10.0), ("c", 30.0)]
    assert places(line, slots=2) == [("a", 0.0), ("b", 0.0), ("c", 10.0)]
    assert places(line, running=[Running(9, 7.0)]) == [("a", 7.0), ("b", 17.0), ("c", 37.0)]


def test_workspaces_alternate_in_the_line_as_they_will_at_the_worker() -> None:
    line = [Waiting(f"a{n}", 1, 0, 10.0) for n in range(3)] + [Waiting(f"b{n}", 2, 0, 10.0) for n in range(2)]
    assert [pk for pk, _ in places(line)] == ["a0", "b0", "a1", "b1", "a2"]
    assert [pk for pk, _ in places(line, served={1: -5.0})] == ["b0", "a0", "b1", "a1", "a2"]


def test_the_older_run_is_first_when_two_workspaces_have_the_same_turn() -> None:
    line = [Waiting("old", 1, 0, 1.0), Waiting("new", 2, 0, 1.0), Waiting("newest", 1, 0, 1.0)]
    assert [pk for pk, _ in places(line)][:2] == ["old", "new"]


def test_what_nobody_knows_is_not_claimed() -> None:
    line = [Waiting("a", 1, 0, None), Waiting("b", 1, 0, 5.0)]
    assert places(line) == [("a", 0.0), ("b", None)]
    assert places(line, slots=None) == [("a", None), ("b", None)]
    assert places(line, slots=0) == [("a", None), ("b", None)]
    assert places(line, running=[Running(1, None)]) == [("a", None), ("b", None)]


def test_a_limit_lets_others_go_first() -> None:
    line = [Waiting("a", 1, 0, 10.0), Waiting("b", 1, 0, 10.0), Waiting("c", 2, 0, 4.0)]
    assert places(line, slots=2, limit=1) == [("a", 0.0), ("c", 0.0), ("b", 10.0)]


def test_a_worker_that_is_drained_while_it_works_frees_no_place() -> None:
    assert places([Waiting("a", 1, 0, 1.0)], running=[Running(1, 3.0), Running(2, 9.0)]) == [("a", 9.0)]


# --- in words --------------------------------------------------------------------------------------------------------


def words(run: Run, node: str = "make") -> str:
    cache.clear()
    return scheduling.pending_text(run.steps.get(node=node), scheduling.look()).replace("\xa0", " ")


def live_worker(concurrency: int = 1) -> None:
    now = timezone.now()
    Worker.objects.create(
        machine=jobs.machine_name(),
        label="cpu",
        queues=["cpu"],
        concurrency=concurrency,
        cpus=1,
        code="c",
        beat_at=now,
        started_at=now,
    )


def test_a_waiting_step_says_its_place_and_when_it_likely_starts(queue: Queue) -> None:
    done = queue()
    runs.run_to_end(done)
    ended = timezone.now()
    StepRun.objects.filter(run=done).update(started_at=ended - timedelta(seconds=90), finished_at=ended)
    live_worker()
    first, second = queue(), queue()
    assert words(first) == "Waiting for a free cpu worker: next of 2 in line"
    assert words(second) == "Waiting for a free cpu worker: place 2 of 2 in line, starts in about 1 min 30 s"
    assert words(first, "say") == "Waiting for its inputs"


def test_a_waiting_step_says_that_no_worker_takes_its_queue(queue: Queue) -> None:
    run = queue()
    assert words(run) == "Waiting for a free cpu worker"
    live_worker()
    Worker.objects.update(stopped_at=timezone.now())
    assert words(run) == "No worker takes cpu steps now"


def test_a_waiting_step_says_the_limit_and_the_next_try(queue: Queue, settings: Settings) -> None:
    settings.WORKSPACE_LIMITS = {"cpu": 1}
    live_worker(2)
    queue()
    run = queue()
    assert words(run).endswith("; a workspace may run 1 at once")
    run.steps.filter(node="make").update(not_before=timezone.now() + timedelta(minutes=1))
    assert words(run) == "Waiting to be tried again"


# --- how much is asked of the database -------------------------------------------------------------------------------


def fill_line(run: Run, count: int) -> None:
    """``count`` more runs like ``run``, each with a step in line."""
    numbers = range(run.number + 1, run.number + 1 + count)
    copies = Run.objects.bulk_create(
        Run(workspace_id=run.workspace_id, version_id=run.version_id, number=n) for n in numbers
    )
    model = run.steps.get(node="make")
    other = run.steps.get(node="say")
    StepRun.objects.bulk_create(
        StepRun(
            run=copy,
            node=step.node,
            position=step.position,
            step=step.step,
            version=1,
            queue="cpu",
            wiring=step.wiring,
            ready=step.ready,
        )
        for copy in copies
        for step in (model, other)
    )


def test_five_hundred_runs_in_line_cost_no_more_queries_than_one(
    queue: Queue,
    other_workspace: Workspace,
    django_assert_num_queries: DjangoAssertNumQueries,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    run = queue()
    queue(other_workspace)
    fill_line(run, 500)
    with django_assert_num_queries(4):
        assert scheduling.list_candidates("cpu")[0].run == run
    with django_assert_max_num_queries(11):
        # The four of the look, the claim's transaction, the row it took and its attempt.
        assert scheduling.claim_next("cpu") is not None
    with django_assert_max_num_queries(6):
        assert len(scheduling.stand_in_line("cpu").places) == 501
    runs.advance(run.pk)
    with django_assert_num_queries(2):
        runs.advance_stale()


def test_only_runs_that_have_something_to_take_notice_of_are_advanced(queue: Queue) -> None:
    run, other = queue(), queue()
    fill_line(other, 3)
    StepRun.objects.filter(run=run, node="make").update(state=State.SUCCEEDED, finished_at=timezone.now())
    StepRun.objects.filter(run=other).update(state=State.CANCELLED, finished_at=timezone.now())
    runs.advance_stale()
    assert run.steps.get(node="say").ready
    other.refresh_from_db()
    assert other.state == State.CANCELLED and other.finished_at is not None
