"""What a run took in and what it made, step by step, each with the page in the Vault that shows it; and its curves by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from pipelines.models import MetricPoint, Run
from pipelines.watching.runpages import CURVES, OutputView, StepView, output_views
from vault.models import DatasetVersion


@dataclass(frozen=True)
class Taken:
    """An input port: the output that feeds it, as far as that is there yet."""

    port: str
    source: str
    made: OutputView | None
    sha: str


@dataclass(frozen=True)
class StepData:
    """A step with its inputs and outputs; ``version`` is the dataset version it read out of the Vault, where it read one."""

    view: StepView
    taken: list[Taken]
    made: list[tuple[OutputView, str, list[DatasetVersion]]]
    version: DatasetVersion | None
    reads: str

    @property
    def lines(self) -> int:
        """Lines of the table it takes, at least one."""
        return max(1, len(self.taken) + len(self.made) + bool(self.reads))


def list_data(run: Run, views: list[StepView]) -> list[StepData]:
    """Inputs and outputs of every step, in order. Each output comes with its hash and the dataset versions it became."""
    outputs = {(v.step.node, o.port): o for v in views for o in output_views(v)}
    hashes = {(v.step.node, o.port): o.artifact.sha256 for v in views for o in v.outputs}
    named = _versions(run, set(hashes.values()))
    return [
        StepData(
            view=view,
            taken=[
                Taken(port, f"{end['node']}.{end['port']}", outputs.get(key), hashes.get(key, ""))
                for port, end in view.step.wiring.items()
                for key in [(end["node"], end["port"])]
            ],
            made=[
                (outputs[key], hashes[key], [v for v in named.get(hashes[key], []) if not _reads(view, v)])
                for output in view.outputs
                for key in [(view.step.node, output.port)]
            ],
            version=next((v for v in named.get(view.step.facts.get("artifact", ""), []) if _reads(view, v)), None),
            reads=_told(view),
        )
        for view in views
    ]


def _versions(run: Run, hashes: set[str]) -> dict[str, list[DatasetVersion]]:
    found = defaultdict(list)
    versions = DatasetVersion.objects.filter(dataset__workspace=run.workspace, artifact__sha256__in=hashes)
    for version in versions.select_related("dataset", "artifact"):
        found[version.artifact.sha256].append(version)
    return found


def _reads(view: StepView, version: DatasetVersion) -> bool:
    facts = view.step.facts
    return bool(facts.get("dataset") == version.dataset.slug and facts.get("version") == version.number)


def _told(view: StepView) -> str:
    facts = view.step.facts
    return f"{facts['dataset']}, version {facts['version']}" if "dataset" in facts and "version" in facts else ""


@dataclass(frozen=True)
class Curves:
    """Curves of one step that belong into one chart: all its losses, or one other figure."""

    step_label: str
    node: str
    title: str
    src: str
    live: str


def list_curves(run: Run, views: Iterable[StepView]) -> list[Curves]:
    """Every chart of a run: for each step its losses together, then every other curve by itself."""
    found: list[Curves] = []
    for view in views:
        step = view.step
        if not view.charts:
            continue
        points = MetricPoint.objects.filter(step_run_id=step.reused_from_id or step.pk)
        names = list(points.order_by("name").values_list("name", flat=True).distinct())
        losses = [n for n in names if n.endswith("loss")]
        groups: list[tuple[str, list[str]]] = [("Loss", losses)] if losses else []
        groups += [(CURVES.get(n, n.replace("_", " ").capitalize()), [n]) for n in names if n not in losses]
        src = reverse("run_step_metrics", args=[run.workspace.slug, run.number, step.node])
        live = "" if step.is_finished else "yes"
        found += [
            Curves(view.label, step.node, title, f"{src}?{urlencode({'names': ','.join(ns)})}", live)
            for title, ns in groups
        ]
    return found
