"""The sample project, the templates and the spec files: reproducible, valid, and with work for every curation step."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines import samples
from pipelines.building import drafts
from pipelines.models import Pipeline, Run
from pipelines.running import runs
from pipelines.samples import bank_transactions as bank
from pipelines.samples import project, templates
from pipelines.specs import spec as specs
from studio.jobs import State
from studio.lib.registry import UnknownName
from studio.models import Workspace
from vault.models import Dataset, DatasetVersion
from vault.rows import normalise, read_rows
from vault.store import path

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))
CURATION = ("transactions", "recording", "teacher", "unique", "lengths", "labels", "split")
ANSWERS = {
    "dataset": "texts",
    "known": "old",
    "new": "new",
    "held_out": "exam",
    "teacher": "recorded",
    "labels": "Yes\nNo",
    "instruction": "Say yes or no.",
}


# --- the data ------------------------------------------------------------------------------------------------------------


def test_the_committed_file_is_what_the_generator_makes() -> None:
    assert bank.read() == bank.generate()
    assert bank.DATA_FILE.stat().st_size < 500_000


def test_another_seed_makes_other_transactions() -> None:
    assert bank.generate(seed=1, rows=100) != bank.generate(seed=2, rows=100)


def test_there_are_1200_rows_and_no_category_is_rare() -> None:
    counts = Counter(item.category for item in bank.read())
    assert sum(counts.values()) == 1_200
    assert set(counts) == set(bank.LABELS)
    assert min(counts.values()) >= 70


def test_the_teacher_is_right_most_of_the_time_and_spells_freely() -> None:
    known = {normalise(label): label for label in bank.LABELS}
    answers = [(known.get(normalise(item.answer)), item) for item in bank.read()]
    inside = [(label, item) for label, item in answers if label]
    assert 0.955 <= sum(label == item.category for label, item in inside) / len(inside) <= 0.975
    assert 10 <= len(answers) - len(inside) <= 36
    assert sum(label != item.answer for label, item in inside) >= 100


def test_the_prompt_names_every_category() -> None:
    assert all(label in bank.SYSTEM_PROMPT for label in bank.LABELS)


# --- the project ---------------------------------------------------------------------------------------------------------


def curation_spec() -> dict[str, Any]:
    """The sample's spec up to its split: what needs no training."""
    document = project.load()
    nodes = [node for node in document["nodes"] if node["id"] in CURATION]
    edges = [edge for edge in document["edges"] if edge["to"].split(".")[0] in CURATION]
    return {"schema": 1, "nodes": nodes, "edges": edges}


def test_the_sample_project_is_made_once_with_datasets_that_say_they_are_synthetic(workspace: Workspace) -> None:
    run = samples.seed(workspace)
    again = samples.seed(workspace)
    assert again == run
    assert (Pipeline.objects.count(), Run.objects.count(), DatasetVersion.objects.count()) == (1, 1, 2)
    assert run.version.number == 1
    assert all("synthetic" in dataset.name for dataset in Dataset.objects.all())
    assert all("invented" in dataset.description for dataset in Dataset.objects.all())
    assert "Synthetic" in Pipeline.objects.get().description
    first = run.steps.order_by("position").first()
    assert first is not None
    assert first.ready


def test_the_datasets_of_the_spec_are_those_that_are_made(workspace: Workspace) -> None:
    samples.seed(workspace)
    wanted = {node["params"]["dataset"] for node in project.load()["nodes"] if node["step"] == "dataset"}
    assert wanted == set(Dataset.objects.values_list("slug", flat=True))


def test_every_curation_step_has_work_and_all_but_a_few_rows_arrive(workspace: Workspace) -> None:
    samples.seed(workspace)
    pipeline = drafts.create(workspace, name="Curation", spec=curation_spec(), user=None)
    run = runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None), pause=0.01)
    steps = {step.node: step for step in run.steps.all()}
    assert run.state == State.SUCCEEDED, [step.error for step in steps.values()]
    assert steps["unique"].summary["dropped"] == {"exact copies": bank.REPEATED}
    assert steps["lengths"].summary["dropped"] == {"with too long a prompt": bank.OVERLONG}
    assert 10 <= steps["labels"].summary["dropped"]["outside the labels"] <= 36
    assert steps["labels"].summary["respelt"] >= 100
    counts = {part: steps["split"].summary[part] for part in ("train", "validation", "test")}
    assert sum(counts.values()) >= 1_140
    assert counts["train"] >= 900
    test = steps["split"].outputs.get(port="test")
    rows = list(read_rows(path(test.artifact)))
    assert len(rows) == counts["test"]
    assert all(row.completion_text in bank.LABELS and row.reference_text in bank.LABELS for row in rows)
    assert all(row.meta["cost_usd"] > 0 and row.meta["model"] == bank.TEACHER for row in rows)


def test_the_sample_spec_is_valid_and_lists_the_generators_categories() -> None:
    spec = specs.parse(project.load())
    assert specs.validate(spec) == []
    assert spec.node("labels").params["labels"] == bank.LABELS


# --- templates and spec files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", list(templates.list_templates()), ids=lambda template: template.name)
def test_every_template_is_valid_once_its_questions_are_answered(template: templates.Template) -> None:
    spec = templates.instantiate(template.name, ANSWERS)
    assert specs.validate(specs.parse(spec)) == []
    assert template.step_labels[0] == "Dataset"
    assert template.description
    assert all(question.label for question in template.questions)


@pytest.mark.parametrize("template", list(templates.list_templates()), ids=lambda template: template.name)
def test_every_question_fills_a_parameter_that_exists(template: templates.Template) -> None:
    nodes = {node["id"]: node["step"] for node in templates.load(template.name)["nodes"]}
    for question in template.questions:
        assert question.param in templates.STEPS[nodes[question.node]].Params.model_fields


def test_answers_arrive_where_they_belong_as_what_they_are() -> None:
    spec = specs.parse(templates.instantiate("classification", ANSWERS))
    assert spec.node("data").params["dataset"] == "texts"
    assert spec.node("labels").params["labels"] == ["Yes", "No"]
    assert spec.node("teacher").params["system_prompt"] == "Say yes or no."


def test_unanswered_questions_show_as_problems_of_their_steps() -> None:
    problems = specs.validate(specs.parse(templates.instantiate("classification", {})))
    assert {(p.node, p.field) for p in problems} == {("data", "dataset"), ("teacher", "")}


def test_two_pipelines_from_one_template_share_nothing() -> None:
    first = templates.instantiate("classification", ANSWERS)
    assert "dataset" not in {
        k for n in templates.instantiate("classification", {})["nodes"] for k, v in n["params"].items() if v
    }
    assert first["nodes"][0]["params"]["dataset"] == "texts"


def test_an_unknown_template_is_told_with_its_neighbours() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'classification'"):
        templates.get("clasification")


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.stem)
def test_every_spec_file_is_valid_and_its_imports_fit_their_reader(file: Path) -> None:
    from studio.registries import READERS

    document = specs.load_text(file.read_text(encoding="utf-8"))
    spec = specs.parse(document)
    assert specs.validate(spec) == []
    used = {node.params["dataset"] for node in spec.nodes if node.step == "dataset"}
    assert used == set(document["imports"])
    for mapping in document["imports"].values():
        READERS[mapping["reader"]].Params(**mapping["params"])


def test_the_two_banking77_specs_differ_only_in_the_students_prompt() -> None:
    pruned, full = (
        specs.load_text((SPECS[0].parent / f"{name}.yaml").read_text())
        for name in ("banking77", "banking77_full_prompt")
    )
    assert pruned["imports"] == full["imports"]
    differing = [a["id"] for a, b in zip(pruned["nodes"], full["nodes"], strict=True) if a != b]
    assert differing == ["student"]
    assert all(
        label in pruned["imports"]["banking77-train"]["params"]["system_prompt"]
        for label in ("card_arrival", "atm_support")
    )
