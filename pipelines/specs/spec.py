"""Specs: what a pipeline is, as plain data; and the one judge of whether it can run.

::

    {"schema": 1, "nodes": [{"id": "split", "step": "split", "params": {...}, "note": "…"}], "edges": [{"from": "a.rows", "to": "b.rows"}]}

A node may have ``"ask": ["version"]``: the params that are asked when a run is started (see ``pipelines.building.overrides``).

Node positions on a canvas are kept beside the spec, not in it: moving a box changes nothing that counts. A node's ``note`` is
documentation: it travels with the spec and changes neither its digest nor any fingerprint.
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from pipelines.specs import migrating
from pipelines.specs.migrating import SCHEMA as SCHEMA
from pipelines.specs.text import MAX_BYTES as MAX_BYTES
from pipelines.specs.text import Problem as Problem
from pipelines.specs.text import SpecError as SpecError
from pipelines.specs.text import dump_yaml as dump_yaml
from pipelines.specs.text import find_unstorable
from pipelines.specs.text import load_text as load_text
from studio.lib import params as params_lib
from studio.lib.canonical import fingerprint
from studio.lib.registry import close_matches
from studio.registries import STEPS

MAX_NODES = 2_000
MAX_EDGES = 20_000
MAX_NOTE = 4_000
MOST_PROBLEMS = 200
"""Problems listed at once: mending the first ones usually mends the rest."""
MOST_SUGGESTED = 200
"""Known names up to which the nearest ones are looked for."""
ID_PATTERN = "[a-z][a-z0-9_]{0,58}"
_ID = re.compile(ID_PATTERN)
ID_RULE = "Use lower-case letters, digits and _, a letter first."
FIELDS = ("schema", "name", "description", "imports", "nodes", "edges")
NODE_FIELDS = ("id", "step", "params", "note", "ask")


def is_node_id(text: str) -> bool:
    """Whether a node may have this id."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True)
class Node:
    """One step of a spec. ``params`` are the values given; defaults are not filled in. ``note``: what people should know.

    ``ask``: names of the params that whoever starts a run is asked for; the values of ``params`` are then what is proposed.
    """

    id: str
    step: str
    params: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    ask: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The node as JSON values, without what is empty."""
        note = {"note": self.note} if self.note else {}
        ask = {"ask": list(self.ask)} if self.ask else {}
        return {"id": self.id, "step": self.step, **note, "params": dict(self.params), **ask}


@dataclass(frozen=True)
class Edge:
    """An output port feeding an input port."""

    source: str
    source_port: str
    target: str
    target_port: str


@dataclass(frozen=True)
class Spec:
    """A parsed spec: shape is right, names are not checked yet."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @cached_property
    def _by_id(self) -> dict[str, Node]:
        return {node.id: node for node in reversed(self.nodes)}

    @cached_property
    def _wiring(self) -> dict[str, dict[str, dict[str, str]]]:
        found: dict[str, dict[str, dict[str, str]]] = {}
        for e in self.edges:
            found.setdefault(e.target, {})[e.target_port] = {"node": e.source, "port": e.source_port}
        return found

    def node(self, node_id: str) -> Node:
        """The node with this id; raises ``KeyError``."""
        return self._by_id[node_id]

    def __contains__(self, node_id: object) -> bool:
        return node_id in self._by_id

    def wiring(self, node_id: str) -> dict[str, dict[str, str]]:
        """Input port → ``{"node", "port"}`` that feeds it."""
        return {port: dict(end) for port, end in self._wiring.get(node_id, {}).items()}

    def order(self) -> list[str]:
        """Node ids, every one after those that feed it, otherwise as written. Raises ``graphlib.CycleError``.

        Edges that name a node that is not there are passed over.
        """
        return list(self._order)

    def above(self, node_id: str) -> Spec:
        """Only this node and those it depends on, with the edges among them."""
        kept, queue = {node_id}, [node_id]
        while queue:
            for end in self._wiring.get(queue.pop(), {}).values():
                if end["node"] in self and end["node"] not in kept:
                    kept.add(end["node"])
                    queue.append(end["node"])
        edges = tuple(e for e in self.edges if e.source in kept and e.target in kept)
        return Spec(tuple(n for n in self.nodes if n.id in kept), edges)

    @cached_property
    def _order(self) -> tuple[str, ...]:
        sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter({n.id: [] for n in self.nodes})
        place = {n.id: i for i, n in enumerate(self.nodes)}
        for edge in self.edges:
            if edge.source in place and edge.target in place:
                sorter.add(edge.target, edge.source)
        sorter.prepare()
        result: list[str] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready(), key=lambda n: place[n])
            result += ready
            sorter.done(*ready)
        return tuple(result)

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON values, as it is stored."""
        return {
            "schema": SCHEMA,
            "nodes": [n.as_dict() for n in self.nodes],
            "edges": [{"from": f"{e.source}.{e.source_port}", "to": f"{e.target}.{e.target_port}"} for e in self.edges],
        }

    def digest(self) -> str:
        """Hash of what runs: of the stored form without the notes."""
        value = self.as_dict()
        for node in value["nodes"]:
            node.pop("note", None)
        return fingerprint(value)


def parse(value: Any, *, may_be_empty: bool = False) -> Spec:
    """A :class:`Spec` from plain values of this or an earlier schema; raises :class:`SpecError` with every problem of shape.

    ``may_be_empty``: a draft without a step yet is a spec too.
    """
    if not isinstance(value, dict):
        raise SpecError([Problem("A spec is a mapping with 'schema', 'nodes' and 'edges'.")])
    if problems := find_unstorable(value):
        raise SpecError(problems)
    message, fix = migrating.judge_schema(value.get("schema"))
    if message:
        problems.append(Problem(message, fix=fix, field="schema"))
    else:
        value = migrating.upgrade(value)
    for key in list(value)[:MOST_PROBLEMS]:
        if key not in FIELDS:
            problems.append(Problem(f"A spec has no '{_short(key)}'.", fix=_near(key, FIELDS), field=_short(key)))
    given = value.get("nodes")
    nodes = () if may_be_empty and given == [] else tuple(_parse_nodes(given, problems))
    edges = tuple(_parse_edges(value.get("edges", []), problems))
    if problems:
        raise SpecError(_first(problems))
    return Spec(nodes=nodes, edges=edges)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


def _near(name: str, names: Iterable[str]) -> str:
    """The nearest known names, where there are few enough to look through."""
    known = list(names)
    return close_matches(name[:60], known) if known and len(known) <= MOST_SUGGESTED else ""


def _first(problems: list[Problem]) -> list[Problem]:
    if len(problems) <= MOST_PROBLEMS:
        return problems
    rest = len(problems) - MOST_PROBLEMS
    return [*problems[:MOST_PROBLEMS], Problem(f"And {rest:,} more.", fix="Mend these first.")]


def _parse_nodes(value: Any, problems: list[Problem]) -> Iterable[Node]:
    if not isinstance(value, list) or not value:
        problems.append(Problem("A spec needs at least one node.", fix="Add a step.", field="nodes"))
        return
    if len(value) > MAX_NODES:
        problems.append(Problem(f"A spec has at most {MAX_NODES:,} nodes, this one has {len(value):,}.", field="nodes"))
        return
    seen: set[str] = set()
    for place, item in enumerate(value, start=1):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not isinstance(item.get("step"), str):
            problems.append(Problem(f"Node {place} needs an 'id' and a 'step', both text.", field="nodes"))
            continue
        node_id = item["id"]
        if not _ID.fullmatch(node_id):
            problems.append(Problem(f"'{_short(node_id)}' can't be a node's id.", fix=ID_RULE, node=node_id[:60]))
        if node_id in seen:
            problems.append(Problem(f"Two nodes are called '{_short(node_id)}'.", fix="Rename one.", node=node_id[:60]))
        seen.add(node_id)
        problems += _unknown_node_fields(item)
        params, note = item.get("params") or {}, item.get("note") or ""
        if not isinstance(params, dict):
            problems.append(Problem("'params' must be a mapping.", node=node_id[:60], field="params"))
            continue
        if not isinstance(note, str) or len(note) > MAX_NOTE:
            problems.append(
                Problem(f"A note is text of at most {MAX_NOTE:,} characters.", node=node_id[:60], field="note")
            )
            continue
        ask = item.get("ask") or []
        if not isinstance(ask, list) or not all(isinstance(name, str) for name in ask):
            problems.append(Problem("'ask' must be a list of parameter names.", node=node_id[:60], field="ask"))
            continue
        yield Node(id=node_id, step=item["step"], params=params, note=note, ask=tuple(dict.fromkeys(ask)))


def _unknown_node_fields(item: Mapping[str, Any]) -> list[Problem]:
    step = STEPS.get(item["step"])
    found = []
    for name in [key for key in item if key not in NODE_FIELDS][:20]:
        if step is not None and name in step.Params.model_fields:
            fix = f"'{_short(name)}' is a parameter: put it under 'params'."
        else:
            fix = _near(name, NODE_FIELDS)
        found.append(Problem(f"A node has no '{_short(name)}'.", fix=fix, node=item["id"][:60]))
    return found


def _parse_edges(value: Any, problems: list[Problem]) -> Iterable[Edge]:
    if not isinstance(value, list):
        problems.append(Problem("'edges' must be a list.", field="edges"))
        return
    if len(value) > MAX_EDGES:
        problems.append(Problem(f"A spec has at most {MAX_EDGES:,} edges, this one has {len(value):,}.", field="edges"))
        return
    for place, item in enumerate(value, start=1):
        ends = (item.get("from"), item.get("to")) if isinstance(item, dict) else (None, None)
        parts = [e.split(".") if isinstance(e, str) else [] for e in ends]
        if any(len(p) != 2 or not all(p) for p in parts):
            problems.append(Problem(f"Edge {place} needs 'from: node.port' and 'to: node.port'.", field="edges"))
            continue
        for name in [key for key in item if key not in ("from", "to")][:20]:
            fix = _near(name, ("from", "to"))
            problems.append(Problem(f"Edge {place} has no '{_short(name)}'.", fix=fix, field="edges"))
        yield Edge(parts[0][0], parts[0][1], parts[1][0], parts[1][1])


def validate(spec: Spec) -> list[Problem]:
    """Everything that keeps ``spec`` from running, in the order of its nodes; an empty list when it can run.

    At most ``MOST_PROBLEMS`` and a line that says how many more there are.
    """
    problems: list[Problem] = []
    steps: dict[str, Any] = {}
    if not spec.nodes:
        return [Problem("The pipeline has no step yet.", fix="Add a step.", field="nodes")]
    for node in spec.nodes:
        if node.step not in STEPS:
            near = _near(node.step, STEPS) if len(problems) < MOST_PROBLEMS else ""
            problems.append(Problem(f"There is no step '{_short(node.step)}'.", fix=near, node=node.id))
            continue
        steps[node.id] = STEPS[node.step]
        problems += _param_problems(node, steps[node.id])
        problems += _ask_problems(node, steps[node.id])
    problems += _edge_problems(spec, steps)
    problems += _wiring_problems(spec, steps)
    try:
        spec.order()
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))
        shown = " → ".join(circle if len(circle) <= 12 else [*circle[:8], f"… {len(circle) - 9:,} more …", circle[-1]])
        told = Problem(f"These steps wait for each other: {shown}.", "Remove one of the edges between them.", circle[0])
        problems = [*problems[: MOST_PROBLEMS - 1], told, *problems[MOST_PROBLEMS - 1 :]]
    return _first(problems)


def _param_problems(node: Node, step: Any) -> list[Problem]:
    try:
        step.Params.model_validate(dict(node.params))
    except ValidationError as error:
        found = []
        for name, message in params_lib.problems(error)[:20]:
            known = list(step.Params.model_fields)
            fix = _near(name, known) if name and name.split(".")[0] not in known else ""
            found.append(Problem(message, fix=fix, node=node.id, field=_short(name)))
        return found
    return []


def _ask_problems(node: Node, step: Any) -> list[Problem]:
    known = list(step.Params.model_fields)
    return [
        Problem(
            f"'ask' names '{_short(name)}', which is no parameter of {step.label}.",
            fix=_near(name, known),
            node=node.id,
            field="ask",
        )
        for name in [name for name in node.ask if name not in known][:20]
    ]


def _edge_problems(spec: Spec, steps: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    ids = [n.id for n in spec.nodes]
    for edge in spec.edges:
        for end, port, ports in ((edge.source, edge.source_port, "outputs"), (edge.target, edge.target_port, "inputs")):
            suggest = len(problems) < MOST_PROBLEMS
            if end not in spec:
                fix = _near(end, ids) if suggest else ""
                problems.append(
                    Problem(f"An edge names the node '{_short(end)}', which is not there.", fix=fix, node=end[:60])
                )
            elif end in steps and port not in getattr(steps[end], ports):
                known = list(getattr(steps[end], ports))
                fix = _near(port, known) if known and suggest else f"It has no {ports}."
                problems.append(
                    Problem(
                        f"'{steps[end].label}' has no {ports[:-1]} '{_short(port)}'.",
                        fix=fix,
                        node=end,
                        field=_short(port),
                    )
                )
        problems += _kind_problems(edge, steps)
    return problems


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _kind_problems(edge: Edge, steps: Mapping[str, Any]) -> list[Problem]:
    source = steps[edge.source].outputs.get(edge.source_port) if edge.source in steps else None
    target = steps[edge.target].inputs.get(edge.target_port) if edge.target in steps else None
    if source is None or target is None or source.kind == target.kind:
        return []
    return [
        Problem(
            f"'{edge.target_port}' takes {_a(target.kind)}, but {edge.source}.{edge.source_port} is {_a(source.kind)}.",
            fix=f"Wire {_a(target.kind)} to it.",
            node=edge.target,
            field=edge.target_port,
        )
    ]


def _wiring_problems(spec: Spec, steps: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    feeding: dict[tuple[str, str], list[Edge]] = {}
    for edge in spec.edges:
        feeding.setdefault((edge.target, edge.target_port), []).append(edge)
    for node in spec.nodes:
        if node.id not in steps:
            continue
        for name, port in steps[node.id].inputs.items():
            feeds = feeding.get((node.id, name), [])
            if len(feeds) > 1:
                sources = " and ".join(f"{e.source}.{e.source_port}" for e in feeds[:5])
                more = f" and {len(feeds) - 5:,} more" if len(feeds) > 5 else ""
                problems.append(
                    Problem(f"'{name}' is wired twice: {sources}{more}.", fix="Keep one.", node=node.id, field=name)
                )
            if not feeds and not port.optional:
                problems.append(
                    Problem(
                        f"The input '{name}' ({port.help or port.kind}) is not wired.",
                        fix=f"Connect {_a(port.kind)} to it.",
                        node=node.id,
                        field=name,
                    )
                )
    return problems
