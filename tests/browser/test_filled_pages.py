"""Every page that none of the other browser tests opens, with something on it: accessible, within the policy, no wider than a phone.

To see what is missing here: list the names of the URL patterns that answer a GET with a page, and look for each in this folder.
"""

from __future__ import annotations

from datetime import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page

from evaluation.models import Scorecard
from evaluation.report import sharing
from pipelines.building import drafts, own_templates
from pipelines.models import Pipeline, PipelineTemplate, Schedule
from pipelines.running import runs, schedules
from studio import webhooks
from studio.models import Notification, Webhook, Worker, Workspace
from tests.browser.test_pages import check
from tests.browser.test_pipeline_editor import SPEC
from tests.evaluation.blind.test_rounds import begin
from tests.evaluation.conftest import candidates as candidates
from tests.evaluation.conftest import held_out as held_out
from tests.evaluation.conftest import scorecard as scorecard
from vault.models import Dataset

pytestmark = pytest.mark.django_db(transaction=True)

BOTH = pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])


def address(name: str, *args: object) -> str:
    """The path of a page of the workspace ``lab``."""
    return reverse(name, args=["lab", *args])


def look(page: Page, base: str, paths: list[str], *, theme: Any, width: int) -> dict[str, list[str]]:
    """Path → what is wrong with the page there; pages without a fault are left out."""
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    found = {path: check(page, base + path) for path in paths}
    return {path: faults for path, faults in found.items() if faults}


@pytest.fixture
def pipeline(workspace: Workspace, owner: User) -> Pipeline:
    """With two versions, a run, a schedule, a comment, a step that asks, and a template saved from it."""
    Dataset.objects.create(workspace=workspace, slug="bank", name="Bank")
    nodes = [dict(node) for node in SPEC["nodes"]]  # type: ignore[attr-defined]
    made = drafts.create(workspace, name="Bank", spec={**SPEC, "nodes": nodes}, user=owner)
    runs.freeze(made, user=owner)
    nodes[1] = {**nodes[1], "params": {"test": 0.3}, "ask": ["test"], "note": "A little more to test on"}
    drafts.save(made, spec={**SPEC, "nodes": nodes}, revision=made.revision, user=owner)
    runs.freeze(made, user=owner)
    schedules.add(Schedule(pipeline=made, every="day", at=time(2, 0), zone="UTC"), user=owner)
    own_templates.save(made, name="Our way", promise="Labels in a day", with_data=False, user=owner)
    return made


@BOTH
def test_the_pages_around_a_pipeline(
    page: Page, live_server: Any, signed_in: User, pipeline: Pipeline, csp_violations: list[str], page_errors: list[str],
    theme: Any, width: int,
) -> None:  # fmt: skip
    template = PipelineTemplate.objects.get()
    paths = [
        address("pipeline_new"),
        address("pipeline_create", "classify"),
        address("pipeline_import"),
        address("own_template", template.pk),
        address("own_template_change", template.pk),
        address("own_template_save", pipeline.slug),
        address("pipeline_versions", pipeline.slug),
        address("pipeline_diff", pipeline.slug),
        address("run_start_values", pipeline.slug),
        address("schedules", pipeline.slug),
    ]
    assert look(page, live_server.url, paths, theme=theme, width=width) == {}
    assert csp_violations == []
    assert page_errors == []


@BOTH
def test_the_pages_of_a_workspace(
    page: Page, live_server: Any, signed_in: User, workspace: Workspace, csp_violations: list[str], page_errors: list[str],
    theme: Any, width: int,
) -> None:  # fmt: skip
    now = timezone.now()
    hook: Webhook = webhooks.add(workspace, url="https://hooks.example.org/in", events=["run.failed"], by=signed_in)[0]
    webhooks.send_test(hook, by=signed_in)
    for tone in Notification.Tone.values:
        Notification.objects.create(
            user=signed_in, workspace=workspace, tone=tone, title="Run 3 of Bank failed", text="Split: too few rows.", url="/w/lab/"
        )  # fmt: skip
    gpu = {"name": "H100", "memory_bytes": 80_000_000_000}
    Worker.objects.create(
        machine="a-machine-with-a-long-name", label="gpu", queues=["gpu"], gpus=[gpu], started_at=now, beat_at=now
    )
    Worker.objects.create(
        machine="old", label="cpu", queues=["cpu", "io"], started_at=now, beat_at=now, draining_since=now, drained_by="ada"
    )  # fmt: skip
    paths = [
        address("notifications"),
        address("notification_choices"),
        address("webhooks"),
        address("webhook", hook.pk),
        address("workers"),
        address("sign_off_rules"),
        address("hub_new"),
    ]
    assert look(page, live_server.url, paths, theme=theme, width=width) == {}
    assert csp_violations == []
    assert page_errors == []


@BOTH
def test_the_pages_of_a_run_that_a_person_acts_on(
    page: Page, live_server: Any, signed_in: User, pipeline: Pipeline, csp_violations: list[str], page_errors: list[str],
    theme: Any, width: int,
) -> None:  # fmt: skip
    first, second = (runs.start_run(version, user=signed_in) for version in pipeline.versions.order_by("number"))
    paths = [
        address("run_change", second.number),
        address("run_redo", second.number, "split"),
        address("runs") + f"?pipeline={pipeline.slug}&state=running",
        address("runs_compare") + f"?run={first.number}&run={second.number}",
    ]
    assert look(page, live_server.url, paths, theme=theme, width=width) == {}
    assert csp_violations == []
    assert page_errors == []


@BOTH
def test_the_pages_around_a_report(
    page: Page, live_server: Any, signed_in: User, scorecard: Scorecard, reviewer: User, csp_violations: list[str],
    page_errors: list[str], theme: Any, width: int,
) -> None:  # fmt: skip
    review = begin(scorecard, [reviewer], signed_in)
    _, token = sharing.make(scorecard, days=7, with_rows=True, note="Auditor", by=signed_in)
    paths = [
        scorecard.get_absolute_url(),
        address("evaluations_compare"),
        address("flagged_rows"),
        address("sign_off", scorecard.pk),
        address("blind_reviews", scorecard.pk),
        review.get_absolute_url(),
        address("report_shares", scorecard.pk),
        reverse("shared_report", args=[token]),
    ]
    assert look(page, live_server.url, paths, theme=theme, width=width) == {}
    assert csp_violations == []
    assert page_errors == []
