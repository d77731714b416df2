"""What a run would do is told before it starts: what is reused, why not, rows."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.building import drafts, planning
from pipelines.running import runs
from pipelines.specs import spec as specs
from studio.models import Workspace
from tests.pipelines.toys import TABLE, Answer, chain

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    from studio.registries import STEPS

    monkeypatch.setattr(STEPS, "table", {**STEPS.table, **TABLE})


def run(workspace: Workspace, spec: dict[str, Any]) -> None:
    pipeline = drafts.save_by_slug(workspace, slug="toy", name="Toy", spec=specs.parse(spec))
    runs.run_to_end(runs.start_run(runs.freeze(pipeline, user=None), user=None))


def plan(workspace: Workspace, spec: dict[str, Any]) -> dict[str, planning.NodePlan]:
    return planning.plan(specs.parse(spec), workspace_id=workspace.pk)


def test_before_the_first_run_everything_is_to_be_done(workspace: Workspace) -> None:
    found = plan(workspace, chain(text="a"))
    assert [p.verdict for p in found.values()] == ["run", "run"]
    assert found["make"].why == "It has not run before." and found["say"].why == "make comes out new."
    assert planning.totals(found)["running"] == 2


def test_what_has_not_changed_is_reused_and_what_has_is_named(workspace: Workspace) -> None:
    run(workspace, chain(text="a"))
    found = plan(workspace, chain(text="a"))
    assert [p.verdict for p in found.values()] == ["reuse", "reuse"]
    assert found["say"].reused_run == 1 and planning.totals(found) == {
        "reused": 2, "running": 0, "cost_usd": None, "seconds": None, "unknown_seconds": 0, "memory_bytes": None,
    }  # fmt: skip
    found = plan(workspace, chain(text="b"))
    assert [p.verdict for p in found.values()] == ["reuse", "run"]
    assert found["say"].why.startswith("Changed since run 1:")


def test_another_workspace_reuses_nothing(workspace: Workspace, other_workspace: Workspace) -> None:
    run(workspace, chain(text="a"))
    assert {p.verdict for p in plan(other_workspace, chain(text="a")).values()} == {"run"}


def test_a_step_that_cannot_be_judged_is_unknown_and_a_circle_has_no_plan(workspace: Workspace) -> None:
    assert plan(workspace, chain(colour="red"))["say"].verdict == "unknown"
    circle = {
        "schema": 1,
        "nodes": [{"id": "a", "step": "answer"}, {"id": "b", "step": "answer"}],
        "edges": [{"from": "a.rows", "to": "b.rows"}, {"from": "b.rows", "to": "a.rows"}],
    }
    assert plan(workspace, circle) == {}


def test_what_a_step_has_to_say_before_a_run_counts_the_rows_of_the_split(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advise(self: Answer, params: Any, *, rows: dict[str, int | None], workspace_id: Any) -> list[str]:
        return [f"{rows['rows']} rows will come."]

    monkeypatch.setattr(Answer, "advise", advise)
    known = {
        "schema": 1,
        "nodes": [{"id": "make", "step": "source", "params": {"count": 10}}, {"id": "say", "step": "answer"}],
        "edges": [{"from": "make.rows", "to": "say.rows"}],
    }
    run(workspace, known)
    split = {"id": "split", "step": "split", "params": {"test": 0.4, "validation": 0.0}}
    more = [{"from": "say.rows", "to": "split.rows"}, {"from": "split.test", "to": "look.rows"}]
    found = plan(
        workspace,
        {
            "schema": 1,
            "nodes": [*known["nodes"], split, {"id": "look", "step": "answer"}],
            "edges": [*known["edges"], *more],
        },
    )
    assert found["look"].advice == ["4 rows will come."]
    assert found["look"].as_json()["advice"] == ["4 rows will come."]
    assert found["split"].advice == []
