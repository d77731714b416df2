"""What people do with a run: works, strangers see nothing, viewers change nothing, mistakes are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.building import drafts
from pipelines.models import Run, StepRun
from pipelines.running import executor, pausing, runs
from studio.jobs import State
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def url(name: str, run: Run, *more: str) -> str:
    return reverse(name, args=["lab", run.number, *more])


@pytest.fixture
def done(start: Start) -> Run:
    return runs.run_to_end(start(chain(text="no")))


def test_strangers_find_nothing_and_viewers_may_change_nothing(
    done: Run, viewer_client: Client, stranger_client: Client
) -> None:
    names = ["run_pause", "run_continue", "run_again", "run_change", "run_adopt"]
    for address in [*(url(name, done) for name in names), url("run_redo", done, "say")]:
        assert stranger_client.post(address).status_code == 404, address
        assert viewer_client.post(address).status_code == 403, address
    assert Run.objects.count() == 1


def test_a_run_is_paused_and_continued_from_its_page(start: Start, editor_client: Client) -> None:
    run = start(chain())
    page = editor_client.post(url("run_pause", run), {"after": "make"}, follow=True).content.decode()
    assert "pauses after" in page
    executor.execute(StepRun.objects.get(run=run, node="make").pk)
    page = editor_client.get(url("run", run)).content.decode()
    assert "Paused after make" in page and "pill-paused" in page and "Continue" in page
    editor_client.post(url("run_continue", run))
    assert runs.run_to_end(run).state == State.SUCCEEDED


def test_a_step_that_is_not_there_and_a_run_that_has_ended_are_said(done: Run, editor_client: Client) -> None:
    assert "has ended" in editor_client.post(url("run_pause", done), follow=True).content.decode()
    assert "was not paused" in editor_client.post(url("run_continue", done), follow=True).content.decode()


def test_the_steps_page_offers_a_pause_while_it_lives_and_a_new_beginning_after(
    start: Start, done: Run, editor_client: Client, viewer_client: Client
) -> None:
    live = start(chain(text="other"))
    page = editor_client.get(url("run_step", live, "say")).content.decode()
    assert "Pause after this step" in page and "Begin again" not in page
    pausing.pause(live, user=None, after="say")
    assert "Don't pause after this step" in editor_client.get(url("run_step", live, "say")).content.decode()
    assert "Begin again from here" in editor_client.get(url("run_step", done, "say")).content.decode()
    assert "Begin again from here" not in viewer_client.get(url("run_step", done, "say")).content.decode()


def test_a_finished_step_is_begun_again_and_what_it_made_is_shown(done: Run, editor_client: Client) -> None:
    page = editor_client.get(url("run_redo", done, "make")).content.decode()
    assert "Set back as well" in page and "Ask the teacher anew" not in page
    assert editor_client.post(url("run_redo", done, "make"), {"later": "yes"}).status_code == 302
    runs.run_to_end(done)
    page = editor_client.get(url("run_step", done, "say")).content.decode()
    assert "Earlier results" in page and "Done again because somebody asked for it" in page


def test_asking_a_teacher_anew_is_confirmed(done: Run, editor_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = editor_client.post(url("run_redo", done, "say"), {"force": "anew"})
    assert refused.status_code == 422 and "is paid for" in refused.content.decode()
    assert editor_client.post(url("run_change", done), {"what": "version", "force-say": "anew"}).status_code == 422
    assert StepRun.objects.get(run=done, node="say").state == State.SUCCEEDED
    editor_client.post(url("run_redo", done, "say"), {"force": "anew", "pays": "yes"})
    assert StepRun.objects.get(run=done, node="say").force == "anew"


def test_a_step_at_work_refuses_a_new_beginning_before_it(start: Start, editor_client: Client) -> None:
    run = start(chain())
    executor.execute(StepRun.objects.get(run=run, node="make").pk)
    assert StepRun.claim(StepRun.objects.get(run=run, node="say").pk) is not None
    page = editor_client.post(url("run_redo", run, "make"), follow=True).content.decode()
    assert "say is at work" in page


def test_run_again_starts_the_same_version_at_once(done: Run, editor_client: Client) -> None:
    response = editor_client.post(url("run_again", done))
    newest = Run.objects.order_by("-number")[0]
    assert response.url == newest.get_absolute_url()  # type: ignore[attr-defined]
    assert (newest.number, newest.version) == (2, done.version)


def test_a_changed_draft_is_shown_before_one_of_the_two_is_started(done: Run, editor_client: Client) -> None:
    page = editor_client.get(url("run_change", done)).content.decode()
    assert "The draft is what run 1 did" in page and "Start the draft" not in page
    pipeline = done.version.pipeline
    drafts.save(pipeline, spec=chain(text="yes indeed"), revision=pipeline.revision)
    page = editor_client.get(url("run_change", done)).content.decode()
    assert "differs from what run 1 did in 1 step" in page and "yes indeed" in page
    editor_client.post(url("run_change", done), {"what": "version", "force-say": "again", "request_key": "a"})
    editor_client.post(url("run_change", done), {"what": "version", "force-say": "again", "request_key": "a"})
    editor_client.post(url("run_change", done), {"what": "draft", "request_key": "b"})
    second, third = Run.objects.order_by("number")[1:]
    assert (second.version, second.steps.get(node="say").force) == (done.version, "again")
    assert third.version.number == 2
    assert "run_pipeline toy-run-2.yaml --workspace lab --force say" in (
        editor_client.get(url("run_change", second)).content.decode()
    )


def test_a_runs_spec_becomes_the_draft_unless_somebody_changed_it_meanwhile(done: Run, editor_client: Client) -> None:
    pipeline = done.version.pipeline
    drafts.save(pipeline, spec=chain(text="new"), revision=pipeline.revision)
    stale = editor_client.post(url("run_adopt", done), {"revision": pipeline.revision - 1}, follow=True)
    assert "was changed in another tab" in stale.content.decode()
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["params"] == {"text": "new"}
    editor_client.post(url("run_adopt", done), {"revision": pipeline.revision})
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["params"] == {"text": "no"}
    assert pipeline.versions.filter(message__startswith="The draft before run 1").exists()
