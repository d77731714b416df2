"""The export step: real children, a tiny student, a verdict that does not flatter."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from pipelines.running import child
from pipelines.steps.base import InputArtifact
from pipelines.steps.export_gguf import (
    ExportGguf,
    common_system_prompt,
    default_name,
    summary_of,
    verdict,
)
from pipelines.steps.student import read_training
from studio.lib.errors import StepError
from tests.exporters.conftest import make_adapter
from tests.pipelines.steps.desk import Desk, row
from vault.rows import write_rows


class Bench(Desk):
    """A desk whose children are real; ``modules`` says which ran."""

    modules: list[str]

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        self.modules.append(module.rpartition(".")[2])
        return child.run_child(
            module,
            config=config,
            folder=self.scratch,
            on_event=lambda event: None,
            beat=lambda: None,
            on_line=lambda line: None,
        )


def bench(folder: Path) -> Bench:
    folder.mkdir(exist_ok=True)
    desk = Bench(folder)
    desk.modules = []
    return desk


def student_of(folder: Path, base: Path, revision: str) -> InputArtifact:
    adapter = make_adapter(base, folder)
    record = {"base_model": {"ref": f"folder:{base}", "revision": revision, "files": {}}, "rows": 12, "loss": 0.5}
    (adapter / "training.json").write_text(json.dumps({**record, "params": {"method": "lora", "rank": 4}}))
    return InputArtifact("a" * 64, "adapter", adapter, {"prompt_view": {"mode": "replace", "text": "Name the kind."}})


def revision_of(base: Path) -> str:
    from pipelines.recipes.base_models import digest_of, hash_files

    return digest_of(hash_files(base))


def test_it_exports_replays_and_says_how_many_rows_agree(
    tmp_path: Path, tiny_student: Path, settings: Settings
) -> None:
    settings.MODEL_DIRS = [tiny_student.parent]
    rows = [row(f"thing {n}", "bird", system="A very long instruction.") for n in range(6)]
    write_rows(tmp_path / "rows", rows)
    inputs = {
        "student": student_of(tmp_path / "adapter", tiny_student, revision_of(tiny_student)),
        "rows": InputArtifact("b" * 64, "dataset", tmp_path / "rows", {}),
    }
    params = ExportGguf.Params(quantisations=["Q8_0"], max_new_tokens=4, minimum_agreement=0, threads=1)
    desk = bench(tmp_path / "scratch")
    result = ExportGguf().run(desk, params, inputs)
    assert desk.modules == ["base_models", "gguf", "predict", "gguf_predict"]
    folder = result.outputs["gguf"].path
    assert sorted(p.name for p in folder.iterdir()) == [
        "Modelfile",
        "README.md",
        "export.json",
        "tiny-student-Q8_0.gguf",
    ]
    export = json.loads((folder / "export.json").read_text("utf-8"))
    told = export["files"][0]["parity"]
    assert told["rows"] == 6
    assert told["same"] + len(told["differences"]) == 6
    assert export["system"] == "Name the kind."
    assert f"held-out rows ({told['share']:.1%})" in (folder / "README.md").read_text("utf-8")
    assert result.summary["parity"] == "passed"
    assert result.summary["files"][0]["same"] == told["same"]

    again = bench(tmp_path / "scratch")  # killed after its work, before it was recorded: nothing is answered twice
    (folder / "README.md").unlink()
    answers = sorted(desk.scratch.glob("*.jsonl"))
    before = [path.read_bytes() for path in answers]
    ExportGguf().run(again, params, inputs)
    assert [path.read_bytes() for path in answers] == before
    assert again.modules == ["base_models", "gguf"]
    assert (folder / "README.md").is_file()


def test_a_base_model_that_changed_since_the_training_is_refused(
    tmp_path: Path, tiny_student: Path, settings: Settings
) -> None:
    settings.MODEL_DIRS = [tiny_student.parent]
    inputs = {"student": student_of(tmp_path / "adapter", tiny_student, "0" * 64)}
    with pytest.raises(StepError, match="has changed since the student was trained"):
        ExportGguf().run(bench(tmp_path / "scratch"), ExportGguf.Params(), inputs)


def test_a_student_without_its_training_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"no training\.json"):
        read_training(InputArtifact("a" * 64, "adapter", tmp_path, {}))


def told(name: str, same: int, rows: int) -> dict[str, Any]:
    parity = {"same": same, "rows": rows, "share": same / rows, "differences": []}
    return {"name": f"m-{name}.gguf", "type": name, "size": 145_000_000, "notes": [], "parity": parity}


def test_the_most_exact_file_decides_and_a_failure_is_said_loudly() -> None:
    files = [told("Q8_0", 98, 100), told("Q4_K_M", 100, 100)]
    assert verdict(files, minimum=0.99) == "failed"
    assert verdict(files, minimum=0.98) == "passed"
    assert verdict([{"parity": None}], minimum=0.99) == "not checked"
    summary = summary_of({"files": files, "parity": "failed", "minimum_agreement": 0.99})
    assert "Parity FAILED" in summary["headline"]
    assert "Q8_0 145 MB, the adapter's answer on 98 of 100 rows" in summary["headline"]


def test_the_system_prompt_of_the_modelfile_is_the_one_the_student_saw() -> None:
    same = [row("a", "x", system="S"), row("b", "y", system="S")]
    mixed = [*same, row("c", "z", system="T")]
    assert common_system_prompt(same, None) == "S"
    assert common_system_prompt(mixed, None) is None
    assert common_system_prompt(same, {"mode": "drop", "text": ""}) is None
    assert common_system_prompt(mixed, {"mode": "replace", "text": "R"}) == "R"


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("embedded:smollm2-135m-instruct", "smollm2-135m-instruct-student"),
        ("hub:org/Some-Model@abc", "some-model-student"),
        ("folder:/models/My Model/", "my-model-student"),
        ("gguf:/models/x.Q8_0.gguf", "x.q8_0-student"),
    ],
)
def test_files_are_named_after_the_base_model(ref: str, name: str) -> None:
    assert default_name(ref) == name


@pytest.mark.parametrize(
    "values", [{"name": "../x"}, {"name": "a b"}, {"quantisations": []}, {"quantisations": ["Q9"]}]
)
def test_params_that_make_no_files_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportGguf.Params(**values)
