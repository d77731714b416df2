"""The home page and the command palette."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from evaluation import dashboards
from evaluation.models import Scorecard
from pipelines.models import MetricPoint, Pipeline, PipelineVersion, Run, StepOutput, StepRun
from studio import audit
from studio.jobs import State
from studio.models import Workspace
from tests.evaluation.conftest import make_step, publish_folder
from vault.models import Dataset, Upload

HTMX = {"HX-Request": "true"}


def make_run(workspace: Workspace, number: int, states: dict[str, str], *, state: str, name: str = "Bank") -> Run:
    """A run whose steps are in ``states``, in that order."""
    pipeline, _ = Pipeline.objects.get_or_create(workspace=workspace, slug=name.lower(), defaults={"name": name})
    version = PipelineVersion.objects.create(
        pipeline=pipeline, number=pipeline.versions.count() + 1, spec={}, digest="0"
    )
    ended = None if state in (State.RUNNING, State.WAITING, State.PENDING) else timezone.now()
    run = Run.objects.create(workspace=workspace, version=version, number=number, state=state, finished_at=ended)
    for position, (step, wanted) in enumerate(states.items()):
        made = make_step(run, step, position=position)
        if wanted != State.SUCCEEDED:
            facts: dict[str, Any] = {"state": wanted, "finished_at": ended if wanted in (State.FAILED,) else None}
            if wanted == State.RUNNING:
                facts |= {"lease_until": timezone.now() + timedelta(hours=1), "progress_done": 5, "progress_total": 10}
            StepRun.objects.filter(pk=made.pk).update(**facts)
    return run


@pytest.fixture
def running(workspace: Workspace) -> Run:
    """A run that trains."""
    run = make_run(
        workspace,
        3,
        {"dataset": State.SUCCEEDED, "train": State.RUNNING, "evaluate": State.PENDING},
        state=State.RUNNING,
    )
    MetricPoint.objects.create(step_run=run.steps.get(node="train"), name="loss", at=1, value=2.0)
    return run


def test_the_front_door_leads_to_the_first_workspace(viewer_client: Client, workspace: Workspace) -> None:
    assert viewer_client.get("/").headers["Location"] == "/w/lab/"


def test_somebody_without_a_workspace_is_told_whom_to_ask(db: None, sign_in: Callable[[User], Client]) -> None:
    answer = sign_in(User.objects.create_user("new")).get("/")
    assert answer.status_code == 200
    assert b"Ask an owner" in answer.content


def test_a_visitor_has_to_sign_in_and_a_stranger_learns_nothing(
    client: Client, stranger_client: Client, workspace: Workspace
) -> None:
    for url in ("/w/lab/", "/w/lab/palette/"):
        assert client.get(url).status_code == 302
        assert stranger_client.get(url).status_code == 404


def test_an_empty_workspace_says_what_to_do_first(editor_client: Client, viewer_client: Client) -> None:
    page = editor_client.get("/w/lab/").content.decode()
    assert "Distil something" in page
    assert "Nothing has run yet" in page
    assert 'hx-get="/w/lab/"' not in page
    assert "Distil something" not in viewer_client.get("/w/lab/").content.decode()


def test_a_run_at_work_is_shown_live_with_its_curve(viewer_client: Client, running: Run) -> None:
    page = viewer_client.get("/w/lab/").content.decode()
    assert 'hx-get="/w/lab/"' in page
    assert '<progress class="meter" value="5" max="10"' in page
    assert "/runs/3/steps/train/metrics.json" in page
    assert "1 of 3 steps done" in page


def test_htmx_gets_the_live_part_alone(viewer_client: Client, running: Run) -> None:
    part = viewer_client.get("/w/lab/", headers=HTMX).content.decode()
    assert 'id="home-live"' in part
    assert "<html" not in part


def test_nothing_polls_when_nothing_is_at_work(viewer_client: Client, scorecard: Scorecard) -> None:
    page = viewer_client.get("/w/lab/").content.decode()
    assert "Last run" in page
    assert 'hx-get="/w/lab/"' not in page


def test_running_runs_come_before_waiting_ones(workspace: Workspace, running: Run) -> None:
    make_run(workspace, 4, {"generate": State.WAITING}, state=State.WAITING, name="Later")
    assert [card.run.number for card in dashboards.run_cards(workspace)] == [3, 4]


def test_what_waits_is_listed_oldest_first_with_its_page(viewer_client: Client, workspace: Workspace) -> None:
    run = make_run(workspace, 4, {"generate": State.WAITING}, state=State.WAITING)
    run.steps.update(error="The cap of 1,180 is reached.")
    upload = Upload.objects.create(workspace=workspace, dataset_name="d", file_name="d.csv", ready=False)
    items = dashboards.waiting_items(workspace)
    assert [item["url"] for item in items] == ["/w/lab/runs/4/steps/generate/", f"/w/lab/vault/uploads/{upload.pk}/"]
    page = viewer_client.get("/w/lab/").content.decode()
    assert "The cap of 1\u202f180 is reached." in page


def test_the_verdict_shows_agreement_saving_and_the_model_file(viewer_client: Client, scorecard: Scorecard) -> None:
    run = scorecard.step_run.run
    model = publish_folder(run.workspace, "gguf", {"m-Q8_0.gguf": b"x" * 1500, "export.json": b"{}"}, name="m")
    step = make_step(run, "export_gguf", position=2)
    StepOutput.objects.create(step_run=step, port="gguf", artifact=model)
    (verdict,) = dashboards.verdicts(run.workspace)
    assert verdict.agreement is not None
    assert verdict.saving == pytest.approx(0.95)
    assert verdict.file_bytes == 1500
    page = viewer_client.get("/w/lab/").content.decode()
    assert f"/w/lab/models/{model.pk}/" in page
    assert "1.5\u00a0kB" in page


def test_a_model_whose_files_are_gone_does_not_break_the_page(
    viewer_client: Client, scorecard: Scorecard, data_root: Any
) -> None:
    run = scorecard.step_run.run
    model = publish_folder(run.workspace, "gguf", {"m-Q8_0.gguf": b"x"}, name="m")
    StepOutput.objects.create(step_run=make_step(run, "export_gguf", position=2), port="gguf", artifact=model)
    next(data_root.rglob(f"{model.sha256}/manifest.json")).unlink()
    assert viewer_client.get("/w/lab/").status_code == 200


def test_the_tour_follows_the_sample_run_until_it_is_hidden(
    viewer_client: Client, workspace: Workspace, running: Run
) -> None:
    assert "step by step" not in viewer_client.get("/w/lab/").content.decode()
    audit.record(workspace, actor="studio", verb=dashboards.SAMPLE_SEEDED, subject="workspace lab")
    assert "step by step" in viewer_client.get("/w/lab/").content.decode()
    assert [(s["title"], s["status"]) for s in dashboards.tour(running)] == [
        ("Answers", "succeeded"),
        ("Training", "running"),
        ("Proof", "pending"),
    ]
    assert viewer_client.get("/w/lab/?tour=done").headers["Location"] == "/w/lab/"
    assert "step by step" not in viewer_client.get("/w/lab/").content.decode()


def test_a_stage_is_as_far_as_its_slowest_step(workspace: Workspace) -> None:
    run = make_run(workspace, 1, {"dedupe_exact": State.SUCCEEDED, "split": State.PENDING}, state=State.RUNNING)
    assert dashboards.tour(run)[0]["status"] == "running"
    run = make_run(workspace, 2, {"dedupe_exact": State.SUCCEEDED, "split": State.FAILED}, state=State.FAILED)
    assert dashboards.tour(run)[0]["status"] == "failed"


def test_the_palette_finds_things_of_this_workspace_by_name_and_number(
    editor_client: Client,
    viewer_client: Client,
    workspace: Workspace,
    other_workspace: Workspace,
    running: Run,
    scorecard: Scorecard,
) -> None:
    Dataset.objects.create(workspace=workspace, slug="bank", name="Bank rows")
    Dataset.objects.create(workspace=other_workspace, slug="bank", name="Bank secrets")
    found = editor_client.get("/w/lab/palette/", {"q": "bank"}).json()["items"]
    assert {(item["group"], item["label"]) for item in found} == {
        ("Datasets", "Bank rows"),
        ("Pipelines", "Bank"),
        ("Runs", "Run 3, Bank"),
    }
    assert "Run 3, Bank" in [i["label"] for i in editor_client.get("/w/lab/palette/", {"q": "3"}).json()["items"]]
    assert [i["group"] for i in editor_client.get("/w/lab/palette/", {"q": "cards"}).json()["items"]][
        -1
    ] == "Evaluations"
    starts = editor_client.get("/w/lab/palette/", {"q": "upload"}).json()["items"]
    assert [i["href"] for i in starts] == ["/w/lab/vault/upload/"]
    assert viewer_client.get("/w/lab/palette/", {"q": "upload"}).json()["items"] == []
