"""Specs: what a pipeline is, as plain data; and the one judge of whether it can run.

::

    {"schema": 1, "nodes": [{"id": "split", "step": "split", "params": {...}}], "edges": [{"from": "a.rows", "to": "b.rows"}]}

Node positions on a canvas are kept beside the spec, not in it: moving a box changes nothing that counts.
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import yaml
from pydantic import ValidationError

from studio.lib import params as params_lib
from studio.lib.canonical import fingerprint
from studio.lib.errors import StudioError
from studio.lib.registry import close_matches
from studio.registries import STEPS

SCHEMA = 1
MAX_BYTES = 1_000_000
MAX_NODES = 2_000
ID_PATTERN = "[a-z][a-z0-9_]{0,58}"
_ID = re.compile(ID_PATTERN)
ID_RULE = "Use lower-case letters, digits and _, a letter first."


def is_node_id(text: str) -> bool:
    """Whether a node may have this id."""
    return _ID.fullmatch(text) is not None


@dataclass(frozen=True)
class Problem:
    """One thing that keeps a spec from running: where (node, field), what, and what to do about it."""

    message: str
    fix: str = ""
    node: str = ""
    field: str = ""

    def __str__(self) -> str:
        where = ".".join(p for p in (self.node, self.field) if p)
        return f"{where}: {self.message} {self.fix}".strip() if where else f"{self.message} {self.fix}".strip()

    def as_dict(self) -> dict[str, str]:
        """The problem as JSON values."""
        return asdict(self)


class SpecError(StudioError):
    """A spec that cannot be used, with every problem found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(str(p) for p in problems), action="Mend the problems listed, then try again.")
        self.problems = problems


@dataclass(frozen=True)
class Node:
    """One step of a spec. ``params`` are the values given; defaults are not filled in."""

    id: str
    step: str
    params: Mapping[str, Any] = field(default_factory=dict)


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

    def node(self, node_id: str) -> Node:
        """The node with this id; raises ``KeyError``."""
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)

    def wiring(self, node_id: str) -> dict[str, dict[str, str]]:
        """Input port → ``{"node", "port"}`` that feeds it."""
        return {e.target_port: {"node": e.source, "port": e.source_port} for e in self.edges if e.target == node_id}

    def order(self) -> list[str]:
        """Node ids, every one after those that feed it, otherwise as written. Raises ``graphlib.CycleError``.

        Edges that name a node that is not there are passed over.
        """
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
        return result

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON values, as it is stored."""
        return {
            "schema": SCHEMA,
            "nodes": [{"id": n.id, "step": n.step, "params": dict(n.params)} for n in self.nodes],
            "edges": [{"from": f"{e.source}.{e.source_port}", "to": f"{e.target}.{e.target_port}"} for e in self.edges],
        }

    def digest(self) -> str:
        """Hash of the stored form."""
        return fingerprint(self.as_dict())


class _NoAliasLoader(yaml.SafeLoader):
    """YAML without aliases: a spec needs none, and nested aliases can fill the memory from a few lines."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed in a spec")
        return super().compose_node(parent, index)


def load_text(text: str) -> Any:
    """JSON or YAML text as plain values; raises :class:`SpecError` with the line of the mistake."""
    if len(text.encode()) > MAX_BYTES:
        raise SpecError([Problem(f"The spec has {len(text.encode()):,} bytes; at most {MAX_BYTES:,} are read.")])
    try:
        return yaml.load(text, Loader=_NoAliasLoader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" on line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or str(error) or "nested too deeply"
        raise SpecError([Problem(f"This is not valid YAML or JSON{where}: {reason}.", fix="Mend the text.")]) from None


def parse(value: Any, *, may_be_empty: bool = False) -> Spec:
    """A :class:`Spec` from plain values; raises :class:`SpecError` with every problem of shape.

    ``may_be_empty``: a draft without a step yet is a spec too.
    """
    problems: list[Problem] = []
    if not isinstance(value, dict):
        raise SpecError([Problem("A spec is a mapping with 'schema', 'nodes' and 'edges'.")])
    schema = value.get("schema")
    if schema != SCHEMA:
        newer = isinstance(schema, int) and schema > SCHEMA
        problems.append(
            Problem(
                f"The spec's schema is {schema!r}; this Studio reads schema {SCHEMA}.",
                fix="Update the Studio." if newer else f"Write 'schema: {SCHEMA}' at the top.",
                field="schema",
            )
        )
    for key in value:
        if key not in {"schema", "nodes", "edges", "name", "description", "imports"}:
            problems.append(
                Problem(
                    f"A spec has no '{key}'.",
                    fix=close_matches(str(key), ["nodes", "edges", "schema", "name", "description", "imports"]),
                    field=str(key),
                )
            )
    given = value.get("nodes")
    nodes = () if may_be_empty and given == [] else tuple(_parse_nodes(given, problems))
    edges = tuple(_parse_edges(value.get("edges", []), problems))
    if problems:
        raise SpecError(problems)
    return Spec(nodes=nodes, edges=edges)


def _parse_nodes(value: Any, problems: list[Problem]) -> Iterable[Node]:
    if not isinstance(value, list) or not value:
        problems.append(Problem("A spec needs at least one node.", fix="Add a step.", field="nodes"))
        return
    if len(value) > MAX_NODES:
        problems.append(Problem(f"A spec has at most {MAX_NODES} nodes, this one has {len(value)}.", field="nodes"))
        return
    seen: set[str] = set()
    for place, item in enumerate(value, start=1):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not isinstance(item.get("step"), str):
            problems.append(Problem(f"Node {place} needs an 'id' and a 'step', both text.", field="nodes"))
            continue
        node_id, extra = item["id"], set(item) - {"id", "step", "params"}
        if not _ID.fullmatch(node_id):
            problems.append(
                Problem(
                    f"'{node_id[:80]}' can't be a node's id.",
                    fix=ID_RULE,
                    node=node_id[:60],
                )
            )
        if node_id in seen:
            problems.append(Problem(f"Two nodes are called '{node_id}'.", fix="Rename one.", node=node_id))
        seen.add(node_id)
        for name in sorted(extra, key=str):
            problems.append(Problem(f"A node has no '{name}'.", fix="Put parameters under 'params'.", node=node_id))
        params = item.get("params") or {}
        if not isinstance(params, dict):
            problems.append(Problem("'params' must be a mapping.", node=node_id, field="params"))
            continue
        yield Node(id=node_id, step=item["step"], params=params)


def _parse_edges(value: Any, problems: list[Problem]) -> Iterable[Edge]:
    if not isinstance(value, list):
        problems.append(Problem("'edges' must be a list.", field="edges"))
        return
    for place, item in enumerate(value, start=1):
        ends = (item.get("from"), item.get("to")) if isinstance(item, dict) else (None, None)
        parts = [e.split(".") if isinstance(e, str) else [] for e in ends]
        if any(len(p) != 2 or not all(p) for p in parts):
            problems.append(Problem(f"Edge {place} needs 'from: node.port' and 'to: node.port'.", field="edges"))
            continue
        yield Edge(parts[0][0], parts[0][1], parts[1][0], parts[1][1])


def validate(spec: Spec) -> list[Problem]:
    """Everything that keeps ``spec`` from running, in the order of its nodes; an empty list when it can run."""
    problems: list[Problem] = []
    steps: dict[str, Any] = {}
    if not spec.nodes:
        return [Problem("The pipeline has no step yet.", fix="Add a step.", field="nodes")]
    for node in spec.nodes:
        if node.step not in STEPS:
            problems.append(
                Problem(f"There is no step '{node.step}'.", fix=close_matches(node.step, list(STEPS)), node=node.id)
            )
            continue
        steps[node.id] = STEPS[node.step]
        problems += _param_problems(node, steps[node.id])
    problems += _edge_problems(spec, steps)
    problems += _wiring_problems(spec, steps)
    try:
        spec.order()
    except graphlib.CycleError as error:
        circle = " → ".join(reversed(error.args[1]))
        problems.append(
            Problem(
                f"These steps wait for each other: {circle}.",
                fix="Remove one of the edges between them.",
                node=error.args[1][0],
            )
        )
    return problems


def _param_problems(node: Node, step: Any) -> list[Problem]:
    try:
        step.Params.model_validate(dict(node.params))
    except ValidationError as error:
        found = []
        for name, message in params_lib.problems(error):
            known = list(step.Params.model_fields)
            fix = close_matches(name, known) if name and name.split(".")[0] not in known else ""
            found.append(Problem(message, fix=fix, node=node.id, field=name))
        return found
    return []


def _edge_problems(spec: Spec, steps: Mapping[str, Any]) -> list[Problem]:
    problems: list[Problem] = []
    ids = [n.id for n in spec.nodes]
    for edge in spec.edges:
        for end, port, ports in ((edge.source, edge.source_port, "outputs"), (edge.target, edge.target_port, "inputs")):
            if end not in ids:
                problems.append(
                    Problem(
                        f"An edge names the node '{end}', which is not there.", fix=close_matches(end, ids), node=end
                    )
                )
            elif end in steps and port not in getattr(steps[end], ports):
                known = list(getattr(steps[end], ports))
                fix = close_matches(port, known) if known else f"It has no {ports}."
                problems.append(
                    Problem(f"'{steps[end].label}' has no {ports[:-1]} '{port}'.", fix=fix, node=end, field=port)
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
    for node in spec.nodes:
        if node.id not in steps:
            continue
        for name, port in steps[node.id].inputs.items():
            feeds = [e for e in spec.edges if e.target == node.id and e.target_port == name]
            if len(feeds) > 1:
                sources = " and ".join(f"{e.source}.{e.source_port}" for e in feeds)
                problems.append(
                    Problem(f"'{name}' is wired twice: {sources}.", fix="Keep one.", node=node.id, field=name)
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


def dump_yaml(spec: Mapping[str, Any]) -> str:
    """A stored spec as YAML that a person can read and review."""
    return yaml.safe_dump(dict(spec), sort_keys=False, allow_unicode=True, width=100)
