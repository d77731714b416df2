"""Several runs beside each other: which settings, data and code differ, what each took, and their curves over one axis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from pipelines.models import MetricPoint, Run, StepRun
from pipelines.watching.runpages import MAX_POINTS, shown, step_views, total_cost
from studio.lib.params import describe
from studio.registries import STEPS
from vault.models import DatasetVersion

MOST_RUNS = 8
SERIES = 400
"""Points of each curve; more would be more than a screen is wide."""


@dataclass(frozen=True)
class Cell:
    """One run's value. ``text`` None: nothing of the kind; ``missing``: not even the step. ``href``: where it can be looked at."""

    text: str | None
    href: str = ""
    note: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Row:
    """One thing in which runs may differ: a cell for each run."""

    node: str
    label: str
    name: str
    cells: tuple[Cell, ...]
    unit: str = ""

    @property
    def differs(self) -> bool:
        """Whether the runs that have the step are not all alike in it."""
        return len({(c.text, c.note) for c in self.cells if not c.missing}) > 1


@dataclass(frozen=True)
class Column:
    """A run with what it took. ``worked``: seconds of its steps' last attempts, without what was reused."""

    run: Run
    colour: str
    cost: float | None
    worked: float | None
    reused: int
    steps: int


@dataclass(frozen=True)
class SideBySide:
    """The runs and what differs. ``spec`` has only settings that differ; ``data`` has every dataset that was read."""

    columns: list[Column]
    spec: list[Row] = field(default_factory=list)
    data: list[Row] = field(default_factory=list)
    code: list[Row] = field(default_factory=list)
    same_settings: int = 0


def compare(runs: Sequence[Run]) -> SideBySide:
    """The runs in the order given, with everything in which they differ."""
    columns, steps = [], []
    for position, run in enumerate(runs):
        views = step_views(run)
        worked = [v.seconds for v in views if v.seconds is not None and v.status != "cached"]
        columns.append(
            Column(
                run=run,
                colour=f"c{position + 1}",
                cost=total_cost(views),
                worked=sum(worked) if worked else None,
                reused=sum(v.status == "cached" for v in views),
                steps=len(views),
            )
        )
        steps.append({v.step.node: v.step for v in views})
    nodes = list(dict.fromkeys(node for of_run in steps for node in of_run))
    of_node = {node: [s.get(node) for s in steps] for node in nodes}
    shape = [row for node in nodes for row in _shape(node, of_node[node])]
    settings = [row for node in nodes for row in _settings(node, of_node[node])]
    spec = [row for row in (*shape, *settings) if row.differs]
    return SideBySide(
        columns=columns,
        spec=sorted(spec, key=lambda row: nodes.index(row.node)),
        data=[row for node in nodes for row in _data(node, of_node[node])],
        code=[row for node in nodes if (row := _code(node, of_node[node])).differs],
        same_settings=sum(not row.differs for row in settings),
    )


Steps = Sequence[StepRun | None]


def label_of(steps: Iterable[StepRun | None]) -> str:
    """The name of a node's step, as the first run that has it knows it."""
    known = [s for s in steps if s is not None]
    return STEPS[known[0].step].label if known and known[0].step in STEPS else known[0].step if known else ""


def _shape(node: str, steps: Steps) -> list[Row]:
    """Which step it is, and what feeds it."""
    label = label_of(steps)
    rows = [Row(node, label, "Step", tuple(Cell(s.step if s else None) for s in steps))]
    ports = dict.fromkeys(port for s in steps if s for port in s.wiring)
    if all(s is not None for s in steps):
        rows += [Row(node, label, f"Feeds {port}", tuple(_wire(s, port) for s in steps)) for port in ports]
    return rows


def _wire(step: StepRun | None, port: str) -> Cell:
    end = step.wiring.get(port) if step else None
    return Cell(f"{end['node']}.{end['port']}" if end else None)


def _settings(node: str, steps: Steps) -> list[Row]:
    """Every parameter of a node that at least two runs have. One that a run's step does not know is empty there."""
    present = [s for s in steps if s is not None]
    if len(present) < 2:
        return []
    label = label_of(steps)
    fields = {f.name: f for f in describe(STEPS[present[0].step].Params)} if present[0].step in STEPS else {}
    used = [{**s.params, **s.answers} if s else None for s in steps]
    there = {name for values in used if values for name in values}
    # In the form's order: PostgreSQL does not keep that of stored JSON.
    names = [name for name in fields if name in there] + sorted(there - fields.keys())
    return [
        Row(
            node,
            label,
            fields[name].label if name in fields else name,
            tuple(Cell(None, missing=True) if v is None else Cell(shown(v[name]) if name in v else None) for v in used),
            unit=fields[name].unit if name in fields else "",
        )
        for name in names
    ]


def _data(node: str, steps: Steps) -> list[Row]:
    """The dataset versions a node read, with hashes; and other facts it looked up that differ."""
    label = label_of(steps)
    facts = [dict(s.facts) if s else {} for s in steps]
    rows = []
    if any("dataset" in f and "version" in f for f in facts):
        links = _version_links(steps)
        cells = tuple(
            Cell(
                f"{f['dataset']} v{f['version']}", links.get(str(f.get("artifact", "")), ""), str(f.get("artifact", ""))
            )
            if "dataset" in f and "version" in f
            else Cell(None)
            for f in facts
        )
        rows.append(Row(node, label, "rows read", cells))
    known = {"dataset", "version", "artifact", "rows"}
    names = sorted({name for f in facts for name in f} - known)
    more = [Row(node, label, name.replace("_", " "), tuple(_fact(f, name) for f in facts)) for name in names]
    return rows + [row for row in more if row.differs]


def _fact(facts: Mapping[str, Any], name: str) -> Cell:
    if name not in facts:
        return Cell(None)
    text = shown(facts[name]) if not isinstance(facts[name], dict) else ", ".join(map(str, facts[name].values()))
    return Cell(text if len(text) <= 40 else f"{text[:12]}…{text[-8:]}")


def _version_links(steps: Steps) -> dict[str, str]:
    workspace = next(s.run.workspace for s in steps if s)
    hashes = {str(s.facts.get("artifact", "")) for s in steps if s} - {""}
    versions = DatasetVersion.objects.filter(dataset__workspace=workspace, artifact__sha256__in=hashes)
    wanted = {(s.facts.get("dataset"), s.facts.get("version")) for s in steps if s}
    return {
        v.artifact.sha256: reverse("dataset_version", args=[workspace.slug, v.dataset.slug, v.number])
        for v in versions.select_related("dataset", "artifact")
        if (v.dataset.slug, v.number) in wanted
    }


def _code(node: str, steps: Steps) -> Row:
    present = {s.step for s in steps if s}
    cells = tuple(Cell(f"version {s.version}") for s in steps if s)
    # Another step, or none, is a difference of the spec.
    alike = len(present) == 1 and len(cells) == len(steps)
    return Row(node, label_of(steps), "step", cells if alike else ())


def curves(runs: Sequence[Run], *, name: str = "loss") -> dict[str, Any]:
    """One named curve of each run over one axis, as a metric chart takes it; runs without it have none."""
    found: list[tuple[int, Run, dict[int, float]]] = []
    live = False
    for position, run in enumerate(runs):
        live = live or not run.is_finished
        step = _with_curve(run, name)
        if step is not None:
            points = MetricPoint.objects.filter(step_run_id=step, name=name).order_by("at").values_list("at", "value")
            found.append((position, run, dict(_thinned(list(points)))))
    x = sorted({at for _, _, curve in found for at in curve})
    series = [
        {
            "name": f"Run {run.number}",
            "role": f"c{position + 1}",
            "values": [curve.get(at) for at in x],
            "smooth": False,
            "dash": position >= 4,
        }
        for position, run, curve in found
    ]
    return {"x": x, "series": series, "live": live}


def _with_curve(run: Run, name: str) -> Any:
    steps = list(run.steps.order_by("position").values_list("pk", "reused_from_id"))
    ids = [reused or pk for pk, reused in steps]
    there = set(
        StepRun.objects.filter(pk__in=ids, metric_points__name=name).order_by().values_list("pk", flat=True).distinct()
    )
    return next((pk for pk in ids if pk in there), None)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Means of equal stretches where there are too many points, so that a noisy curve keeps its level."""
    most = min(SERIES, MAX_POINTS)
    if len(points) <= most:
        return points
    stride = -(-len(points) // most)
    pieces = [points[i : i + stride] for i in range(0, len(points), stride)]
    return [(piece[-1][0], sum(v for _, v in piece) / len(piece)) for piece in pieces]
