"""Specs written for an earlier Studio, brought to the form this one reads.

Two things change over the years. The form of a spec: ``schema`` counts it, and ``MIGRATIONS`` holds one function a step from
``n`` to ``n + 1``. And the parameters of a step: ``Step.upgrade_params`` takes those of its earlier versions. Both are applied
whenever a spec is read; what is stored stays as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from studio.registries import STEPS

SCHEMA = 1
"""The form of specs that this Studio writes, and the newest it reads. Fields added to it that may be left out do not raise it."""
Migration = Callable[[dict[str, Any]], dict[str, Any]]
MIGRATIONS: Mapping[int, Migration] = {}
"""``n`` → the function from schema ``n`` to ``n + 1``. It takes a spec of the right outer shape and returns a new one."""


def judge_schema(
    given: Any, *, newest: int = SCHEMA, migrations: Mapping[int, Migration] = MIGRATIONS
) -> tuple[str, str]:
    """``(message, fix)`` when a spec of this schema can't be read here; two blanks when it can."""
    known = sorted({newest, *(n for n in migrations if all(k in migrations for k in range(n, newest)))})
    if type(given) is int and given in known:
        return "", ""
    if type(given) is int and given > newest:
        return (
            f"This spec was made by a newer Studio: schema {given}; this one reads up to {newest}.",
            "Update the Studio, or export it again from one like this.",
        )
    if given is None:
        return "The spec does not say its schema.", f"Write 'schema: {newest}' at the top."
    names = ", ".join(map(str, known))
    return (
        f"There is no schema {str(given)[:40]!r}; this Studio reads {names}.",
        f"Write 'schema: {newest}' at the top.",
    )


def upgrade(
    document: Mapping[str, Any], *, newest: int = SCHEMA, migrations: Mapping[int, Migration] = MIGRATIONS
) -> dict[str, Any]:
    """A spec of any schema that ``judge_schema`` accepts as one of the newest, its steps' parameters brought up to date."""
    made = dict(document)
    while made["schema"] < newest:
        made = {**migrations[made["schema"]](made), "schema": made["schema"] + 1}
    if isinstance(made.get("nodes"), list):
        made["nodes"] = [_upgrade_node(node) for node in made["nodes"]]
    return made


def _upgrade_node(node: Any) -> Any:
    if not isinstance(node, Mapping) or not isinstance(node.get("params"), Mapping):
        return node
    step = STEPS.get(node["step"]) if isinstance(node.get("step"), str) else None
    return {**node, "params": dict(step.upgrade_params(node["params"]))} if step else node
