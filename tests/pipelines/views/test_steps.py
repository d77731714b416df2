"""The step's page: what it tells of its attempts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.test import Client
from django.urls import reverse

from pipelines.models import Run, StepAttempt
from pipelines.running import runs
from studio.templatetags.ui import duration, filesize
from tests.pipelines.toys import chain

Start = Callable[[dict[str, Any]], Run]


def test_the_page_lists_every_attempt_with_what_it_used(start: Start, viewer_client: Client) -> None:
    run = runs.run_to_end(start(chain(fault="cap")))
    StepAttempt.objects.filter(step_run__node="say").update(peak_memory_bytes=3 << 30, cpu_seconds=75.0)
    step = run.steps.get(node="say")
    runs.answer_step(step, user=None, answers={"cap": 9.0})
    runs.run_to_end(run)
    text = viewer_client.get(reverse("run_step", args=["lab", run.number, "say"])).content.decode()
    assert "Waited for a person" in text and "The cost cap of 1 USD is reached." in text
    assert filesize(3 << 30) in text and duration(75.0) in text
    assert text.index("Succeeded") < text.index("Waited for a person")


def test_a_step_that_nobody_began_has_no_attempts(start: Start, viewer_client: Client) -> None:
    run = start(chain())
    response = viewer_client.get(reverse("run_step", args=["lab", run.number, "say"]))
    assert "Attempts" not in response.content.decode()
