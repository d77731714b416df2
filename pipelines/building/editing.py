"""Changes to a draft's graph, one function each: what the canvas does, for those who work in the list of steps instead.

All take and return plain specs; nothing is saved here. Raises ``KeyError`` for a node that is not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipelines.specs import spec as specs
from studio.lib.errors import StudioError
from studio.registries import STEPS


class CannotChange(StudioError):
    """A change that the draft does not allow."""


def free_id(taken: Iterable[str], wanted: str) -> str:
    """``wanted`` as a node id that nobody has: lower case, digits, ``_``; ``_2``, ``_3``… when taken."""
    base = re.sub(r"[^a-z0-9_]+", "_", wanted.lower()).strip("_")[:50] or "step"
    base = base if base[0].isalpha() else f"s_{base}"
    used = set(taken)
    return next(name for name in (base, *(f"{base}_{n}" for n in range(2, len(used) + 3))) if name not in used)


def add_node(draft: Mapping[str, Any], step: str, *, after: str = "") -> tuple[dict[str, Any], str]:
    """The draft with a new node of this step, wired to ``after`` where exactly one of its outputs fits; and its id."""
    if step not in STEPS:
        raise CannotChange(f"There is no step '{step}'.", action="Choose one from the list.")
    nodes = list(draft["nodes"])
    name = free_id((n["id"] for n in nodes), step)
    edges = [*draft["edges"], *_natural_edges(draft, name, STEPS[step], after)]
    place = next((i for i, n in enumerate(nodes, start=1) if n["id"] == after), len(nodes))
    nodes.insert(place, {"id": name, "step": step, "params": {}})
    return {**draft, "nodes": nodes, "edges": edges}, name


def _natural_edges(draft: Mapping[str, Any], name: str, step: Any, after: str) -> list[dict[str, str]]:
    source = next((n for n in draft["nodes"] if n["id"] == after), None)
    if source is None or source["step"] not in STEPS:
        return []
    edges = []
    for port, wanted in step.inputs.items():
        outputs = STEPS[source["step"]].outputs
        fitting = [out for out, offered in outputs.items() if offered.kind == wanted.kind and out != "rejects"]
        chosen = port if port in fitting else fitting[0] if fitting else None
        if chosen is not None and not wanted.optional:
            edges.append({"from": f"{after}.{chosen}", "to": f"{name}.{port}"})
    return edges


def remove_node(draft: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The draft without a node and its edges; what it took from one node goes on to those it fed, where the kinds fit."""
    node = _node(draft, name)
    into = [e for e in draft["edges"] if _owner(e["to"]) == name]
    out_of = [e for e in draft["edges"] if _owner(e["from"]) == name]
    rest = [e for e in draft["edges"] if name not in (_owner(e["to"]), _owner(e["from"]))]
    if len(into) == 1 and _kind(draft, into[0]["from"]) is not None:
        for edge in out_of:
            passes = node["step"] in STEPS and _port(edge["from"]) in ("rows", "train")
            if passes and _kind(draft, into[0]["from"]) == _kind(draft, edge["from"]):
                rest.append({"from": into[0]["from"], "to": edge["to"]})
    return {**draft, "nodes": [n for n in draft["nodes"] if n["id"] != name], "edges": rest}


def duplicate_node(draft: Mapping[str, Any], name: str) -> tuple[dict[str, Any], str]:
    """The draft with a copy of a node that takes the same inputs and feeds nobody; and the copy's id."""
    node = _node(draft, name)
    copy = free_id((n["id"] for n in draft["nodes"]), name)
    nodes = list(draft["nodes"])
    nodes.insert(nodes.index(node) + 1, {**node, "id": copy, "params": dict(node.get("params") or {})})
    edges = [e for e in draft["edges"] if _owner(e["to"]) == name]
    return {
        **draft,
        "nodes": nodes,
        "edges": [*draft["edges"], *({"from": e["from"], "to": f"{copy}.{_port(e['to'])}"} for e in edges)],
    }, copy


def rename_node(draft: Mapping[str, Any], name: str, wanted: str) -> dict[str, Any]:
    """The draft in which a node has another id. Raises :class:`CannotChange` for one that is taken or can't be used."""
    _node(draft, name)
    if wanted == name:
        return dict(draft)
    if not specs.is_node_id(wanted):
        raise CannotChange(f"'{wanted[:80]}' can't be a step's name.", action=specs.ID_RULE)
    if any(n["id"] == wanted for n in draft["nodes"]):
        raise CannotChange(f"Another step is called '{wanted}'.", action="Choose another name.")

    def moved(end: str) -> str:
        return f"{wanted}.{_port(end)}" if _owner(end) == name else end

    return {
        **draft,
        "nodes": [{**n, "id": wanted} if n["id"] == name else n for n in draft["nodes"]],
        "edges": [{"from": moved(e["from"]), "to": moved(e["to"])} for e in draft["edges"]],
    }


def set_note(draft: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    """The draft in which a node has this note; an empty text takes it away. Raises :class:`CannotChange` for too long a one."""
    node = {key: value for key, value in _node(draft, name).items() if key != "note"}
    note = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if len(note) > specs.MAX_NOTE:
        raise CannotChange(f"The note has {len(note):,} characters.", action=f"Keep it under {specs.MAX_NOTE:,}.")
    noted = {**node, "note": note} if note else node
    return {**draft, "nodes": [noted if n["id"] == name else n for n in draft["nodes"]]}


def wire(draft: Mapping[str, Any], name: str, sources: Mapping[str, str]) -> dict[str, Any]:
    """The draft in which each input port of ``sources`` is fed from this ``node.port`` ("" for nothing)."""
    _node(draft, name)
    ends = {f"{name}.{port}" for port in sources}
    kept = [e for e in draft["edges"] if e["to"] not in ends]
    new = [{"from": source, "to": f"{name}.{port}"} for port, source in sources.items() if source]
    return {**draft, "edges": [*kept, *new]}


def fitting_sources(draft: Mapping[str, Any], name: str) -> dict[str, list[str]]:
    """Input port of a node → the ``node.port`` of other nodes that could feed it without going in a circle."""
    node = _node(draft, name)
    if node["step"] not in STEPS:
        return {}
    below = _downstream(draft, name)
    offers = [
        (f"{other['id']}.{port}", offered.kind)
        for other in draft["nodes"]
        if other["id"] not in below and other["step"] in STEPS
        for port, offered in STEPS[other["step"]].outputs.items()
    ]
    return {
        port: [end for end, kind in offers if kind == wanted.kind]
        for port, wanted in STEPS[node["step"]].inputs.items()
    }


def _downstream(draft: Mapping[str, Any], name: str) -> set[str]:
    fed: dict[str, list[str]] = {}
    for edge in draft["edges"]:
        fed.setdefault(_owner(edge["from"]), []).append(_owner(edge["to"]))
    found, queue = {name}, [name]
    while queue:
        for target in fed.get(queue.pop(), ()):
            if target not in found:
                found.add(target)
                queue.append(target)
    return found


def _node(draft: Mapping[str, Any], name: str) -> dict[str, Any]:
    for node in draft["nodes"]:
        if node["id"] == name:
            return dict(node) if not isinstance(node, dict) else node
    raise KeyError(name)


def _owner(end: str) -> str:
    return end.partition(".")[0]


def _port(end: str) -> str:
    return end.partition(".")[2]


def _kind(draft: Mapping[str, Any], end: str) -> str | None:
    node = next((n for n in draft["nodes"] if n["id"] == _owner(end)), None)
    if node is None or node["step"] not in STEPS:
        return None
    port = STEPS[node["step"]].outputs.get(_port(end))
    return port.kind if port else None
