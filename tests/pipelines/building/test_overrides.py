"""Values given at a run's start: laid over its version for that run alone, judged like any others, told as a command."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from evaluation.management.commands.run_pipeline import as_given, named_value
from pipelines.building import drafts, overrides
from pipelines.models import Pipeline, PipelineVersion, Run
from pipelines.running import runs
from pipelines.specs import spec as specs
from pipelines.specs.diff import compare
from pipelines.specs.schema import json_schema
from pipelines.watching import comparing
from studio.models import AuditEvent, Workspace
from tests.pipelines.toys import chain


@pytest.fixture
def pipeline(toy_steps: list[str], workspace: Workspace) -> Pipeline:
    return drafts.create(workspace, name="Toy", spec=chain(text="hi"), user=None)


def begin(pipeline: Pipeline, given: dict[str, dict[str, Any]]) -> Run:
    version = runs.freeze(pipeline, user=None, given=given)
    return runs.start_run(version, user=None, given=given)


def asking(*names: str, **params: Any) -> dict[str, Any]:
    spec = chain(**params)
    spec["nodes"][1]["ask"] = list(names)
    return spec


def test_the_values_are_used_and_the_version_stays_as_it_is(pipeline: Pipeline) -> None:
    run = begin(pipeline, {"say": {"text": "no"}, "make": {"count": 5}})
    assert run.steps.get(node="say").params["text"] == "no"
    assert run.steps.get(node="make").params["count"] == 5
    assert run.given == {"say": {"text": "no"}, "make": {"count": 5}}
    assert run.version.spec["nodes"][1]["params"] == {"text": "hi"}
    pipeline.refresh_from_db()
    assert pipeline.draft == specs.parse(chain(text="hi")).as_dict()


def test_runs_with_other_values_share_one_version(pipeline: Pipeline) -> None:
    for text in ("a", "b", "c"):
        begin(pipeline, {"say": {"text": text}})
    assert PipelineVersion.objects.count() == 1


def test_a_value_equal_to_the_pipelines_is_no_difference(pipeline: Pipeline) -> None:
    assert begin(pipeline, {"say": {"text": "hi", "cap": 1}, "make": {"count": "3"}}).given == {}


def test_what_was_given_decides_what_is_reused(pipeline: Pipeline, toy_steps: list[str]) -> None:
    runs.run_to_end(begin(pipeline, {"say": {"text": "a"}}))
    again = runs.run_to_end(begin(pipeline, {"say": {"text": "a"}}))
    other = runs.run_to_end(begin(pipeline, {"say": {"text": "b"}}))
    assert again.steps.get(node="say").reused_from is not None
    assert other.steps.get(node="say").reused_from is None
    assert toy_steps == ["source", "answer", "answer"]


def test_a_bad_value_starts_nothing_and_names_its_field(pipeline: Pipeline) -> None:
    for given, place in (
        ({"make": {"count": 0}}, ("make", "count")),
        ({"make": {"colour": "red"}}, ("make", "colour")),
    ):
        with pytest.raises(specs.SpecError) as caught:
            begin(pipeline, given)
        assert [(p.node, p.field) for p in caught.value.problems] == [place]
    with pytest.raises(specs.SpecError, match="There is no step 'sya'"):
        begin(pipeline, {"sya": {"text": "x"}})
    assert not Run.objects.exists()


def test_a_value_may_mend_what_the_draft_lacks(pipeline: Pipeline) -> None:
    pipeline.draft = chain(cap="none yet")
    with pytest.raises(specs.SpecError):
        begin(pipeline, {})
    assert begin(pipeline, {"say": {"cap": 2}}).steps.get(node="say").params["cap"] == 2.0


def test_a_run_with_the_same_values_is_found_while_it_goes_on(pipeline: Pipeline) -> None:
    run = begin(pipeline, {"say": {"text": "a"}})
    assert runs.find_live(run.version, given={"say": {"text": "a"}}) == run
    assert runs.find_live(run.version, given={"say": {"text": "b"}}) is None
    assert runs.find_live(run.version) is None


def test_the_audit_trail_and_the_comparison_know_the_values(pipeline: Pipeline) -> None:
    first, second = begin(pipeline, {}), begin(pipeline, {"say": {"text": "a"}})
    event = AuditEvent.objects.get(verb="started", subject__startswith=f"run {second.number} ")
    assert event.details == {"given": {"say": {"text": "a"}}}
    (change,) = comparing.compare(first, second).spec
    assert [(p.before, p.after) for p in change.params] == [("hi", "a")]
    assert comparing.compare(second, begin(pipeline, {"say": {"text": "a"}})).nothing


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "two words",
        "it's",
        "yes",
        "3",
        "null",
        "",
        "a: b",
        "# no",
        "line\nline",
        "ä",
        3,
        2.5,
        True,
        None,
        ["a"],
    ],
)
def test_the_command_line_says_the_same(value: Any) -> None:
    words = shlex.split(overrides.command_options({"say": {"text": value}}))
    assert words[0] == "--set" and len(words) == 2
    assert named_value(words[1]) == ("say", "text", value)


def test_the_command_reads_it_back(toy_steps: list[str]) -> None:
    spec = specs.parse(chain(text="hi"))
    assert as_given(spec, [("say", "text", "a"), ("make", "count", 3)]) == {"say": {"text": "a"}}


# --- what is asked ---------------------------------------------------------------------------------------------------


def test_what_is_asked_is_part_of_the_spec_and_of_its_file(toy_steps: list[str]) -> None:
    spec = specs.parse(asking("text", "text", "cap"))
    assert spec.node("say").ask == ("text", "cap")
    assert specs.parse(specs.load_text(specs.dump_yaml(spec.as_dict()))) == spec
    assert "ask" not in specs.parse(chain()).as_dict()["nodes"][0]
    assert specs.validate(spec) == []


def test_an_unknown_name_is_a_problem_with_a_near_one(toy_steps: list[str]) -> None:
    (problem,) = specs.validate(specs.parse(asking("txt")))
    assert (problem.node, problem.field) == ("say", "ask")
    assert "'txt'" in problem.message and "text" in problem.fix
    with pytest.raises(specs.SpecError, match="must be a list of parameter names"):
        specs.parse({**chain(), "nodes": [{"id": "a", "step": "source", "ask": "count"}]})


def test_asking_changes_the_version_and_no_fingerprint(pipeline: Pipeline, toy_steps: list[str]) -> None:
    runs.run_to_end(begin(pipeline, {}))
    pipeline.draft = specs.parse(asking("text", text="hi")).as_dict()
    run = runs.run_to_end(begin(pipeline, {}))
    assert run.version.number == 2
    assert all(step.reused_from_id for step in run.steps.all())
    before, after = specs.parse(chain(text="hi")), specs.parse(pipeline.draft)
    assert [(c.kind, c.asks) for c in compare(before, after)] == [("same", None), ("changed", "Text")]


def test_the_json_schema_knows_what_may_be_asked() -> None:
    schema = json_schema()
    choice = next(c for c in schema["$defs"]["node"]["allOf"] if c["if"]["properties"]["step"]["const"] == "dataset")
    assert "version" in choice["then"]["properties"]["ask"]["items"]["enum"]
    assert schema["$defs"]["node"]["properties"]["ask"]["type"] == "array"
