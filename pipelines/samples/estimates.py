"""How long a template takes on its sample data, and what it costs: worked out by the planner from what such steps took here before;
until they have run here, what was measured elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pipelines.building import planning
from pipelines.samples import templates
from pipelines.samples.templates import Template
from pipelines.specs import spec as specs
from studio.models import Workspace
from studio.templatetags.ui import duration


@dataclass(frozen=True)
class Estimate:
    """``seconds`` and ``cost_usd``: None where nothing like it ran yet. ``elsewhere``: the seconds were measured on another
    machine, for not all such steps have run here."""

    seconds: float
    cost_usd: float | None
    elsewhere: bool = False

    @property
    def words(self) -> str:
        """For the card of the template."""
        cost = f", ${self.cost_usd:.2f}" if self.cost_usd else ", no calls to pay"
        where = " on two cores" if self.elsewhere else ""
        return f"about {duration(_rough(self.seconds))}{where}{cost}"


def _rough(seconds: float) -> float:
    """As exact as an estimate can be: to ten seconds, beyond two minutes to half a minute, beyond ten to a minute."""
    unit = 10 if seconds < 120 else 30 if seconds < 600 else 60
    return max(unit, unit * round(seconds / unit))


def list_estimated(workspace: Workspace) -> list[tuple[Template, Estimate]]:
    """Every template with its estimate, in the order of the gallery."""
    histories: planning.Histories = {}
    return [(template, estimate(template, workspace, histories)) for template in templates.list_templates()]


def estimate(template: Template, workspace: Workspace, histories: planning.Histories) -> Estimate:
    """What a run of this template's sample would take in this workspace. Nothing is written."""
    sources = count_rows(template.name)
    spec = specs.parse(templates.instantiate_sample(template.name, dict.fromkeys(sources, "sample")))
    plans = planning.plan(spec, workspace_id=workspace.pk, sources=sources, histories=histories)
    totals = planning.totals(plans)
    if totals["seconds"] is None:
        return Estimate(60.0 * template.sample.minutes, totals["cost_usd"], elsewhere=True)
    return Estimate(totals["seconds"], totals["cost_usd"])


@cache
def count_rows(name: str) -> dict[str, int]:
    """Node → how many sample rows it reads. They are made by a generator, the same ones every time."""
    return {data.node: len(data.rows()) for data in templates.get(name).sample.data}
