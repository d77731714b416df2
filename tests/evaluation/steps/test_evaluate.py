"""The evaluate step, with children that answer as they are told to (and, marked heavy, with the real ones)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pydantic import ValidationError
from pytest_django.fixtures import Settings

from evaluation.advice import what_rows_show
from evaluation.candidates.asking import add_energy
from evaluation.candidates.outside import answer_row, write_candidates
from evaluation.forgetting.document import DOCUMENT
from evaluation.report.scorecards import record_scorecard, scorecard_of
from evaluation.rows.items import ITEMS_FILE
from evaluation.steps.evaluate import Evaluate
from pipelines.models import Pipeline, PipelineVersion, Run, StepOutput
from pipelines.running.child import run_child
from pipelines.steps.base import InputArtifact, StepResult
from pipelines.steps.export_gguf import ExportGguf
from pipelines.steps.train import Train
from pipelines.teachers.base import Completion
from pipelines.teachers.storage import StoredCall
from studio.jobs import State
from studio.lib.errors import StepError
from studio.models import Workspace
from tests.evaluation.conftest import make_row, make_step
from vault import store
from vault.rows import Row, assistant, write_rows

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


def test_teacher_base_and_student_answer_the_same_rows(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    children = Children(tmp_path / "scratch")
    result, report = evaluate(children, inputs)
    assert [c["name"] for c in report["candidates"]] == ["teacher", "base", "student"]
    assert candidate(report, "student")["metrics"]["accuracy"]["value"] == 1.0
    assert candidate(report, "base")["metrics"]["accuracy"]["value"] == 0.0
    assert candidate(report, "base")["other_channels"]["scored"]["accuracy"]["value"] == 1.0
    assert report["labels"] == ["card", "cash"]
    assert result.summary["accuracy"] == 1.0
    assert (result.outputs["report"].path / ITEMS_FILE).exists()


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


def test_a_model_asked_over_a_network_is_judged_beside_the_others(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    held_out = rows_of(10)
    texts = [None, "wrong", *(row.reference_text for row in held_out[2:])]
    inputs["others"] = others(tmp_path / "others", held_out, texts)
    result, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert [c["name"] for c in report["candidates"]] == ["teacher", "base", "student", "outside_big"]
    found = candidate(report, "outside_big")
    assert found["kind"] == "outside"
    assert (found["asked"], found["failed"]) == (10, 1)
    assert found["metrics"]["accuracy"]["value"] == 0.8
    assert found["cost_per_1000"]["value"] == pytest.approx(2.0)
    assert found["source"]["models"] == [{"model": "big-2", "fingerprint": "", "rows": 9}]
    assert report["facts"]["Answers of other models"] == "ff" * 32
    assert any(c["b"] == "outside_big" for c in report["comparisons"])
    assert candidate(report, "student")["metrics"]["accuracy"]["value"] == result.summary["accuracy"] == 1.0


def test_answers_to_other_rows_end_the_evaluation_before_anything_is_loaded(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    strangers = rows_of(3, start=500)
    inputs["others"] = others(tmp_path / "others", strangers, ["card"] * 3)
    children = Children(tmp_path / "scratch")
    with pytest.raises(StepError, match="asked none of the rows"):
        evaluate(children, inputs)
    assert children.configs == []


def test_only_the_student_gets_the_adapter_and_its_view_of_the_prompt(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    children = Children(tmp_path / "scratch")
    evaluate(children, inputs, max_new_tokens=12)
    base, own = children.config_of("base"), children.config_of("student")
    assert base["adapter"] is None
    assert base["prompt_view"] is None
    assert own["adapter"] == str(inputs["student"].path)
    assert own["prompt_view"] == {"mode": "drop", "text": ""}
    assert own["mode"] == "both"
    assert own["labels"] == ["card", "cash"]
    assert own["max_new_tokens"] == 12


def test_a_killed_attempt_goes_on_and_asks_no_row_twice(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    children = Children(tmp_path / "scratch", die_after=14)
    with pytest.raises(StepError):
        evaluate(children, inputs)
    children.die_after = None
    _, report = evaluate(children, inputs)
    assert len(children.asked) == 20
    assert candidate(report, "student")["asked"] == 10
    assert candidate(report, "student")["failed"] == 0


def test_worked_examples_come_from_training_rows_only(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, inputs, candidates=["base_few_shot", "student"], examples=4)
    examples = children.config_of("base_few_shot")["examples"]
    assert len(examples) == 4
    assert all(int(e["prompt"][0]["content"].split()[1]) >= 100 for e in examples)
    assert candidate(report, "base_few_shot")["label"] == "Base model with 4 examples"
    assert children.config_of("student")["examples"] == []


def test_worked_examples_without_training_rows_say_what_to_wire(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    del inputs["train"]
    with pytest.raises(StepError, match="needs training rows") as caught:
        evaluate(Children(tmp_path / "scratch"), inputs, candidates=["base_few_shot"])
    assert "train" in caught.value.action


def test_examples_without_room_are_not_counted_in_the_candidates_name(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    children = Children(tmp_path / "scratch")
    children.examples_that_fit = 1
    _, report = evaluate(children, inputs, candidates=["base_few_shot"], examples=4)
    assert candidate(report, "base_few_shot")["label"] == "Base model with 1 example (4 asked for)"
    again = Children(tmp_path / "scratch")
    _, report = evaluate(again, inputs, candidates=["base_few_shot"], examples=4)
    assert again.configs == []
    assert candidate(report, "base_few_shot")["label"] == "Base model with 1 example (4 asked for)"


def test_a_held_out_question_is_no_example_even_when_a_sample_leaves_it_out(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["train"] = dataset(tmp_path / "leaky", rows_of(10))
    children = Children(tmp_path / "scratch")
    evaluate(children, inputs, candidates=["base_few_shot"], rows=2)
    assert children.config_of("base_few_shot")["examples"] == []


def test_every_file_of_an_export_is_a_candidate_with_its_size(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", "Q4_K_M")
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, inputs, candidates=["teacher", "student"])
    assert [c["name"] for c in report["candidates"]] == ["teacher", "student", "gguf_q8_0", "gguf_q4_k_m"]
    small = candidate(report, "gguf_q4_k_m")
    assert (small["label"], small["kind"], small["size_bytes"]) == ("GGUF Q4_K_M", "quantised", 20)
    assert small["metrics"]["accuracy"]["value"] == 1.0
    assert small["peak_bytes"] == 123 << 20
    config = children.config_of("gguf_q8_0")
    assert config["gguf"] == str(inputs["gguf"].path / "cards-1-Q8_0.gguf")
    assert config["prompt_view"] == {"mode": "drop", "text": ""}
    assert config["labels"] == ["card", "cash"]
    assert {c["b"] for c in report["comparisons"]} == {"gguf_q8_0", "gguf_q4_k_m"}
    assert report["facts"]["GGUF files"] == "dd" * 32


def test_two_files_of_one_type_keep_their_answers_apart(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", "Q8_0")
    _, report = evaluate(Children(tmp_path / "scratch"), inputs, candidates=["student"])
    assert [c["name"] for c in report["candidates"]] == ["student", "gguf_q8_0", "gguf_q8_0_2"]


def test_the_rows_that_a_file_fails_on_are_counted_and_never_dropped(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        return {"error": "Too long."} if "gguf" in config and row["id"] in ("r1", "r3") else right(config, row)

    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0")
    _, report = evaluate(Children(tmp_path / "scratch", answer), inputs)
    file = candidate(report, "gguf_q8_0")
    assert (file["asked"], file["answered"], file["failed"]) == (10, 8, 2)
    assert file["errors"] == [["Too long.", 2]]
    assert file["metrics"]["accuracy"]["value"] == 0.8
    assert file["metrics"]["accuracy"]["n"] == 10
    assert "GGUF Q8_0 failed on 2 of 10 rows; they count as wrong." in report["notes"]


def test_a_file_that_can_read_no_row_fails_alone(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        if "gguf" in config:
            raise StepError("None of the 10 rows can be answered.", code="no_rows")
        return right(config, row)

    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0")
    _, report = evaluate(Children(tmp_path / "scratch", answer), inputs)
    assert candidate(report, "gguf_q8_0")["failed"] == 10
    assert candidate(report, "student")["failed"] == 0


def test_files_of_another_student_are_refused_before_anyone_is_asked_of_them(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", made_of="ee" * 32)
    children = Children(tmp_path / "scratch")
    with pytest.raises(StepError, match="another student") as caught:
        evaluate(children, inputs)
    assert "earlier" in caught.value.action
    assert children.asked == []


def test_a_file_is_looked_for_in_the_export_alone(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    (tmp_path / "other.gguf").write_bytes(b"not of this export")
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", names={"Q8_0": "../other.gguf"})
    with pytest.raises(StepError, match="holds no GGUF file"):
        evaluate(Children(tmp_path / "scratch"), inputs)


def test_an_earlier_student_answers_with_its_own_view_and_the_verdict_stays_about_the_new_one(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        return {"text": "wrong"} if config.get("adapter") == str(tmp_path / "before") else right(config, row)

    earlier = student(tmp_path / "before", view={"mode": "keep", "text": ""})
    inputs["earlier"] = InputArtifact(sha="ee" * 32, kind="adapter", path=earlier.path, meta=earlier.meta)
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", made_of="ee" * 32)
    children = Children(tmp_path / "scratch", answer)
    result, report = evaluate(children, inputs)
    assert [c["name"] for c in report["candidates"]] == ["teacher", "base", "student", "earlier_student", "gguf_q8_0"]
    assert children.config_of("earlier_student")["prompt_view"] == {"mode": "keep", "text": ""}
    assert children.config_of("gguf_q8_0")["prompt_view"] == {"mode": "keep", "text": ""}
    assert candidate(report, "earlier_student")["metrics"]["accuracy"]["value"] == 0.0
    assert result.summary["accuracy"] == 1.0
    assert report["confusion"]["candidate"] == "student"
    against = next(c for c in report["comparisons"] if c["b"] == "earlier_student")
    assert (against["only_a"], against["only_b"]) == (10, 0)
    assert report["facts"]["Earlier student"] == "ee" * 32


def test_an_earlier_student_is_not_judged_in_the_students_place(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["earlier"] = student(tmp_path / "before")
    with pytest.raises(StepError, match="not among the candidates"):
        evaluate(Children(tmp_path / "scratch"), inputs, candidates=["teacher"])


def test_a_student_compared_with_itself_is_said(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    inputs["earlier"] = inputs["student"]
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert any("is the student itself" in note for note in report["notes"])


def test_one_row_with_a_label_nobody_was_trained_on_is_judged_for_everybody(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["rows"] = dataset(tmp_path / "one", [make_row(0, teacher="cheque", reference="cheque")])
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0")
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert [c["asked"] for c in report["candidates"]] == [1, 1, 1, 1]
    assert any("not trained on" in note for note in report["notes"])
    assert report["verdict"]["sentence"]


def test_the_base_model_can_be_given_fewer_rows(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    _, report = evaluate(Children(tmp_path / "scratch"), inputs, base_rows=3)
    assert candidate(report, "base")["asked"] == 3
    assert candidate(report, "student")["asked"] == 10


def test_a_sample_of_the_held_out_rows_is_seeded_and_said(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    asked = []
    for attempt, seed in enumerate((1, 1, 2)):
        children = Children(tmp_path / f"scratch{attempt}")
        _, report = evaluate(children, inputs, rows=4, seed=seed, candidates=["student"])
        asked.append(children.asked)
    assert asked[0] == asked[1] != asked[2]
    assert report["rows"] == 4
    assert "A seeded sample of 4 of the 10 held-out rows was used." in report["notes"]


def test_rows_that_share_an_id_are_judged_once_and_this_is_said(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["rows"] = dataset(tmp_path / "twice", [*rows_of(3), *rows_of(2)])
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert report["rows"] == 3
    assert "2 held-out rows share their id with an earlier one and were left out." in report["notes"]


def test_free_text_is_written_and_not_scored(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    texts = [make_row(i, teacher=f"Answer {i}", reference=f"Answer {i}") for i in range(4)]
    train = dataset(tmp_path / "texts", [make_row(100 + i, teacher=f"Text {i}", reference=None) for i in range(9)])
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, {**inputs, "rows": dataset(tmp_path / "free", texts), "train": train})
    assert report["task"] == "text"
    assert children.config_of("student")["mode"] == "generate"
    assert children.config_of("student")["labels"] is None


def test_the_label_set_comes_from_the_training_first(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    known = student(tmp_path / "other", labels=["Card", "cash", "cheque", "card"])
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, {**inputs, "student": known})
    assert children.config_of("student")["labels"] == ["Card", "cash", "cheque"]
    assert report["labels"] == ["Card", "cash", "cheque"]


def test_without_training_rows_the_labels_are_read_off_the_held_out_rows_and_this_is_said(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    del inputs["train"]
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert report["labels"] == ["card", "cash"]
    assert any("read off the held-out rows" in note for note in report["notes"])
    assert all(label["seen"] is None for label in report["per_label"])


@pytest.mark.parametrize(("choice", "mode"), [("off", "generate"), ("on", "both"), ("only", "labels")])
def test_label_scoring_can_be_chosen(tmp_path: Path, inputs: dict[str, InputArtifact], choice: str, mode: str) -> None:
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, inputs, labels=choice)
    assert children.config_of("student")["mode"] == mode
    assert report["task"] == "labels"
    assert candidate(report, "student")["failed"] == 0


def test_the_price_of_local_models_is_time_times_the_machines_price(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    _, report = evaluate(Children(tmp_path / "scratch"), inputs, machine_cost_per_hour=3.6)
    cost = candidate(report, "student")["cost_per_1000"]
    assert cost["value"] == pytest.approx(0.5)
    assert cost["basis"] == "2 rows a second on a machine at $3.6 an hour"
    _, unknown = evaluate(Children(tmp_path / "scratch2"), inputs)
    assert candidate(unknown, "student")["cost_per_1000"] is None
    assert candidate(unknown, "student")["rows_per_second"] == 2.0


def test_a_base_model_that_can_read_no_row_fails_alone(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        if config["adapter"] is None:
            raise StepError("None of the 10 rows can be answered.", code="no_rows")
        return right(config, row)

    _, report = evaluate(Children(tmp_path / "scratch", answer), inputs)
    assert candidate(report, "base")["failed"] == 10
    assert candidate(report, "base")["errors"] == [["None of the 10 rows can be answered.", 10]]
    assert candidate(report, "student")["metrics"]["accuracy"]["value"] == 1.0


def test_other_failures_of_a_child_stop_the_step(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        raise StepError("Not enough memory.", code="out_of_memory")

    with pytest.raises(StepError, match="Not enough memory"):
        evaluate(Children(tmp_path / "scratch", answer), inputs)


def test_a_base_model_that_has_changed_since_training_is_refused(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    children = Children(tmp_path / "scratch")
    children.revision = "beef" * 16
    with pytest.raises(StepError, match="has changed since the student was trained"):
        evaluate(children, inputs)


def test_no_held_out_rows_say_what_to_change(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    inputs["rows"] = dataset(tmp_path / "none", [])
    with pytest.raises(StepError) as caught:
        evaluate(Children(tmp_path / "scratch"), inputs)
    assert "test share" in caught.value.action


def test_a_student_without_its_training_record_is_refused(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    (inputs["student"].path / "training.json").unlink()
    with pytest.raises(StepError, match=r"training\.json"):
        evaluate(Children(tmp_path / "scratch"), inputs)


def test_the_teacher_alone_needs_no_model(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    children = Children(tmp_path / "scratch")
    _, report = evaluate(children, inputs, candidates=["teacher"])
    assert children.configs == []
    assert [c["name"] for c in report["candidates"]] == ["teacher"]


def test_params_name_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="Choose at least one candidate"):
        Evaluate.Params(candidates=[])
    with pytest.raises(ValidationError):
        Evaluate.Params(metrics=["nonsense"])


def test_the_step_writes_its_scorecard(tmp_path: Path, inputs: dict[str, InputArtifact], workspace: Workspace) -> None:
    result, _ = evaluate(Children(tmp_path / "scratch"), inputs)
    pipeline = Pipeline.objects.create(workspace=workspace, slug="p", name="P")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    run = Run.objects.create(workspace=workspace, version=version, number=1, state=State.RUNNING)
    step_run = make_step(run, "evaluate", position=0)
    artifact = store.publish(result.outputs["report"].path, kind="report", workspace=workspace)
    StepOutput.objects.create(step_run=step_run, port="report", artifact=artifact)
    Evaluate().record(step_run, result)
    assert step_run.scorecards.get().student_sha == "bb" * 32
    assert step_run.scorecards.get().scores.get(candidate="student", metric="accuracy").value == 1.0
    with pytest.raises(IntegrityError), transaction.atomic():
        record_scorecard(step_run)
    first = scorecard_of(step_run)
    Evaluate().put_aside(step_run)
    Evaluate().record(step_run, result)
    second = scorecard_of(step_run)
    assert first is not None and second is not None and first != second
    assert list(step_run.scorecards.filter(replaced_at=None)) == [second]
    assert first.scores.filter(candidate="student").exists()


class RealChildren(Children):
    """Runs the real child modules."""

    def run_child(
        self, module: str, config: Mapping[str, Any], on_event: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """A process of its own, as in a worker."""
        return run_child(
            module,
            config=config,
            folder=self.scratch,
            on_event=on_event or (lambda event: None),
            beat=lambda: None,
            on_line=lambda line: None,
        )


@pytest.mark.heavy
def test_a_tiny_student_that_was_really_trained_beats_its_really_prompted_base(
    tmp_path: Path, settings: Settings
) -> None:
    from tests.recipes import tiny

    settings.MODEL_DIRS = [tmp_path]
    model = tiny.save_model(tmp_path / "model")
    labels = {"apple": "fruit", "carrot": "vegetable", "iron": "mineral"}

    def rows(count: int, *, start: int) -> list[Row]:
        things = list(labels)
        return [
            Row(
                id=f"r{start + i}",
                prompt=[{"role": "user", "content": f"classify {things[i % 3]}"}],
                completion=assistant(labels[things[i % 3]]),
                reference=assistant(labels[things[i % 3]]),
            )
            for i in range(count)
        ]

    train = dataset(tmp_path / "train", rows(96, start=100))
    params = Train.Params(base_model=f"folder:{model}", epochs=20, learning_rate=0.01, rows_per_step=16, threads=2)
    trained = Train().run(RealChildren(tmp_path / "training"), params, {"train": train})
    adapter = trained.outputs["adapter"]
    inputs = {
        "rows": dataset(tmp_path / "held", rows(18, start=0)),
        "student": InputArtifact(sha="cc" * 32, kind="adapter", path=adapter.path, meta=adapter.meta),
        "train": train,
    }
    _, report = evaluate(
        RealChildren(tmp_path / "scratch"),  # type: ignore[arg-type]
        inputs,
        candidates=["teacher", "base", "base_few_shot", "student"],
        max_new_tokens=8,
        latency_rows=4,
        threads=2,
        machine_cost_per_hour=1.0,
    )
    own, base = candidate(report, "student"), candidate(report, "base")
    assert own["metrics"]["accuracy"]["value"] == 1.0
    assert own["other_channels"]["scored"]["accuracy"]["value"] == 1.0
    assert own["confidence"]["mean"] > 0.8
    assert base["metrics"]["accuracy"]["value"] < 0.5
    assert own["latency"]["n"] == 4
    assert own["cost_per_1000"]["value"] > 0
    assert report["facts"]["Base model"] == f"folder:{model}"


@pytest.mark.heavy
def test_real_files_and_a_real_earlier_student_answer_beside_the_student(
    tmp_path: Path, tiny_student: Path, settings: Settings
) -> None:
    from pipelines.recipes.base_models import digest_of, hash_files
    from tests.exporters.conftest import make_adapter

    settings.MODEL_DIRS = [tiny_student.parent]
    told = {
        "base_model": {"ref": f"folder:{tiny_student}", "revision": digest_of(hash_files(tiny_student)), "files": {}}
    }
    adapter = make_adapter(tiny_student, tmp_path / "adapter")
    (adapter / "training.json").write_text(json.dumps({**told, "labels": ["bird", "fish"]}))
    own = InputArtifact("bb" * 32, "adapter", adapter, {})
    made = ExportGguf().run(
        RealChildren(tmp_path / "export"),
        ExportGguf.Params(quantisations=["F16", "Q8_0"], threads=1),
        {"student": own},
    )
    inputs = {
        "rows": dataset(tmp_path / "held", rows_of(6, labels=("bird", "fish"))),
        "student": own,
        "earlier": own,
        "gguf": InputArtifact("dd" * 32, "gguf", made.outputs["gguf"].path, {}),
    }
    _, report = evaluate(
        RealChildren(tmp_path / "scratch"),  # type: ignore[arg-type]
        inputs,
        candidates=["student"],
        max_new_tokens=4,
        latency_rows=2,
        threads=1,
    )
    names = ["student", "earlier_student", "gguf_f16", "gguf_q8_0"]
    assert [c["name"] for c in report["candidates"]] == names
    student_said, earlier_said, exact, small = (candidate(report, name) for name in names)
    for one in (student_said, earlier_said, exact, small):
        assert (one["answered"], one["failed"]) == (6, 0)
        assert one["latency"]["n"] == 2
        assert one["other_channels"].keys() == {"scored"}
        assert one["confidence"]["n"] == 6
        assert one["size_bytes"] > 0 and one["peak_bytes"] > 0
    assert student_said["confidence"]["mean"] == pytest.approx(earlier_said["confidence"]["mean"])
    assert exact["confidence"]["mean"] == pytest.approx(student_said["confidence"]["mean"], abs=0.05)
    assert small["size_bytes"] < exact["size_bytes"]


def test_what_was_set_before_the_run_is_in_the_report(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    _, report = evaluate(
        Children(tmp_path / "scratch"), inputs, margin=3, cluster_by="prompt", slices=["label"], discordance=5
    )
    assert report["settings"] == {
        "margin": 0.03,
        "measure": "accuracy",
        "cluster_by": "prompt",
        "clustered_by": "",
        "slices": ["label"],
        "discordance": 0.05,
    }
    assert {f["field"] for f in report["slices"]["fields"]} == {"label"}


def test_held_out_questions_that_were_trained_on_are_said(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    inputs["train"] = dataset(tmp_path / "leaky", rows_of(40, start=8))
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert report["leakage"] == {"checked": 40, "same": 2, "normalised": 0, "examples": ["r8", "r9"]}
    assert any(note.startswith("2 of 10 held-out rows ask what a training row asks") for note in report["notes"])


def test_a_measure_that_is_no_metric_of_the_evaluation_is_refused() -> None:
    with pytest.raises(ValidationError, match="must be one of the metrics"):
        Evaluate.Params(metrics=["agreement"], measure="accuracy")


def test_before_a_run_the_rows_say_what_they_can_show() -> None:
    assert what_rows_show(400, margin=0.05, discordance=0.1, seen=False) == [
        "About 400 held-out rows can show a difference of 4.4 points (expected disagreement of 10.0 %)."
    ]
    [few] = what_rows_show(40, margin=0.02, discordance=0.1, seen=True)
    assert few == (
        "About 40 held-out rows can show no difference (seen disagreement of 10.0 %). To show a loss under 2 points it takes "
        "about 2,000."
    )


@pytest.mark.django_db
def test_the_disagreement_seen_last_in_this_workspace_is_used(workspace: Workspace, other_workspace: Workspace) -> None:
    pipeline = Pipeline.objects.create(workspace=workspace, slug="p", name="P")
    version = PipelineVersion.objects.create(pipeline=pipeline, number=1, spec={}, digest="0")
    run = Run.objects.create(workspace=workspace, version=version, number=1, state=State.SUCCEEDED)
    step = make_step(run, "evaluate", position=0)
    step.summary = {"discordance": 0.04}
    step.save()
    params = Evaluate.Params()
    [mine] = Evaluate().advise(params, rows={"rows": 1000}, workspace_id=workspace.pk)
    [theirs] = Evaluate().advise(params, rows={"rows": 1000}, workspace_id=other_workspace.pk)
    assert "(seen disagreement of 4.0 %)" in mine
    assert "(expected disagreement of 10.0 %)" in theirs
    assert Evaluate().advise(params, rows={"rows": None}, workspace_id=workspace.pk) == []


def test_merged_weights_are_asked_as_a_candidate_of_their_own_and_held_against_the_adapter(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    def odd(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        answered = right({**config, "adapter": "any"}, row)
        return {**answered, "text": "cash"} if Path(config["out"]).stem == "merged" and row["id"] == "r0" else answered

    children = Children(tmp_path / "scratch", odd)
    _, report = evaluate(children, inputs, candidates=["student", "merged"])
    asked = children.config_of("merged")
    assert asked["base_model"] == str(tmp_path / "scratch" / "merged.model")
    assert asked["adapter"] is None
    assert asked["prompt_view"] == children.config_of("student")["prompt_view"]
    assert [c["name"] for c in report["candidates"]] == ["student", "merged"]
    assert candidate(report, "merged")["size_bytes"] == 1_000
    written = next(form for form in report["forms"] if form["channel"] == "generated")
    assert (written["of"], written["rows"], written["same"], written["positions"]) == ("student", 10, 9, [0])


def test_merged_weights_without_the_adapter_to_compare_with_are_refused(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    with pytest.raises(StepError, match="compared with the student's adapter") as problem:
        evaluate(Children(tmp_path / "scratch"), inputs, candidates=["base", "merged"])
    assert "take merged off" in problem.value.action


def test_files_of_the_student_are_held_against_it_answer_by_answer(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0", "Q4_K_M")
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert {(form["candidate"], form["of"], form["differing"]) for form in report["forms"]} == {
        ("gguf_q8_0", "student", 0),
        ("gguf_q4_k_m", "student", 0),
    }


def test_energy_of_several_attempts_is_told_for_one_answer(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    children = Children(tmp_path / "scratch")
    children.energy = {"joules": 50.0, "counted": ["processor"], "why": ""}
    _, report = evaluate(children, inputs, candidates=["teacher", "student"])
    assert candidate(report, "student")["energy"] == {"joules": 5.0, "counted": ["processor"], "why": ""}
    assert candidate(report, "teacher")["energy"] is None


def test_energy_that_cannot_be_measured_says_why_and_is_no_zero(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    children = Children(tmp_path / "scratch")
    children.energy = {"joules": None, "counted": [], "why": "this machine shows no counter"}
    _, report = evaluate(children, inputs)
    assert candidate(report, "student")["energy"] == {
        "joules": None,
        "counted": [],
        "why": "this machine shows no counter",
    }


def test_attempts_that_counted_other_things_are_not_added_up() -> None:
    half = {"joules": 10.0, "counted": ["GPU"], "why": ""}
    nothing = {"joules": None, "counted": [], "why": "no counter"}
    first = add_energy(None, half, rows=5)
    assert add_energy(first, {**half, "joules": 30.0}, rows=5) == {**half, "joules": 40.0, "rows": 10}
    assert add_energy(first, nothing, rows=5) == first
    assert add_energy(first, {**half, "counted": ["GPU", "processor"]}, rows=5) == first
    assert add_energy(add_energy(None, nothing, rows=5), half, rows=3) == {**half, "rows": 3}


def test_what_was_forgotten_goes_into_the_report_and_another_students_is_refused(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    from tests.evaluation.forgetting.test_document import document

    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / DOCUMENT).write_text(json.dumps(document()))
    inputs["benchmarks"] = InputArtifact(sha="99" * 32, kind="benchmarks", path=folder, meta={})
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert report["forgotten"] == document()
    assert report["facts"]["Benchmarks"] == "99" * 32
    (folder / DOCUMENT).write_text(json.dumps(document(student="00" * 32)))
    children = Children(tmp_path / "again")
    with pytest.raises(StepError, match="put to another student"):
        evaluate(children, inputs)
    assert children.configs == []
