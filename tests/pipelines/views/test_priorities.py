"""The priority of a run is set on its page: an editor's own runs, an owner's any; a waiting step says its place in line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from pipelines.models import Priority, Run
from pipelines.running import runs
from studio import jobs
from studio.models import AuditEvent, Worker
from tests.conftest import make_member
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]
SignIn = Callable[[User], Client]


@pytest.fixture
def run(start: Start, editor: User) -> Run:
    cache.clear()
    run = start(chain())
    Run.objects.filter(pk=run.pk).update(created_by=editor)
    run.refresh_from_db()
    return run


def address(run: Run) -> str:
    return reverse("run_priority", args=["lab", run.number])


def priority_of(run: Run) -> int:
    return Run.objects.values_list("priority", flat=True).get(pk=run.pk)


def test_an_editor_moves_a_run_of_their_own(run: Run, editor_client: Client) -> None:
    assert "Priority when workers are busy" in editor_client.get(run.get_absolute_url()).text
    page = editor_client.post(address(run), {"priority": "1"}, follow=True).text
    assert f"Run {run.number} has high priority now." in page and "high priority" in page
    assert priority_of(run) == Priority.HIGH
    assert AuditEvent.objects.filter(verb="gave priority to", subject=f"run {run.number}: high").exists()


def test_another_editor_may_not_and_an_owner_may(run: Run, owner: User, sign_in: SignIn, editor: User) -> None:
    User.objects.filter(pk=editor.pk).update(username="first")
    other = sign_in(make_member(run.workspace, "editor"))
    assert other.post(address(run), {"priority": "1"}).status_code == 403
    assert "Priority when workers" not in other.get(run.get_absolute_url()).text
    assert sign_in(owner).post(address(run), {"priority": "-1"}).status_code == 302
    assert priority_of(run) == Priority.LOW


def test_a_viewer_and_a_stranger_may_not(run: Run, viewer_client: Client, stranger_client: Client) -> None:
    assert viewer_client.post(address(run), {"priority": "1"}).status_code == 403
    assert stranger_client.post(address(run), {"priority": "1"}).status_code == 404
    assert priority_of(run) == Priority.NORMAL


def test_a_priority_that_is_none_is_said_to_be_none(run: Run, editor_client: Client) -> None:
    for bad in ("7", "", "high", "1.0"):
        assert "There is no priority" in editor_client.post(address(run), {"priority": bad}, follow=True).text
    assert priority_of(run) == Priority.NORMAL


def test_a_run_that_has_ended_keeps_its_priority(run: Run, editor: User, editor_client: Client) -> None:
    runs.cancel_run(run, user=editor)
    page = editor_client.post(address(run), {"priority": "1"}, follow=True).text
    assert "has ended" in page and "Priority when workers" not in page
    assert priority_of(run) == Priority.NORMAL


def test_the_run_page_and_the_step_page_say_where_in_line_a_step_is(start: Start, viewer_client: Client) -> None:
    now = timezone.now()
    Worker.objects.create(
        machine=jobs.machine_name(), label="cpu", queues=["cpu"], concurrency=1, cpus=1, beat_at=now, started_at=now
    )
    first, second = start(chain()), start(chain())
    cache.clear()
    assert "next of 2 in line" in viewer_client.get(first.get_absolute_url()).text
    page = viewer_client.get(second.get_absolute_url()).text
    assert "place 2 of 2 in line" in page and "Waiting for its inputs" in page
    assert "place 2 of 2 in line" in viewer_client.get(reverse("run_step", args=["lab", second.number, "make"])).text
