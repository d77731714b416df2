"""Specs as text: reading YAML or JSON within bounds, and writing YAML that a person can review.

Everything that comes in is bounded before it is built: bytes, depth, number of values. Aliases, tags, keys that stand twice and
numbers that JSON can't hold are refused with the line they stand on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import yaml

from studio.lib.errors import StudioError

MAX_BYTES = 1_000_000
MAX_DEPTH = 40
MAX_VALUES = 200_000
BIGGEST = 2**63
"""Whole numbers stay below this: what every database and JSON reader holds."""
LONG_LINE = 90
"""Texts longer than this are written over several lines."""
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff]")
"""Characters that blocks would lose."""
_DATE = "tag:yaml.org,2002:timestamp"


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


# --- reading -------------------------------------------------------------------------------------------------------------

_CLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_CLoader):  # type: ignore[misc]
    """Safe YAML in which a date is text (JSON has none) and a key may stand once."""

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in pairs if tag != _DATE]
        for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"the key '{key.value[:60]}' stands twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        made: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return made


def load_text(text: str) -> Any:
    """JSON or YAML text as plain values; raises :class:`SpecError` with the line of the mistake."""
    size = len(text) if len(text) > MAX_BYTES else len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise SpecError([Problem(f"The spec has {size:,} bytes; at most {MAX_BYTES:,} are read.")])
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise _unreadable("a null byte stands there", line)
    try:
        if text.lstrip("\ufeff \t\r\n").startswith("{"):
            try:
                return json.loads(text.lstrip("\ufeff"), object_pairs_hook=_once, parse_constant=_refuse_constant)
            except json.JSONDecodeError:
                pass  # perhaps YAML in braces
        _scan(text)
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or str(error) or "nested too deeply"
        if isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        elif "integer string conversion" in reason:
            reason = "a number has thousands of digits"
        raise _unreadable(reason, min(mark.line, text.count("\n")) + 1 if mark else None) from None


def _unreadable(reason: str, line: int | None) -> SpecError:
    where = f" on line {line:,}" if line else ""
    return SpecError([Problem(f"This is not valid YAML or JSON{where}: {reason[:300]}.", fix="Mend the text.")])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{twice[:60]}' stands twice")
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number that can be kept")


def _scan(text: str) -> None:
    """Read the events of YAML text without building anything; raises ``yaml.YAMLError`` for what is refused unbuilt."""
    depth = values = 0
    for event in yaml.parse(text, Loader=_CLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused("aliases (*name) are not allowed in a spec", event)
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if not isinstance(event, yaml.NodeEvent):
            continue
        values += 1
        if values > MAX_VALUES:
            raise _refused(f"it holds more than {MAX_VALUES:,} values", event)
        tag = getattr(event, "tag", None)
        if tag and tag != "!" and tag not in _PLAIN_TAGS:
            raise _refused(f"tags ({str(tag)[:60]}) are not allowed in a spec", event)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _refused(f"it is nested more than {MAX_DEPTH} deep", event)


def _refused(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def find_unstorable(value: Any, *, most: int = 5) -> list[Problem]:
    """What of these values no JSON column and no other program could hold, with its place; the first few of it.

    Stops at depth ``MAX_DEPTH`` and after ``MAX_VALUES`` values, so that it ends quickly whatever comes.
    """
    found: list[Problem] = []
    stack: list[tuple[Any, _Place, int]] = [(value, None, 0)]
    count = 0
    while stack and len(found) < most:
        item, place, depth = stack.pop()
        count += 1
        if count > MAX_VALUES:
            return [Problem(f"The spec holds more than {MAX_VALUES:,} values.", fix="Make it smaller.")]
        if depth > MAX_DEPTH:
            return [Problem(f"{_path(place)[:80]} is nested more than {MAX_DEPTH} deep.", fix="Make it flatter.")]
        if isinstance(item, dict):
            for key, inner in item.items():
                if not isinstance(key, str):
                    found.append(
                        Problem(f"{_where(place)}the key {str(key)[:60]} is not text.", fix="Put it in quotes.")
                    )
                    continue
                stack.append((inner, (place, key), depth + 1))
                if reason := _unstorable(key):
                    found.append(Problem(f"{_where(place)}a key {reason}.", fix="Take it out."))
        elif isinstance(item, list | tuple):
            stack += [(inner, (place, i), depth + 1) for i, inner in enumerate(item)]
        elif reason := _unstorable(item):
            found.append(Problem(f"{_where(place)}the value {reason}.", fix="Write another one."))
    return found


_Place = Any
"""Where a value stands: None for the whole, else ``(place of its container, key or number)``. Written out only where it is told."""


def _path(place: _Place) -> str:
    steps: list[str] = []
    while place is not None:
        place, key = place
        steps.append(f"[{key}]" if isinstance(key, int) else f".{key[:60]}")
    return "".join(reversed(steps)).removeprefix(".")


def _where(place: _Place) -> str:
    path = _path(place)
    return f"At {''.join(c if c.isprintable() else '?' for c in path[-120:])}: " if path else ""


def _unstorable(item: Any) -> str:
    """Why this single value can't be kept; blank when it can."""
    if item is None or isinstance(item, bool):
        return ""
    if isinstance(item, str):
        if "\x00" in item:
            return "holds a null byte"
        if item.isascii():
            return ""
        try:
            item.encode()
        except UnicodeEncodeError:
            return "holds half of a character (a lone surrogate)"
        return ""
    if isinstance(item, int):
        return "" if -BIGGEST < item < BIGGEST else "is a whole number of more than 63 bits"
    if isinstance(item, float):
        return "" if math.isfinite(item) else "is infinite or not a number"
    return f"is a {type(item).__name__}, which JSON does not have"


# --- writing -------------------------------------------------------------------------------------------------------------


class _Flow(dict[str, Any]):
    """A mapping written on one line."""


class _Dumper(yaml.SafeDumper):
    """Long texts as blocks, so that a changed sentence of a prompt is a changed line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)


def _text(dumper: _Dumper, value: str) -> Any:
    if _ODD.search(value):
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
    style = "|" if "\n" in value.strip("\n") else ">" if len(value) > LONG_LINE and " " in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _flow(dumper: _Dumper, value: _Flow) -> Any:
    return dumper.represent_mapping("tag:yaml.org,2002:map", value, flow_style=True)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(_Flow, _flow)


def dump_yaml(spec: Mapping[str, Any], *, order: Mapping[str, Iterable[str]] | None = None) -> str:
    """A stored spec as YAML to read and to keep in Git: fixed order of keys, an edge a line, long texts as blocks.

    ``order``: step → its parameters' names as they are declared; parameters are written in that order.
    """
    rest = {key: value for key, value in spec.items() if key not in _HEAD}
    head = {key: spec[key] for key in _HEAD if key in spec}
    nodes = [_node(node, (order or {}).get(str(node.get("step")), ())) for node in spec.get("nodes", [])]
    place = {str(node.get("id")): i for i, node in enumerate(nodes)}

    def rank(edge: Mapping[str, Any]) -> tuple[int, str, str]:
        owner, _, port = str(edge.get("to")).partition(".")
        return place.get(owner, len(place)), port, str(edge.get("from"))

    edges = [
        _Flow({"from": edge.get("from"), "to": edge.get("to")}) for edge in sorted(spec.get("edges", []), key=rank)
    ]
    whole = {**head, **{k: v for k, v in rest.items() if k not in ("nodes", "edges")}, "nodes": nodes, "edges": edges}
    return yaml.dump(whole, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


_HEAD = ("schema", "name", "description", "imports")
_NODE = ("id", "step", "note")


def _node(node: Mapping[str, Any], declared: Iterable[str]) -> dict[str, Any]:
    names = [*declared]
    params = dict(node.get("params") or {})
    ordered = sorted(params, key=lambda name: (names.index(name) if name in names else len(names), name))
    first = {key: node[key] for key in _NODE if key in node}
    others = {key: value for key, value in node.items() if key not in (*_NODE, "params")}
    return {**first, **others, **({"params": {name: params[name] for name in ordered}} if params else {})}
