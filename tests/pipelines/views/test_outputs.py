"""Taking away the rows that a step made or dropped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pipelines.models import Run, StepOutput
from pipelines.running import runs
from tests.pipelines.toys import chain
from vault import store
from vault.rows import Row, write_rows


@pytest.fixture
def done(start: Callable[[dict[str, Any]], Run]) -> Run:
    """A finished run whose last step also dropped a row."""
    run = runs.run_to_end(start(chain(text="no")))
    folder = store.scratch_dir("rejected")
    write_rows(
        folder, [Row(id="r9", prompt=[{"role": "user", "content": "é?"}], meta={"reject": {"reason": "Too short."}})]
    )
    artifact = store.publish(folder, kind="dataset", workspace=run.workspace)
    StepOutput.objects.create(step_run=run.steps.get(node="say"), port="rejects", artifact=artifact)
    return run


def address(name: str, run: Run, port: str) -> str:
    return reverse(name, args=["lab", run.number, "say", port])


def test_the_rows_of_an_output_are_downloaded_as_json_lines(done: Run, viewer_client: Client) -> None:
    page = viewer_client.get(address("run_output", done, "rows")).text
    assert address("run_output_file", done, "rows") in page
    answer = viewer_client.get(address("run_output_file", done, "rows"))
    assert answer["Content-Disposition"] == 'attachment; filename="run-1-say-rows.jsonl"'
    lines = b"".join(answer.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert [json.loads(line)["completion"]["content"] for line in lines] == ["no"] * 3


def test_rejects_carry_their_reason(done: Run, viewer_client: Client) -> None:
    answer = viewer_client.get(address("run_output_file", done, "rejects"))
    (row,) = (json.loads(line) for line in b"".join(answer.streaming_content).splitlines())  # type: ignore[attr-defined]
    assert row["prompt"][0]["content"] == "é?" and row["meta"]["reject"]["reason"] == "Too short."


def test_only_members_get_it_and_only_what_there_is(done: Run, viewer_client: Client, stranger_client: Client) -> None:
    assert viewer_client.get(address("run_output_file", done, "nothing")).status_code == 404
    assert stranger_client.get(address("run_output_file", done, "rows")).status_code == 404
    assert Client().get(address("run_output_file", done, "rows")).status_code == 302
    shutil.rmtree(store.path(StepOutput.objects.get(step_run__run=done, port="rejects").artifact))
    gone = viewer_client.get(address("run_output_file", done, "rejects"))
    assert gone.status_code == 503 and "from a backup" in gone.text
    page = viewer_client.get(address("run_output", done, "rejects"))
    assert page.status_code == 503 and address("run_output_file", done, "rejects") not in page.text
