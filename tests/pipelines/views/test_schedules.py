"""The page of a pipeline's schedules: listed for viewers, changed by editors, mistakes shown at their field."""

from __future__ import annotations

from datetime import time

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipelines.building import drafts
from pipelines.models import Pipeline, Run, Schedule
from pipelines.running import schedules
from studio.models import AuditEvent, Workspace
from tests.pipelines.toys import chain
from vault.models import Dataset


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(), user=None)


@pytest.fixture
def address(pipeline: Pipeline) -> str:
    return reverse("schedules", args=["lab", pipeline.slug])


@pytest.fixture
def daily(pipeline: Pipeline, editor: User) -> Schedule:
    return schedules.add(Schedule(pipeline=pipeline, every="day", at=time(2, 0), zone="UTC"), user=editor)


DAILY = {"every": "day", "at": "02:30", "zone": "Europe/Berlin", "waits": "on"}


def test_an_editor_adds_one_of_each_kind(address: str, workspace: Workspace, editor_client: Client) -> None:
    Dataset.objects.create(workspace=workspace, slug="letters", name="Letters")
    assert "runs only when somebody starts it" in editor_client.get(address).text
    page = editor_client.post(address, DAILY, follow=True).text
    assert "Every day at 02:30 (Europe/Berlin)" in page
    editor_client.post(address, {**DAILY, "every": "week", "weekday": "6"})
    page = editor_client.post(address, {"every": "version", "dataset": "letters"}, follow=True).text
    assert "At every new version of Letters" in page and "does not read" in page
    made = {s.every: s for s in Schedule.objects.all()}
    assert (made["week"].weekday, made["day"].waits, made["version"].waits) == (6, True, False)
    assert AuditEvent.objects.filter(verb="scheduled").count() == 3


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({**DAILY, "zone": "Mars/Olympus"}, "There is no time zone"),
        ({**DAILY, "zone": "../../etc/passwd"}, "There is no time zone"),
        ({**DAILY, "at": ""}, "Say at what hour"),
        ({**DAILY, "at": "25:00"}, "Enter a valid time"),
        ({**DAILY, "every": "week"}, "Say on which day"),
        ({"every": "version"}, "Choose the dataset"),
        ({"every": "version", "dataset": "theirs"}, "not one of the available choices"),
        ({"every": "hour"}, "not one of the available choices"),
    ],
)
def test_a_mistake_is_shown(address: str, editor_client: Client, sent: dict[str, str], said: str) -> None:
    answer = editor_client.post(address, sent)
    assert answer.status_code == 422 and said in answer.text
    assert not Schedule.objects.exists()


def test_it_is_paused_resumed_started_and_removed(
    pipeline: Pipeline, daily: Schedule, address: str, editor_client: Client
) -> None:
    def go(name: str) -> str:
        return editor_client.post(reverse(name, args=["lab", pipeline.slug, daily.pk]), follow=True).text

    assert "Paused" in go("schedule_pause")
    assert "The schedule goes on." in go("schedule_pause")
    assert "Run 1" in go("schedule_run")
    assert "was started by hand" in editor_client.get(address).text
    go("schedule_remove")
    assert not Schedule.objects.exists() and Run.objects.count() == 1
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert {"paused the schedule of", "resumed the schedule of", "removed the schedule of", "started"} <= verbs


def test_a_broken_pipeline_is_said_before_and_at_a_start(
    pipeline: Pipeline, daily: Schedule, address: str, editor_client: Client
) -> None:
    Pipeline.objects.update(draft=chain(colour="red"))
    assert "No schedule can start a run now" in editor_client.get(address).text
    page = editor_client.post(reverse("schedule_run", args=["lab", pipeline.slug, daily.pk]), follow=True).text
    assert "1 problem to mend" in page and not Run.objects.exists()


def test_viewers_read_and_strangers_see_nothing(
    pipeline: Pipeline, daily: Schedule, address: str, viewer_client: Client, stranger_client: Client
) -> None:
    page = viewer_client.get(address)
    assert page.status_code == 200 and "Add a schedule" not in page.text
    assert stranger_client.get(address).status_code == 404
    posts = [
        reverse(n, args=["lab", pipeline.slug, daily.pk]) for n in ("schedule_pause", "schedule_remove", "schedule_run")
    ]
    for post in (address, *posts):
        assert viewer_client.post(post, DAILY).status_code == 403
        assert stranger_client.post(post, DAILY).status_code == 404


def test_a_scheduled_run_says_so(daily: Schedule, viewer_client: Client) -> None:
    daily.refresh_from_db()
    (run,) = schedules.start_due(now=daily.next_due_at)
    assert "its schedule</a>" in viewer_client.get(run.get_absolute_url()).text


def test_it_starts_with_values_of_its_own(
    pipeline: Pipeline, address: str, editor_client: Client, viewer_client: Client
) -> None:
    spec = chain()
    spec["nodes"][1]["ask"] = ["text", "cap"]
    Pipeline.objects.update(draft=spec)
    page = editor_client.get(address).text
    assert 'name="say.text"' in page and 'name="field" value="say.cap"' in page
    sent = {**DAILY, "field": ["say.text", "say.cap"], "say.text": "no", "say.cap": "1.0", "say.fault": "bug"}
    wrong = editor_client.post(address, {**sent, "say.cap": "much"})
    assert wrong.status_code == 422 and "has to be mended" in wrong.text and not Schedule.objects.exists()
    editor_client.post(address, sent)
    schedule = Schedule.objects.get()
    # Only what was asked, and of it only what differs from the pipeline.
    assert schedule.given == {"say": {"text": "no"}}
    assert "Text (say)" in viewer_client.get(address).text
    (run,) = schedules.start_due(now=schedule.next_due_at)
    assert run.given == {"say": {"text": "no"}} and run.steps.get(node="say").params["text"] == "no"
    assert pipeline.versions.get().spec["nodes"][1]["params"] == {}
    # The step it names is gone: nothing is started, and the page says why.
    Pipeline.objects.update(draft={**spec, "nodes": spec["nodes"][:1], "edges": []})
    schedule.refresh_from_db()
    Run.objects.update(state="succeeded")
    assert schedules.start_due(now=schedule.next_due_at) == []
    assert "There is no step" in editor_client.get(address).text
