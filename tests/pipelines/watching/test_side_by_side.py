"""What several runs differ in: settings, steps, wires, data, code; and their curves over one axis."""

from __future__ import annotations

from typing import Any

import pytest

from pipelines.building import drafts
from pipelines.models import MetricPoint, Run
from pipelines.running import runs
from pipelines.specs import spec as specs
from pipelines.watching import side_by_side
from studio.models import Workspace
from tests.pipelines.toys import chain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("toy_steps")]


def run(workspace: Workspace, spec: dict[str, Any], *, slug: str = "toy", end: bool = True) -> Run:
    pipeline = drafts.save_by_slug(workspace, slug=slug, name=slug, spec=specs.parse(spec))
    made = runs.start_run(runs.freeze(pipeline, user=None), user=None)
    if end:
        made = runs.run_to_end(made)
    return Run.objects.select_related("version__pipeline", "workspace", "created_by").get(pk=made.pk)


def texts(row: side_by_side.Row) -> list[str | None]:
    return [cell.text for cell in row.cells]


def test_only_settings_that_differ_are_listed_with_defaults_filled_in(workspace: Workspace) -> None:
    found = side_by_side.compare(
        [run(workspace, chain(text="a")), run(workspace, chain(cap=2.5)), run(workspace, chain())]
    )
    assert [(r.node, r.name, texts(r)) for r in found.spec] == [
        ("say", "Text", ["a", "yes", "yes"]),
        ("say", "Cap", ["1", "2.5", "1"]),
    ]
    assert found.same_settings == 3


def test_a_step_that_a_run_does_not_have_is_a_difference_and_no_trouble(workspace: Workspace) -> None:
    short: dict[str, Any] = {"schema": 1, "nodes": [{"id": "make", "step": "source", "params": {}}], "edges": []}
    found = side_by_side.compare([run(workspace, short, slug="other", end=False), run(workspace, chain(fault="user"))])
    assert [(r.node, r.name, texts(r)) for r in found.spec] == [("say", "Step", [None, "answer"])]
    assert [c.run.state for c in found.columns] == ["pending", "failed"]
    assert [c.colour for c in found.columns] == ["c1", "c2"]
    assert found.code == []


def test_the_settings_of_a_step_that_one_run_lacks_are_compared_among_the_others(workspace: Workspace) -> None:
    short: dict[str, Any] = {"schema": 1, "nodes": [{"id": "make", "step": "source", "params": {}}], "edges": []}
    made = [run(workspace, short, slug="other", end=False)]
    made += [run(workspace, chain(text=text, cap=2.0), end=False) for text in ("a", "b")]
    found = side_by_side.compare(made)
    assert [(r.name, texts(r)) for r in found.spec] == [
        ("Step", [None, "answer", "answer"]),
        ("Text", [None, "a", "b"]),
    ]


def test_another_wire_is_a_difference(workspace: Workspace) -> None:
    two = chain()
    two["nodes"].insert(0, {"id": "more", "step": "source", "params": {}})
    other = {**two, "edges": [{"from": "more.rows", "to": "say.rows"}]}
    found = side_by_side.compare([run(workspace, two, end=False), run(workspace, other, end=False)])
    assert [(r.name, texts(r)) for r in found.spec] == [("Feeds rows", ["make.rows", "more.rows"])]


def test_data_and_code_stand_with_version_and_hash(workspace: Workspace) -> None:
    first, second = run(workspace, chain()), run(workspace, chain())
    for made, version in ((first, 1), (second, 2)):
        facts = {
            "dataset": "cards",
            "version": version,
            "rows": 10,
            "artifact": str(version) * 64,
            "revision": f"r{version}",
        }
        made.steps.filter(node="make").update(facts=facts)
    first.steps.filter(node="say").update(version=0)
    found = side_by_side.compare([first, second])
    read, revision = found.data
    assert texts(read) == ["cards v1", "cards v2"] and [c.note[:3] for c in read.cells] == ["111", "222"]
    assert read.differs and texts(revision) == ["r1", "r2"]
    assert [texts(row) for row in found.code] == [["version 0", "version 1"]]


def test_what_was_reused_counts_neither_as_work_nor_as_cost(workspace: Workspace) -> None:
    first, second = run(workspace, chain()), run(workspace, chain())
    for made in (first, second):
        made.steps.filter(node="say").update(summary={"cost_usd": 0.5})
    columns = side_by_side.compare([first, second]).columns
    assert [c.cost for c in columns] == [0.5, None]
    assert [c.reused for c in columns] == [0, 2] and columns[1].worked is None


def test_curves_of_all_runs_share_one_axis(workspace: Workspace) -> None:
    first, second, third = (run(workspace, chain(text=t)) for t in "abc")
    for made, points in ((first, {1: 3.0, 2: 2.0}), (third, {2: 2.5, 4: 1.0})):
        step = made.steps.get(node="say")
        MetricPoint.objects.bulk_create(
            MetricPoint(step_run=step, name="loss", at=a, value=v) for a, v in points.items()
        )
    drawn = side_by_side.curves([first, second, third])
    assert drawn["x"] == [1, 2, 4] and drawn["live"] is False
    assert [(s["name"], s["role"], s["values"]) for s in drawn["series"]] == [
        ("Run 1", "c1", [3.0, 2.0, None]),
        ("Run 3", "c3", [None, 2.5, 1.0]),
    ]


def test_a_long_curve_is_thinned_to_means(workspace: Workspace) -> None:
    made = run(workspace, chain())
    step = made.steps.get(node="say")
    MetricPoint.objects.bulk_create(MetricPoint(step_run=step, name="loss", at=i, value=i % 2) for i in range(5_000))
    (series,) = side_by_side.curves([made])["series"]
    assert len(series["values"]) <= side_by_side.SERIES
    assert all(0.4 < value < 0.6 for value in series["values"])
