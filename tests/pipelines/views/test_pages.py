"""Pages of pipelines and runs: they work, strangers see nothing, lower roles change nothing, mistakes are shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from pipelines.building import drafts
from pipelines.models import MetricPoint, Pipeline, Run, StepRun
from pipelines.running import runs
from pipelines.running.context import log_path
from studio.jobs import State
from studio.models import Workspace
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]
HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(text="hi"), user=None)


@pytest.fixture
def done(start: Start) -> Run:
    return runs.run_to_end(start(chain(text="no")))


def get_addresses(pipeline: Pipeline, run: Run) -> list[str]:
    return [
        reverse("pipelines", args=["lab"]),
        reverse("pipeline", args=["lab", pipeline.slug]),
        reverse("pipeline_spec", args=["lab", pipeline.slug]),
        reverse("runs", args=["lab"]),
        reverse("run", args=["lab", run.number]),
        reverse("run_step", args=["lab", run.number, "say"]),
        reverse("run_output", args=["lab", run.number, "say", "rows"]),
        reverse("run_step_log", args=["lab", run.number, "say"]),
        reverse("run_step_metrics", args=["lab", run.number, "say"]),
        reverse("activity", args=["lab"]),
        reverse("review", args=["lab"]),
    ]


def test_every_page_opens_for_a_viewer_and_is_hidden_from_strangers_and_the_signed_out(
    pipeline: Pipeline, done: Run, viewer_client: Client, stranger_client: Client
) -> None:
    for address in get_addresses(pipeline, done):
        response = viewer_client.get(address)
        assert response.status_code == 200, address
        if response.streaming:
            b"".join(response)  # read to its end, which also closes the file
        assert stranger_client.get(address).status_code == 404, address
        assert Client().get(address).status_code == 302, address


def test_a_viewer_changes_nothing(
    pipeline: Pipeline, done: Run, viewer_client: Client, stranger_client: Client
) -> None:
    posts = [
        reverse("pipeline_step", args=["lab", pipeline.slug, "say"]),
        reverse("run_start", args=["lab", pipeline.slug]),
        reverse("run_cancel", args=["lab", done.number]),
        reverse("run_retry", args=["lab", done.number]),
        reverse("run_step_answer", args=["lab", done.number, "say"]),
    ]
    for address in posts:
        assert viewer_client.post(address).status_code == 403, address
        assert stranger_client.post(address).status_code == 404, address
    assert viewer_client.get(reverse("pipeline_new", args=["lab"])).status_code == 403


def test_empty_lists_say_what_to_do_first(workspace: Workspace, editor_client: Client) -> None:
    assert "No pipeline yet" in editor_client.get(reverse("pipelines", args=["lab"])).text
    assert "Nothing has run yet" in editor_client.get(reverse("runs", args=["lab"])).text
    assert "Nothing waits for you" in editor_client.get(reverse("review", args=["lab"])).text


def test_a_setting_is_saved_and_a_default_is_not_stored(pipeline: Pipeline, editor_client: Client) -> None:
    address = reverse("pipeline_step", args=["lab", pipeline.slug, "say"])
    response = editor_client.post(address, {"text": "maybe", "cap": "1.0", "revision": pipeline.revision}, **HTMX)
    assert response.status_code == 200
    assert "Saved" in response.text and "<html" not in response.text
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["params"] == {"text": "maybe"}


def test_a_value_that_does_not_fit_is_kept_and_its_problem_shown(pipeline: Pipeline, editor_client: Client) -> None:
    address = reverse("pipeline_step", args=["lab", pipeline.slug, "make"])
    response = editor_client.post(address, {"count": "many", "revision": pipeline.revision}, **HTMX)
    assert "many" in response.text
    assert "valid integer" in response.text
    started = editor_client.post(reverse("run_start", args=["lab", pipeline.slug]))
    assert started.status_code == 422
    assert "problem" in started.text
    assert Run.objects.count() == 0


def test_a_second_tab_is_told_and_its_typing_is_kept(pipeline: Pipeline, editor_client: Client) -> None:
    address = reverse("pipeline_step", args=["lab", pipeline.slug, "say"])
    revision = pipeline.revision
    editor_client.post(address, {"text": "first", "revision": revision})
    response = editor_client.post(address, {"text": "second", "revision": revision}, **HTMX)
    assert response.status_code == 409
    assert "changed in another tab" in response.text and "second" in response.text
    pipeline.refresh_from_db()
    assert pipeline.draft["nodes"][1]["params"]["text"] == "first"


def test_a_double_click_on_start_makes_one_run(pipeline: Pipeline, editor_client: Client) -> None:
    address = reverse("run_start", args=["lab", pipeline.slug])
    first = editor_client.post(address, {"request_key": "abc"})
    second = editor_client.post(address, {"request_key": "abc"})
    assert first.headers["Location"] == second.headers["Location"]
    assert Run.objects.count() == 1


def test_a_second_tab_finds_the_run_of_the_first_and_can_start_another_on_purpose(
    pipeline: Pipeline, editor_client: Client
) -> None:
    address = reverse("run_start", args=["lab", pipeline.slug])
    editor_client.post(address, {"request_key": "tab-1"})
    page = editor_client.post(address, {"request_key": "tab-2"}, follow=True)
    assert "already under way" in page.text
    assert Run.objects.count() == 1
    editor_client.post(address, {"request_key": "tab-3", "another": "1"})
    assert Run.objects.count() == 2


def test_the_live_part_polls_until_the_run_has_ended(start: Start, viewer_client: Client) -> None:
    run = start(chain())
    assert "every 2s" in viewer_client.get(run.get_absolute_url(), **HTMX).text
    runs.run_to_end(run)
    assert "every 2s" not in viewer_client.get(run.get_absolute_url(), **HTMX).text


def test_a_failed_step_shows_what_to_do_and_can_be_retried(start: Start, editor_client: Client) -> None:
    run = runs.run_to_end(start(chain(fault="user")))
    page = editor_client.get(run.get_absolute_url()).text
    assert "The teacher said 401." in page and "Check the key." in page
    editor_client.post(reverse("run_retry", args=["lab", run.number]))
    assert StepRun.objects.get(run=run, node="say").state == State.PENDING


def test_cancelling_from_the_page_ends_the_run(start: Start, editor_client: Client) -> None:
    run = start(chain())
    editor_client.post(reverse("run_cancel", args=["lab", run.number]))
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    again = editor_client.post(reverse("run_cancel", args=["lab", run.number]), follow=True)
    assert "had already ended" in again.text


def test_a_trace_is_shown_to_editors_only(start: Start, editor_client: Client, viewer_client: Client) -> None:
    run = runs.run_to_end(start(chain(fault="bug")))
    address = reverse("run_step", args=["lab", run.number, "say"])
    assert "ZeroDivisionError: division" in editor_client.get(address).text
    assert "division by zero" not in viewer_client.get(address).text


def test_a_waiting_step_can_be_stopped(start: Start, editor_client: Client) -> None:
    run = runs.run_to_end(start(chain(fault="cap")))
    assert "cost cap" in editor_client.get(reverse("review", args=["lab"])).text
    editor_client.post(reverse("run_step_answer", args=["lab", run.number, "say"]), {"decision": "stop"})
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_curves_have_one_x_axis_and_gaps_where_a_curve_has_no_point(done: Run, viewer_client: Client) -> None:
    step = StepRun.objects.get(run=done, node="say")
    for at, value in ((1, 3.0), (2, 2.0), (3, 1.0)):
        MetricPoint.objects.create(step_run=step, name="loss", at=at, value=value)
    MetricPoint.objects.create(step_run=step, name="eval_loss", at=2, value=2.5)
    MetricPoint.objects.create(step_run=step, name="learning_rate", at=2, value=0.1)
    answer = viewer_client.get(reverse("run_step_metrics", args=["lab", done.number, "say"])).json()
    assert answer["x"] == [1, 2, 3]
    assert [s["values"] for s in answer["series"]] == [[3.0, 2.0, 1.0], [None, 2.5, None]]
    assert answer["live"] is False


def test_markup_in_rows_and_logs_is_shown_as_text(done: Run, viewer_client: Client) -> None:
    step = StepRun.objects.get(run=done, node="say")
    log_path(step.pk).write_text("12:00:00  <script>alert(1)</script>\n")
    assert "<script>alert" not in viewer_client.get(reverse("run_step", args=["lab", done.number, "say"])).text


def test_rows_of_an_output_can_be_searched(done: Run, viewer_client: Client) -> None:
    address = reverse("run_output", args=["lab", done.number, "make", "rows"])
    assert "q1" in viewer_client.get(address).text
    assert "No row has these words" in viewer_client.get(address, {"search": "zebra"}).text


def test_runs_of_one_state_are_listed(done: Run, viewer_client: Client) -> None:
    address = reverse("runs", args=["lab"])
    assert "No run fits" in viewer_client.get(address, {"state": "failed"}).text
    assert f"Run {done.number}" in viewer_client.get(address, {"state": "succeeded"}).text


def test_the_spec_comes_down_as_yaml_that_runs(pipeline: Pipeline, viewer_client: Client) -> None:
    from pipelines.specs import spec as specs

    text = viewer_client.get(reverse("pipeline_spec", args=["lab", pipeline.slug])).text
    assert specs.parse(specs.load_text(text)).as_dict() == pipeline.draft


@pytest.mark.parametrize("name", ["new", "New", "../new", "x" * 300, "日本語"])
def test_any_name_gives_a_pipeline_that_can_be_opened(
    toy_steps: list[str], workspace: Workspace, owner: User, sign_in: Callable[[User], Client], name: str
) -> None:
    made = drafts.create(workspace, name=name, spec=chain(), user=owner)
    assert sign_in(owner).get(made.get_absolute_url()).status_code == 200
