"""The models that came out and their files."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from evaluation.models import Scorecard
from pipelines.models import StepOutput
from studio.models import Workspace
from tests.evaluation.conftest import make_step, publish_folder
from vault.models import Artifact

WEIGHTS = bytes(range(256)) * 4


@pytest.fixture
def model(workspace: Workspace, scorecard: Scorecard) -> Artifact:
    """A GGUF artifact exported from the student that ``scorecard`` measured."""
    difference = {"id": "r1", "question": "where is it", "adapter": "card", "file": "cash"}
    parity = {"same": 99, "rows": 100, "share": 0.99, "differences": [difference]}
    export = {
        "name": "cards",
        "system": "Name the label.",
        "parity": "failed",
        "minimum_agreement": 0.995,
        "files": [{"name": "cards-Q8_0.gguf", "type": "Q8_0", "parity": parity, "notes": []}],
    }
    files = {
        "cards-Q8_0.gguf": WEIGHTS,
        "Modelfile": b"FROM ./cards-Q8_0.gguf",
        "README.md": b"# Cards <script>",
        "export.json": json.dumps(export).encode(),
    }
    artifact = publish_folder(workspace, "gguf", files, name="cards", parity="failed")
    step = make_step(
        scorecard.step_run.run, "export_gguf", position=2, wiring={"student": {"node": "train", "port": "student"}}
    )
    StepOutput.objects.create(step_run=step, port="gguf", artifact=artifact)
    return artifact


def file_url(model: Artifact, name: str) -> str:
    """Where a file of the model is downloaded."""
    return reverse("model_file", args=["lab", model.pk, name])


def test_an_empty_list_says_what_to_do_first(viewer_client: Client, workspace: Workspace) -> None:
    assert b"No models yet" in viewer_client.get(reverse("models", args=["lab"])).content


def test_the_list_names_the_model_and_its_run(viewer_client: Client, model: Artifact) -> None:
    page = viewer_client.get(reverse("models", args=["lab"])).content.decode()
    assert reverse("model", args=["lab", model.pk]) in page
    assert "Cards 1, run 1" in page


def test_the_page_shows_files_parity_commands_lineage_and_evaluations(
    viewer_client: Client, model: Artifact, scorecard: Scorecard
) -> None:
    page = viewer_client.get(reverse("model", args=["lab", model.pk])).content.decode()
    assert file_url(model, "cards-Q8_0.gguf") in page
    assert "99 of 100 rows" in page
    assert "where is it" in page
    assert "at least 99.5" in page
    assert "Name the label." in page
    assert "ollama create cards -f Modelfile" in page
    assert reverse("run_step", args=["lab", 1, "train"]) in page
    assert reverse("run_step", args=["lab", 1, "evaluate"]) not in page
    assert scorecard.get_absolute_url() in page
    assert "# Cards &lt;script&gt;" in page


def test_the_report_links_to_the_models_of_its_student(
    viewer_client: Client, model: Artifact, scorecard: Scorecard
) -> None:
    assert reverse("model", args=["lab", model.pk]) in viewer_client.get(scorecard.get_absolute_url()).content.decode()


def test_a_file_comes_whole_as_an_attachment(viewer_client: Client, model: Artifact) -> None:
    answer = viewer_client.get(file_url(model, "cards-Q8_0.gguf"))
    assert b"".join(answer.streaming_content) == WEIGHTS  # type: ignore[attr-defined]
    assert answer["Content-Length"] == "1024"
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["Content-Disposition"] == 'attachment; filename="cards-Q8_0.gguf"'


def test_a_broken_download_goes_on_where_it_stopped(viewer_client: Client, model: Artifact) -> None:
    url = file_url(model, "cards-Q8_0.gguf")
    answer = viewer_client.get(url, headers={"Range": "bytes=1000-"})
    assert answer.status_code == 206
    assert answer["Content-Range"] == "bytes 1000-1023/1024"
    assert answer["Content-Length"] == "24"
    assert b"".join(answer.streaming_content) == WEIGHTS[1000:]  # type: ignore[attr-defined]
    etag = answer["ETag"]
    assert viewer_client.get(url, headers={"Range": "bytes=0-1", "If-Range": etag}).status_code == 206
    changed = viewer_client.get(url, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert changed.status_code == 200
    changed.close()


def test_a_range_outside_the_file_is_refused_with_its_size(viewer_client: Client, model: Artifact) -> None:
    answer = viewer_client.get(file_url(model, "cards-Q8_0.gguf"), headers={"Range": "bytes=5000-"})
    assert answer.status_code == 416
    assert answer["Content-Range"] == "bytes */1024"


@pytest.mark.parametrize("name", ["manifest.json", "../../studio.sqlite3", "nothing.gguf", "/etc/hostname"])
def test_only_files_of_the_manifest_are_given(viewer_client: Client, model: Artifact, name: str) -> None:
    base = reverse("model_file", args=["lab", model.pk, "x"]).removesuffix("x")
    assert viewer_client.get(base + name).status_code == 404


def test_strangers_find_nothing(stranger_client: Client, model: Artifact) -> None:
    urls = [reverse("models", args=["lab"]), reverse("model", args=["lab", model.pk]), file_url(model, "README.md")]
    assert [stranger_client.get(url).status_code for url in urls] == [404, 404, 404]
    assert stranger_client.get(reverse("model", args=["elsewhere", model.pk])).status_code == 404
