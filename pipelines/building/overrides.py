"""Values given when a run is started: laid over those of its frozen version, for this run alone.

::

    {"student": {"epochs": 3.0}, "data": {"version": 7}}

They are kept with the run (:attr:`pipelines.models.Run.given`) and copied with everything else into its steps, whose params
are the truth of what was used. The version stays as it is, so a run with other values makes no new one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import yaml
from pydantic import ValidationError

from pipelines.specs import spec as specs
from pipelines.specs.spec import Problem, Spec
from studio.lib.registry import close_matches
from studio.registries import STEPS

Given = Mapping[str, Mapping[str, Any]]
"""Node → parameter → value."""


def lay_over(spec: Spec, given: Given) -> Spec:
    """The spec with these values in place of its own. Raises ``SpecError`` for a node that is not there."""
    known = [node.id for node in spec.nodes]
    problems = [
        Problem(f"There is no step '{name}'.", fix=close_matches(name, known) or f"Its steps are {', '.join(known)}.")
        for name in given
        if name not in known
    ]
    if problems:
        raise specs.SpecError(problems)
    nodes = [
        replace(node, params={**node.params, **given[node.id]}) if given.get(node.id) else node for node in spec.nodes
    ]
    return replace(spec, nodes=tuple(nodes))


def differences(spec: Spec, given: Given) -> dict[str, dict[str, Any]]:
    """What of ``given`` makes a difference to what the spec says, as plain JSON values.

    Values that don't fit their step are kept as they are: ``specs.validate`` judges them.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, values in given.items():
        node = next((n for n in spec.nodes if n.id == name), None)
        if node is None or node.step not in STEPS:
            found[name] = dict(values)
            continue
        before = _plain(node.step, node.params)
        after = _plain(node.step, {**node.params, **values})
        if before is None or after is None:
            changed = dict(values)
        else:
            changed = {key: after[key] for key in values if after[key] != before[key]}
        if changed:
            found[name] = changed
    return found


def _plain(step: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        values: dict[str, Any] = STEPS[step].Params.model_validate(dict(params)).model_dump(mode="json")
    except ValidationError:
        return None
    return values


def command_options(given: Given) -> str:
    """``--set NODE.PARAM=VALUE`` for each value, quoted for a shell: what ``run_pipeline`` reads back as the same."""
    pairs = [f"{node}.{name}={_as_yaml(value)}" for node, values in given.items() for name, value in values.items()]
    return " ".join(f"--set {shlex.quote(pair)}" for pair in pairs)


def _as_yaml(value: Any) -> str:
    """A value on one line that YAML reads back as the same: bare where a bare word means itself."""
    if isinstance(value, str):
        try:
            if yaml.safe_load(value) == value:
                return value
        except yaml.YAMLError:
            pass
    return json.dumps(value, ensure_ascii=False)
