"""The evaluate step with children that answer as told: what its tests and those of its candidates share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.outside import answer_row, write_candidates
from evaluation.steps.evaluate import Evaluate
from pipelines.steps.base import InputArtifact, StepResult
from pipelines.teachers.base import Completion
from pipelines.teachers.storage import StoredCall
from studio.lib.errors import StepError
from tests.evaluation.conftest import make_row
from vault.rows import Row, write_rows

REVISION = "f00d" * 16
Answer = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def right(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The reference with the adapter, nonsense without it."""
    answer = row["reference"]["content"] if config.get("adapter") or config.get("gguf") else "no idea"
    scored = {"label": row["reference"]["content"], "confidence": 0.9} if config["mode"] != "generate" else {}
    text = {"text": answer} if config["mode"] != "labels" else {}
    return {"prompt_tokens": 5, "completion_tokens": 2, **scored, **text}


class Children:
    """Stands for the step's context: runs the two child modules as functions, and dies after ``die_after`` answers."""

    workspace_id = step_run_id = None
    seed = 0

    def __init__(self, scratch: Path, answer: Answer = right, *, die_after: int | None = None) -> None:
        self.scratch = scratch
        self.answer, self.die_after = answer, die_after
        self.configs: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.revision = REVISION
        self.examples_that_fit = 100
        self.energy: dict[str, Any] | None = None
        scratch.mkdir(parents=True, exist_ok=True)

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        """Nothing to show it to."""

    def log(self, message: str) -> None:
        """Nothing to write it to."""

    def metric(self, name: str, value: float, *, at: int) -> None:
        """Nothing to draw it on."""

    def beat(self) -> None:
        """No lease."""

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """What the children return."""
        config = json.loads(json.dumps(config))
        if module == "pipelines.recipes.base_models":
            return {
                "ref": config["ref"],
                "path": "/models/tiny",
                "revision": self.revision,
                "files": {},
                "kind": "embedded",
            }
        if module == "pipelines.exporters.merged":
            folder = Path(config["out"])
            folder.mkdir(exist_ok=True)
            (folder / "model.safetensors").write_bytes(b"w" * 1_000)
            return {"kind": "f16", "bytes": 1_000}
        assert module == ("pipelines.exporters.gguf_predict" if "gguf" in config else "pipelines.recipes.predict")
        self.configs.append(config)
        out = Path(config["out"])
        known = {json.loads(line)["id"] for line in out.read_text().splitlines()} if out.exists() else set()
        rows = [json.loads(line) for line in Path(config["rows"]).read_text().splitlines()]
        todo = [row for row in rows if row["id"] not in known]
        with out.open("a") as file:
            for row in todo:
                if self.die_after is not None and len(self.asked) >= self.die_after:
                    raise StepError("The predict process was killed.", retryable=True)
                self.asked.append(row["id"])
                file.write(json.dumps({"id": row["id"], **self.answer(config, row)}) + "\n")
        told: dict[str, Any] = {"rows": len(rows), "answered_now": len(todo), "seconds": 0.5 * len(todo)}
        if config["examples"]:
            told["examples"] = min(len(config["examples"]), self.examples_that_fit)
        return {**told, "peak_bytes": 123 << 20, "energy": self.energy}

    def config_of(self, name: str) -> dict[str, Any]:
        """The predict config of a candidate."""
        return next(c for c in self.configs if Path(c["out"]).stem == name)


def rows_of(count: int, *, start: int = 0, labels: tuple[str, ...] = ("card", "cash")) -> list[Row]:
    """Rows whose teacher is always right."""
    return [
        make_row(start + i, teacher=labels[i % len(labels)], reference=labels[i % len(labels)]) for i in range(count)
    ]


def dataset(folder: Path, rows: list[Row], **meta: Any) -> InputArtifact:
    """A dataset input."""
    write_rows(folder, rows)
    return InputArtifact(sha="aa" * 32, kind="dataset", path=folder, meta=meta)


def student(folder: Path, *, labels: list[str] | None = None, view: dict[str, str] | None = None) -> InputArtifact:
    """An adapter input with what the train step writes."""
    folder.mkdir()
    told = {"base_model": {"ref": "embedded:tiny", "revision": REVISION}, "prompt_view": view, "labels": labels}
    (folder / "training.json").write_text(json.dumps(told))
    return InputArtifact(sha="bb" * 32, kind="adapter", path=folder, meta={"prompt_view": view} if view else {})


def export(
    folder: Path, *types: str, made_of: str = "bb" * 32, names: Mapping[str, str] | None = None
) -> InputArtifact:
    """A GGUF input with what the exporter writes: a file a type, of 10 bytes, 20 bytes, …"""
    folder.mkdir()
    files = []
    for number, kind in enumerate(types, start=1):
        name = (names or {}).get(kind, f"cards-{number}-{kind}.gguf")
        if Path(name).name == name:
            (folder / name).write_bytes(b"w" * 10 * number)
        files.append({"name": name, "type": kind, "size": 10 * number})
    (folder / "export.json").write_text(json.dumps({"files": files, "card": {"Adapter (SHA-256)": made_of}}))
    return InputArtifact(sha="dd" * 32, kind="gguf", path=folder, meta={})


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, InputArtifact]:
    """Ten held-out rows of two labels, a student trained with a dropped system prompt, forty training rows."""
    return {
        "rows": dataset(tmp_path / "held", rows_of(10)),
        "student": student(tmp_path / "student", view={"mode": "drop", "text": ""}),
        "train": dataset(tmp_path / "train", rows_of(40, start=100)),
    }


def evaluate(
    children: Children, inputs: Mapping[str, InputArtifact], **params: Any
) -> tuple[StepResult, dict[str, Any]]:
    """Run the step; its result and its report."""
    result = Evaluate().run(children, Evaluate.Params(**params), inputs)
    return result, json.loads((result.outputs["report"].path / "report.json").read_text())


def candidate(report: dict[str, Any], name: str) -> dict[str, Any]:
    """A candidate's record."""
    return next(c for c in report["candidates"] if c["name"] == name)


def others(folder: Path, rows: list[Row], texts: list[str | None]) -> InputArtifact:
    """Answers of one other model to these rows."""
    made = []
    for row, text in zip(rows, texts, strict=True):
        call = (
            None if text is None else StoredCall("k", Completion(text, model="big-2"), cost_usd=0.002, at="2026-03-02")
        )
        why = "The call failed." if text is None else ""
        made.append(answer_row(row, row.prompt, call, name="outside_big", label="Big", why=why))
    write_rows(folder, made)
    write_candidates(folder, [{"name": "outside_big", "label": "Big", "teacher": "openai", "model": "big"}])
    return InputArtifact(sha="ff" * 32, kind="answers", path=folder, meta={})
