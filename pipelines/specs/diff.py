"""What differs between two specs: steps added, removed, changed in their settings, and wires; for people to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pipelines.specs.spec import Spec
from studio.lib.params import describe
from studio.registries import STEPS

SHORT = 60
"""Characters of both values together up to which they are shown whole."""


@dataclass(frozen=True)
class ParamChange:
    """One setting. ``before`` and ``after`` as text; None for one that was not given there (the default applies)."""

    name: str
    label: str
    before: str | None
    after: str | None
    default: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the two are worth comparing word by word."""
        return len(self.before or "") + len(self.after or "") > SHORT


@dataclass(frozen=True)
class NodeChange:
    """One step. ``kind``: "added", "removed", "changed" or "same". ``replaced``: the step it was before, when another."""

    id: str
    kind: str
    step: str
    label: str
    params: tuple[ParamChange, ...] = ()
    wires_added: tuple[str, ...] = ()
    wires_removed: tuple[str, ...] = ()
    replaced: str = ""
    asks: str | None = None
    """What is asked at start now, where that changed; "nothing" for nothing."""


def compare(before: Spec, after: Spec) -> list[NodeChange]:
    """Every step of either spec: those of ``after`` in their order, then those that are gone."""
    old, new = {n.id: n for n in before.nodes}, {n.id: n for n in after.nodes}
    wires = (_wires(before), _wires(after))
    found = [_change(name, old.get(name), node, wires) for name, node in new.items()]
    return found + [_change(name, node, None, wires) for name, node in old.items() if name not in new]


def count(changes: list[NodeChange]) -> dict[str, int]:
    """How many steps were added, removed and changed."""
    return {kind: sum(c.kind == kind for c in changes) for kind in ("added", "removed", "changed")}


def _wires(spec: Spec) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {node.id: set() for node in spec.nodes}
    for edge in spec.edges:
        found.setdefault(edge.target, set()).add(f"{edge.source}.{edge.source_port} → {edge.target_port}")
    return found


def _change(name: str, old: Any, new: Any, wires: tuple[dict[str, set[str]], dict[str, set[str]]]) -> NodeChange:
    node = new or old
    label = STEPS[node.step].label if node.step in STEPS else node.step
    removed = tuple(sorted(wires[0].get(name, set()) - wires[1].get(name, set())))
    added = tuple(sorted(wires[1].get(name, set()) - wires[0].get(name, set())))
    if old is None or new is None:
        kind = "added" if old is None else "removed"
        return NodeChange(name, kind, node.step, label, tuple(_params(node.step, old, new)), added, removed)
    replaced = old.step if old.step != new.step else ""
    params = (*_params(node.step, old, new), *_note(old, new))
    asks = (", ".join(_labels(node.step, new.ask)) or "nothing") if old.ask != new.ask else None
    kind = "changed" if params or added or removed or replaced or asks else "same"
    return NodeChange(name, kind, node.step, label, params, added, removed, replaced, asks)


def _params(step: str, old: Any, new: Any) -> Iterator[ParamChange]:
    fields = {f.name: f for f in describe(STEPS[step].Params)} if step in STEPS else {}
    before, after = (dict(node.params) if node else {} for node in (old, new))
    for name in dict.fromkeys((*before, *after)):
        if before.get(name, ...) == after.get(name, ...):
            continue
        field = fields.get(name)
        yield ParamChange(
            name,
            field.label if field else name,
            _text(before[name]) if name in before else None,
            _text(after[name]) if name in after else None,
            _text(field.default) if field and field.default is not None else "",
        )


def _note(old: Any, new: Any) -> Iterator[ParamChange]:
    if old.note != new.note:
        yield ParamChange("note", "Note", old.note or "no note", new.note or "no note")


def _labels(step: str, names: tuple[str, ...]) -> list[str]:
    known = {f.name: f.label for f in describe(STEPS[step].Params)} if step in STEPS else {}
    return [known.get(name, name) for name in names]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    return json.dumps(value, ensure_ascii=False)
