"""The bars of a run's timeline: every attempt, what it waited for in between, and what a step used altogether."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.models import Run, StepAttempt, StepRun
from pipelines.running import attempts
from pipelines.watching import timeline
from pipelines.watching.runpages import step_views
from studio.jobs import State
from tests.pipelines.toys import chain

pytestmark = pytest.mark.django_db
Start = Callable[[dict[str, Any]], Run]
NOW = timezone.now().replace(microsecond=0)


def at(seconds: int) -> datetime:
    return NOW + timedelta(seconds=seconds)


def attempt(step: StepRun, number: int, outcome: str, start: int, end: int | None, **figures: Any) -> None:
    ended = None if end is None else at(end)
    StepAttempt.objects.create(
        step_run=step, number=number, outcome=outcome, started_at=at(start), ended_at=ended, **figures
    )


@pytest.fixture
def run(start: Start) -> Run:
    """A run whose first step took from 0 to 10 and whose second was never begun."""
    made = start(chain())
    Run.objects.filter(pk=made.pk).update(created_at=at(0))
    make = made.steps.get(node="make")
    made.steps.filter(pk=make.pk).update(state=State.SUCCEEDED, attempt=1, started_at=at(0), finished_at=at(10))
    made.steps.filter(node="say").update(ready=True)
    attempt(make, 1, "succeeded", 0, 10)
    return Run.objects.select_related("workspace", "version__pipeline").get(pk=made.pk)


def bars_of(run: Run, node: str) -> list[tuple[str, bool, int, int | None]]:
    rows = timeline.draw(run, step_views(run), attempts.list_attempts(run))
    row = next(r for r in rows if r["href"].endswith(f"/{node}/"))
    return [
        (
            bar.status,
            bar.wait,
            round((bar.start - NOW).total_seconds()),
            None if bar.end is None else round((bar.end - NOW).total_seconds()),
        )
        for bar in row["bars"]
    ]


def test_what_was_tried_lost_tried_again_and_waited_for_is_drawn(run: Run) -> None:
    say = run.steps.get(node="say")
    attempt(say, 1, "lost", 15, 20)
    attempt(say, 2, "released", 50, 55)
    attempt(say, 3, "waiting", 55, 60)
    attempt(say, 4, "failed", 90, 95)
    attempt(say, 5, "succeeded", 500, 510)
    StepRun.objects.filter(pk=say.pk).update(state=State.SUCCEEDED, finished_at=at(510), started_at=at(500))
    assert bars_of(run, "say") == [
        ("pending", True, 10, 15),
        ("warning", False, 15, 20),
        ("pending", True, 20, 50),
        ("warning", False, 50, 55),
        ("running", False, 55, 60),
        ("waiting", True, 60, 90),
        ("failed", False, 90, 95),
        ("succeeded", False, 500, 510),
    ]


def test_what_waits_now_waits_until_now(run: Run) -> None:
    assert bars_of(run, "say") == [("pending", True, 10, None)]
    say = run.steps.get(node="say")
    attempt(say, 1, "waiting", 12, 20)
    StepRun.objects.filter(pk=say.pk).update(state=State.WAITING, started_at=at(12))
    assert bars_of(run, "say")[-1] == ("waiting", True, 20, None)


def test_a_step_whose_inputs_are_not_there_waits_for_nobody(run: Run) -> None:
    run.steps.filter(node="make").update(state=State.FAILED)
    run.steps.filter(node="say").update(ready=False)
    assert bars_of(run, "say") == []


def test_a_step_of_the_time_before_attempts_were_kept_has_one_bar(run: Run) -> None:
    StepAttempt.objects.all().delete()
    assert bars_of(run, "make") == [("succeeded", False, 0, 10)]


def test_what_a_step_used_is_added_up_over_its_attempts(run: Run, viewer_client: Client) -> None:
    say = run.steps.get(node="say")
    attempt(say, 1, "lost", 15, 20, peak_memory_bytes=3_000_000_000, cpu_seconds=4.0, bytes_read=10)
    attempt(say, 2, "succeeded", 20, 40, peak_memory_bytes=2_000_000_000, cpu_seconds=15.0)
    used = timeline.resources(step_views(run), attempts.list_attempts(run))[1]
    assert (used.attempts, used.seconds, used.peak_memory, used.cpu_seconds) == (2, 25.0, 3_000_000_000, 19.0)
    assert (used.gpu_memory, used.read, used.written) == (None, 10, None)
    page = viewer_client.get(reverse("run_metrics", args=["lab", run.number])).text
    assert "3\u00a0GB" in page and "19\u00a0s" in page
    overview = viewer_client.get(run.get_absolute_url()).text
    assert "Attempt 1: lost its worker" in overview and "As a table" in overview
