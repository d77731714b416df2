"""The benchmarks step: a tiny real student through the real lm-eval, over files made here."""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from evaluation.forgetting.document import DOCUMENT
from evaluation.steps import public_benchmarks
from evaluation.steps.public_benchmarks import PublicBenchmarks
from pipelines.recipes.benchmark_tasks import TASKS
from pipelines.recipes.events import Events
from pipelines.steps.base import InputArtifact, StepResult
from studio.lib.errors import StepError
from tests.evaluation.conftest import make_rows
from tests.exporters.conftest import make_adapter
from tests.recipes.test_benchmarks import arc_docs, publish
from vault.rows import write_rows

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


class InProcess:
    """Stands for the step's context: runs the children's real code in this process."""

    workspace_id = step_run_id = asks_anew_after = None
    seed = 0

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.configs: list[dict[str, Any]] = []
        self.logged: list[str] = []
        scratch.mkdir()

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        """Nothing to show it to."""

    def log(self, message: str) -> None:
        """Kept."""
        self.logged.append(message)

    def metric(self, name: str, value: float, *, at: int) -> None:
        """Nothing to draw it on."""

    def beat(self) -> None:
        """No lease."""

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """The child's own ``main``, on its config as JSON."""
        told = json.loads(json.dumps(config))
        self.configs.append(told)
        return dict(importlib.import_module(module).main(told, Events(io.StringIO())))


@pytest.fixture
def student(tmp_path: Path, settings: Settings) -> InputArtifact:
    """A random adapter on a tiny base model, and a data folder with twenty questions of ARC."""
    from pipelines.recipes.base_models import digest_of, hash_files
    from tests.recipes import tiny

    base = tiny.save_model(tmp_path / "model")
    settings.MODEL_DIRS, settings.DATA_ROOT = [tmp_path], tmp_path / "studio"
    publish(TASKS["arc_easy"].data_folder(settings.DATA_ROOT / "benchmarks"), arc_docs(20))
    adapter = make_adapter(base, tmp_path / "adapter")
    told = {"base_model": {"ref": f"folder:{base}", "revision": digest_of(hash_files(base))}}
    (adapter / "training.json").write_text(json.dumps(told))
    return InputArtifact("bb" * 32, "adapter", adapter, {})


def run(ctx: Any, inputs: Mapping[str, InputArtifact], **params: Any) -> tuple[StepResult, dict[str, Any]]:
    """The step's result and its document."""
    result = PublicBenchmarks().run(ctx, PublicBenchmarks.Params(threads=1, **params), inputs)
    return result, json.loads((result.outputs["benchmarks"].path / DOCUMENT).read_text("utf-8"))


def questions(folder: Path, answers: list[str | None]) -> InputArtifact:
    """A dataset of questions with these right answers."""
    write_rows(folder, make_rows([(None, answer) for answer in answers]))
    return InputArtifact("ee" * 32, "dataset", folder, {})


def test_base_model_and_student_get_the_same_questions_public_ones_and_ones_own(
    student: InputArtifact, tmp_path: Path
) -> None:
    pytest.importorskip("lm_eval", reason="needs: make extra NAME=benchmarks")
    ctx = InProcess(tmp_path / "scratch")
    own = questions(tmp_path / "own", ["card", "cash", "card", None])
    result, document = run(ctx, {"student": student, "questions": own}, tasks=["arc_easy"], rows=10)
    assert [(t["label"], t["n"], t["total"]) for t in document["tasks"]] == [
        ("ARC easy", 10, 20),
        ("Your questions", 3, 3),
    ]
    assert all(t["finding"] in ("forgot", "better", "kept", "unclear") for t in document["tasks"])
    assert document["facts"]["lm_eval"] == metadata.version("lm_eval")
    assert document["facts"]["questions"] == "ee" * 32
    assert document["notes"] == ["1 row of the questions wired in had no right answer among choices and were left out."]
    raw = {
        who: json.loads((result.outputs["benchmarks"].path / f"{who}.json").read_text()) for who in ("base", "student")
    }
    assert raw["base"]["arc_easy"]["keys"] == raw["student"]["arc_easy"]["keys"]
    asked = [config for config in ctx.configs if "tasks" in config]
    assert [config["adapter"] for config in asked] == [None, str(student.path)]
    assert result.summary["questions"] == 13

    # A second attempt asks nothing again: what the first one wrote is enough.
    before = (tmp_path / "scratch" / "base" / "arc_easy.json").stat().st_mtime_ns
    assert run(ctx, {"student": student, "questions": own}, tasks=["arc_easy"], rows=10)[1] == document
    assert (tmp_path / "scratch" / "base" / "arc_easy.json").stat().st_mtime_ns == before


def test_without_the_package_the_command_that_installs_it_is_said(
    student: InputArtifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(StepError, match="not installed") as problem:
        run(InProcess(tmp_path / "scratch"), {"student": student})
    assert "make extra NAME=benchmarks" in problem.value.action
    assert PublicBenchmarks().resolve(PublicBenchmarks.Params(), workspace_id=None) == {"lm_eval": ""}


def test_nothing_to_ask_is_said(student: InputArtifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_benchmarks, "release", lambda: "0.4.13")
    with pytest.raises(StepError, match="nothing to ask"):
        run(InProcess(tmp_path / "scratch"), {"student": student}, tasks=[])


def test_a_dataset_that_is_not_here_stops_before_any_model_is_loaded(
    student: InputArtifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(public_benchmarks, "release", lambda: "0.4.13")
    settings.HUB_URL, settings.ALLOWED_HOSTS_OUT = "http://127.0.0.1:9", []
    ctx = InProcess(tmp_path / "scratch")
    with pytest.raises(StepError, match="PIQA is not on this machine"):
        run(ctx, {"student": student}, tasks=["arc_easy", "piqa"])
    assert ctx.configs == []


def test_a_benchmark_is_asked_once_and_must_be_a_known_one() -> None:
    with pytest.raises(ValidationError, match="once"):
        PublicBenchmarks.Params(tasks=["piqa", "piqa"])
    with pytest.raises(ValidationError):
        PublicBenchmarks.Params(tasks=["../../evil.yaml"])
