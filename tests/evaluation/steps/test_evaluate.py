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
from evaluation.forgetting.document import DOCUMENT
from evaluation.report.scorecards import record_scorecard, scorecard_of
from evaluation.rows.items import ITEMS_FILE
from evaluation.steps.evaluate import Evaluate
from pipelines.models import Pipeline, PipelineVersion, Run, StepOutput
from pipelines.running.child import run_child
from pipelines.steps.base import InputArtifact
from pipelines.steps.export_gguf import ExportGguf
from pipelines.steps.train import Train
from studio.jobs import State
from studio.lib.errors import StepError
from studio.models import Workspace
from tests.evaluation.conftest import make_row, make_step
from tests.evaluation.evaluating import Children, candidate, dataset, evaluate, export, others, rows_of, student
from tests.evaluation.evaluating import inputs as inputs
from vault import store
from vault.rows import Row, assistant


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


def test_one_row_with_a_label_nobody_was_trained_on_is_judged_for_everybody(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    inputs["rows"] = dataset(tmp_path / "one", [make_row(0, teacher="cheque", reference="cheque")])
    inputs["gguf"] = export(tmp_path / "gguf", "Q8_0")
    _, report = evaluate(Children(tmp_path / "scratch"), inputs)
    assert [c["asked"] for c in report["candidates"]] == [1, 1, 1, 1]
    assert any("not trained on" in note for note in report["notes"])
    assert report["verdict"]["sentence"]


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


def test_other_failures_of_a_child_stop_the_step(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    def answer(config: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
        raise StepError("Not enough memory.", code="out_of_memory")

    with pytest.raises(StepError, match="Not enough memory"):
        evaluate(Children(tmp_path / "scratch", answer), inputs)


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
