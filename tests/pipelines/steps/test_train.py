"""The train step: its params, what it fingerprints, and a real training of a tiny model through real children."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from pipelines.running import child
from pipelines.steps.base import InputArtifact
from pipelines.steps.student import base_model_config
from pipelines.steps.train import DEFAULT_MODEL, Train, base_identity, recipe_params, summary_of
from studio.lib.errors import StepError
from tests.pipelines.steps.desk import Desk, row
from vault.rows import Row, write_rows


@dataclass
class Workbench(Desk):
    """A desk whose children are real."""

    metrics: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)

    def metric(self, name: str, value: float, *, at: int) -> None:
        self.metrics.append(name)

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        self.modules.append(module)

        def handle(event: dict[str, Any]) -> None:
            if event["event"] == "metric":
                self.metric(event["name"], event["value"], at=event["at"])

        return child.run_child(
            module, config=config, folder=self.scratch, on_event=handle, beat=lambda: None, on_line=lambda line: None
        )


def dataset(folder: Path, rows: list[Row], **meta: Any) -> InputArtifact:
    write_rows(folder, rows)
    return InputArtifact("0" * 64, "dataset", folder, meta)


@pytest.fixture
def student(tmp_path: Path, settings: Settings) -> str:
    """A reference to a tiny model that the Studio may read."""
    from tests.recipes import tiny

    settings.MODEL_DIRS = [tmp_path / "models"]
    return f"folder:{tiny.save_model(tmp_path / 'models' / 'tiny')}"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_it_trains_through_its_children_and_tells_what_it_made(tmp_path: Path, student: str) -> None:
    rows = [row(f"{word} {n}", word, system="Name the kind.") for word in ("pear", "leek") for n in range(8)]
    inputs = {
        "train": dataset(tmp_path / "train", [*rows, row("no answer")], labels=["leek", "pear"]),
        "validation": dataset(tmp_path / "validation", rows[:2]),
    }
    desk = Workbench(tmp_path / "scratch")
    desk.scratch.mkdir()
    params = Train.Params(
        base_model=student,
        system_prompt_mode="replace",
        system_prompt="Short.",
        rows_per_step=8,
        rank=2,
        threads=1,
        epochs=1,
    )
    result = Train().run(desk, params, inputs)
    output = result.outputs["adapter"]
    record = json.loads((output.path / "training.json").read_text())
    assert output.meta["prompt_view"] == record["prompt_view"] == {"mode": "replace", "text": "Short."}
    assert output.meta["base_model"] == record["base_model"]["ref"] == student
    assert output.meta["labels"] == record["labels"] == ["leek", "pear"]
    assert len(record["base_model"]["revision"]) == 64
    assert (output.path / "adapter_model.safetensors").stat().st_size > 0
    assert {"loss", "eval_loss", "learning_rate", "rows_per_second", "tokens_per_second"} <= set(desk.metrics)
    assert result.summary["rows_kept"] == 16
    assert result.summary["dropped"] == {"without an answer": 1}
    assert "16 rows learnt in 2 steps (1 without an answer left out)" in result.summary["headline"]


def test_the_error_of_a_child_reaches_the_user_with_its_action(tmp_path: Path, student: str) -> None:
    (Path(student.partition(":")[2]) / "chat_template.jinja").unlink()
    desk = Workbench(tmp_path / "scratch")
    desk.scratch.mkdir()
    with pytest.raises(StepError, match="no chat template") as caught:
        Train().run(desk, Train.Params(base_model=student), {"train": dataset(tmp_path / "in", [row("a", "b")])})
    assert "instruction-tuned" in caught.value.action


def test_no_rows_are_an_error_before_any_child_starts(tmp_path: Path) -> None:
    desk = Workbench(tmp_path / "scratch")
    desk.scratch.mkdir()
    with pytest.raises(StepError, match="no row to learn"):
        Train().run(desk, Train.Params(), {"train": dataset(tmp_path / "in", [])})
    assert desk.modules == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"base_model": "gpt-7"}, "hub:org/name@revision"),
        ({"base_model": "folder:"}, "hub:org/name@revision"),
        ({"base_model": "hub:org/name"}, "hub:org/name@commit"),
        ({"base_model": "hub:org/name@"}, "A branch such as main moves on"),
        ({"system_prompt_mode": "replace"}, "replacement"),
        ({"learning_rate": 0}, "greater than 0"),
        ({"method": "full"}, "'lora' or 'qlora'"),
    ],
)
def test_params_that_cannot_work_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Train.Params(**values)


def test_every_param_but_the_models_and_the_prompts_is_one_of_the_recipe() -> None:
    from pipelines.recipes.train import TrainParams

    assert TrainParams.from_json(recipe_params(Train.Params())).rank == 16


def test_the_fingerprint_follows_the_files_of_a_folder_and_the_embedded_release(
    tmp_path: Path, settings: Settings
) -> None:
    settings.MODEL_DIRS = [tmp_path]
    (tmp_path / "config.json").write_text("{}")
    before = base_identity(f"folder:{tmp_path}")
    assert base_identity(f"folder:{tmp_path}") == before
    (tmp_path / "config.json").write_text("{ }")
    assert base_identity(f"folder:{tmp_path}") != before
    assert base_identity(DEFAULT_MODEL)["package"]
    assert Train().resolve(Train.Params(), workspace_id=None) == {"base_model": base_identity(DEFAULT_MODEL)}
    with pytest.raises(StepError, match="does not exist"):
        base_identity(f"gguf:{tmp_path}/none.gguf")


@pytest.mark.parametrize(
    "ref", ["gguf:{out}/model.gguf", "folder:{out}", "gguf:{out}/none", "gguf:{models}/link", "gguf:/dev/zero"]
)
def test_nothing_outside_the_opened_folders_is_looked_at(
    ref: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor told apart: whether a file elsewhere exists is nobody's business."""
    settings.MODEL_DIRS = [tmp_path / "models"]
    for folder in ("models", "out"):
        (tmp_path / folder).mkdir()
    (tmp_path / "out" / "model.gguf").write_bytes(b"GGUF")
    (tmp_path / "models" / "link").symlink_to(tmp_path / "out" / "model.gguf")
    monkeypatch.setattr("pipelines.steps.train.file_sha256", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(StepError, match="outside the folders that models may be read from") as caught:
        base_identity(ref.format(out=tmp_path / "out", models=tmp_path / "models"))
    assert "STUDIO_MODEL_DIRS" in caught.value.action


@pytest.mark.parametrize(("ref", "words"), [("gguf:{}/folder", "is not a file"), ("folder:{}/file", "is not a folder")])
def test_a_base_model_of_the_wrong_kind_is_refused(ref: str, words: str, tmp_path: Path, settings: Settings) -> None:
    settings.MODEL_DIRS = [tmp_path]
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StepError, match=words):
        base_identity(ref.format(tmp_path))


def test_writing_the_rows_for_the_child_keeps_the_lease(tmp_path: Path) -> None:
    class Reached(Exception):
        """The child would start now."""

    class Clock(Workbench):
        def run_child(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            raise Reached

    desk = Clock(tmp_path / "scratch")
    desk.scratch.mkdir()
    inputs = {
        "train": dataset(tmp_path / "train", [row(f"q{n}", "a") for n in range(40)]),
        "validation": dataset(tmp_path / "validation", [row(f"v{n}", "a") for n in range(30)]),
    }
    with pytest.raises(Reached):
        Train().run(desk, Train.Params(), inputs)
    assert desk.reports == [(40, 40), (30, 30)]
    assert desk.beats == 70


def test_base_models_are_kept_in_the_data_folder(data_root: Path, settings: Settings) -> None:
    settings.MODEL_DIRS = [data_root]
    assert base_model_config("hub:a/b@c") == {
        "ref": "hub:a/b@c",
        "cache_dir": str(data_root / "models"),
        "allowed_dirs": [str(data_root)],
    }


def test_the_summary_says_what_was_left_out() -> None:
    told = {"rows": 1200, "rows_too_long": 3, "rows_without_answer": 0, "steps": 38, "loss": 0.25, "eval_loss": None}
    told |= {"seconds": 9.0, "peak_memory_bytes": 1, "packing": "padded", "packing_note": "it has layers"}
    summary = summary_of(told)
    assert summary["headline"] == "1,200 rows learnt in 38 steps (3 too long left out): loss 0.250."
    assert summary["rows_in"] == 1203
