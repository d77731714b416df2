"""Who answers the held-out rows of an evaluation, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evaluation.candidates.asking import add_energy
from pipelines.steps.base import InputArtifact
from studio.lib.errors import StepError
from tests.evaluation.evaluating import Children, candidate, dataset, evaluate, export, right, rows_of, student
from tests.evaluation.evaluating import inputs as inputs


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


def test_the_base_model_can_be_given_fewer_rows(tmp_path: Path, inputs: dict[str, InputArtifact]) -> None:
    _, report = evaluate(Children(tmp_path / "scratch"), inputs, base_rows=3)
    assert candidate(report, "base")["asked"] == 3
    assert candidate(report, "student")["asked"] == 10


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


def test_a_base_model_that_has_changed_since_training_is_refused(
    tmp_path: Path, inputs: dict[str, InputArtifact]
) -> None:
    children = Children(tmp_path / "scratch")
    children.revision = "beef" * 16
    with pytest.raises(StepError, match="has changed since the student was trained"):
        evaluate(children, inputs)


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
