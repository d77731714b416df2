"""The steps as a canvas needs them: for the palette, the ports and the rules of what fits what. From the classes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.building.stepforms import key_params
from pipelines.specs import spec as specs
from pipelines.steps.base import Port
from studio.registries import STEPS

GROUPS = ("Data", "Teacher", "Curation", "Training", "Evaluation", "Review", "Export")
"""The palette's headings in the order of the data's path; others follow."""


def list_steps() -> list[dict[str, Any]]:
    """Every step with its label, group, help, queue and ports, in the order of the palette."""
    found = [
        {
            "step": name,
            "label": step.label,
            "group": step.group,
            "help": step.help,
            "queue": step.queue,
            "inputs": _ports(step.inputs),
            "outputs": _ports(step.outputs),
        }
        for name, step in STEPS.items()
    ]
    return sorted(found, key=lambda s: (_place(s["group"]), [*STEPS].index(s["step"])))


def _place(group: str) -> int:
    return GROUPS.index(group) if group in GROUPS else len(GROUPS)


def _ports(ports: Mapping[str, Port]) -> list[dict[str, Any]]:
    return [{"name": name, "kind": p.kind, "help": p.help, "optional": p.optional} for name, p in ports.items()]


def describe_nodes(spec: specs.Spec) -> dict[str, Any]:
    """Node id → its key parameters as ``[label, text]`` pairs, for the boxes."""
    return {
        node.id: [list(pair) for pair in key_params(STEPS[node.step], node.params)]
        for node in spec.nodes
        if node.step in STEPS
    }
