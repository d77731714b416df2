"""JSON answers and JSON Schemas: strict parsing, and every fault of a value with the field it is in. No network, no Django.

Built on the ``jsonschema`` library with three precautions, since a schema is typed by a user and a value comes from a model:
references resolve inside the schema only; patterns run on RE2; endless recursion is an error in plain words.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from jsonschema import FormatChecker, SchemaError, ValidationError, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable

from studio.lib.errors import StepError
from vault.quality.patterns import compile_pattern, search

LONGEST_SCHEMA = 200_000
MOST_FAULTS = 50
"""Faults listed of one value."""


_FENCED = re.compile(r"\A\s*(?:```|~~~)[A-Za-z0-9_-]*[ \t]*\r?\n(.*?)\r?\n?[ \t]*(?:```|~~~)\s*\Z", re.DOTALL)


class Unusable(ValueError):
    """Text that is not JSON; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. ``name``: field and rule, for counting (``items[].price: type``). ``text``: a sentence."""

    name: str
    text: str


def parse(text: str) -> Any:
    """The JSON value, strictly by RFC 8259: no NaN, no field twice in one object. Raises :class:`Unusable`."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        if not text.strip():
            raise Unusable("The answer is empty.") from None
        near = text[error.pos : error.pos + 20].split("\n")[0]
        where = f"line {error.lineno}, column {error.colno}"
        at = f", at “{near}”" if near.strip() else ""
        raise Unusable(f"The answer is not JSON: {error.msg} ({where}{at}).") from None
    except RecursionError:
        raise Unusable("The answer is nested too deeply to be read.") from None
    except Unusable:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise Unusable(f"The answer is not usable JSON: {str(error)[:120]}.") from None


def unfenced(text: str) -> str:
    """What stands inside one code fence that holds the whole answer, else the text as it is."""
    found = _FENCED.match(text)
    return found[1].strip() if found else text


def _no_constant(name: str) -> NoReturn:
    raise Unusable(f"The answer is not JSON: {name} is not a JSON number.")


def _finite(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Unusable(f"The answer is not usable JSON: the number {digits[:40]} is too large.")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unusable(f"The answer is not usable JSON: the field “{twice[:60]}” occurs twice in one object.")
    return found


def read_schema(text: str) -> dict[str, Any] | bool | None:
    """A JSON Schema from its text, None for an empty text. Raises ``ValueError`` in plain words."""
    if not text.strip():
        return None
    if len(text) > LONGEST_SCHEMA:
        raise ValueError(f"The schema has {len(text):,} characters; at most {LONGEST_SCHEMA:,}")
    try:
        schema = parse(text)
    except Unusable as problem:
        raise ValueError(str(problem).replace("The answer", "The schema")) from None
    if not isinstance(schema, (dict, bool)):
        raise ValueError("The schema must be a JSON object")
    try:
        validator_class(schema).check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.path)) or "the top"
        raise ValueError(f"This is no valid JSON Schema: at {where}: {error.message[:200]}") from None
    except RecursionError:
        raise ValueError("The schema is nested too deeply") from None
    known = set(_ids(schema))
    for node in _nodes(schema):
        if node is not schema and "$schema" in node:
            raise ValueError("Only the schema as a whole may name its draft ($schema), not a part of it")
        _check_node(node, known=known)
    return schema


def _check_node(node: dict[str, Any], *, known: set[str]) -> None:
    for key in ("$ref", "$dynamicRef", "$recursiveRef"):
        target = node.get(key)
        if isinstance(target, str) and not target.startswith("#") and target.partition("#")[0] not in known:
            raise ValueError(f"The schema refers to another document ({target[:100]}); copy it into $defs instead")
    if isinstance(node.get("pattern"), str):
        compile_pattern(node["pattern"])
    if isinstance(node.get("patternProperties"), dict):
        for pattern in node["patternProperties"]:
            compile_pattern(pattern)
        if "unevaluatedProperties" in node:
            raise ValueError("A schema with patternProperties beside unevaluatedProperties is not supported")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside a schema, but for those that are values to compare with (``const``, ``enum``, ``examples``…)."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key not in ("const", "enum", "examples", "default"):
                yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _ids(schema: Any) -> Iterator[str]:
    for node in _nodes(schema):
        for key in ("$id", "id"):
            if isinstance(node.get(key), str):
                yield node[key].partition("#")[0]


def validator_class(schema: Any) -> Any:
    """The validator of the schema's draft (2020-12 when it names none), with patterns on RE2."""
    return _with_safe_patterns(validators.validator_for(schema, default=validators.Draft202012Validator))


@lru_cache(maxsize=16)
def _with_safe_patterns(cls: Any) -> Any:
    rules = {"pattern": _pattern, "patternProperties": _pattern_properties}
    extend: Any = validators.extend  # has no annotations
    return extend(cls, {**rules, "additionalProperties": _additional_properties})


def _pattern(validator: Any, pattern: str, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "string") and search(compile_pattern(pattern), value) is None:
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, rules: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if validator.is_type(value, "object"):
        for pattern, rule in rules.items():
            for name, inner in value.items():
                if search(compile_pattern(pattern), name) is not None:
                    yield from validator.descend(inner, rule, path=name, schema_path=pattern)


def _additional_properties(validator: Any, rule: Any, value: Any, schema: Any) -> Iterator[ValidationError]:
    if not validator.is_type(value, "object"):
        return
    patterns = [compile_pattern(pattern) for pattern in schema.get("patternProperties", {})]
    known = schema.get("properties", {})
    extra = [name for name in value if name not in known and not any(search(p, name) is not None for p in patterns)]
    if rule is False:
        for name in extra:
            yield ValidationError(f"the field {name!r} is not expected", path=[name])
    elif validator.is_type(rule, "object"):
        for name in extra:
            yield from validator.descend(value[name], rule, path=name)


class Checker:
    """Values against one schema (an empty text: everything is right). Raises ``ValueError`` for a schema that is none."""

    def __init__(self, schema_text: str, *, formats: bool = True) -> None:
        schema = read_schema(schema_text)
        self.validator: Validator | None = None
        if schema is not None:
            cls = validator_class(schema)
            # Without its draft: where a reference leads back to the top, the library would choose a class by it anew.
            if isinstance(schema, dict):
                schema = {name: part for name, part in schema.items() if name != "$schema"}
            # An empty registry: nothing is ever fetched.
            self.validator = cls(
                schema, registry=Registry(), format_checker=cls.FORMAT_CHECKER if formats else FormatChecker(())
            )

    def faults(self, value: Any) -> list[Fault]:
        """Every fault, at most ``MOST_FAULTS``. Raises ``StepError`` when the schema itself can't be followed."""
        if self.validator is None:
            return []
        found: list[Fault] = []
        try:
            for error in self.validator.iter_errors(value):
                found.append(fault_of(error))
                if len(found) == MOST_FAULTS:
                    break
        except Unresolvable as error:
            raise StepError(
                f"The schema's reference {str(error)[:120]} leads nowhere.", action="Mend the $ref in the JSON Schema."
            ) from None
        except RecursionError:
            return [Fault("nesting", "The answer is nested too deeply for the schema.")]
        return found


def fault_of(error: ValidationError) -> Fault:
    """What the library says of one error, as a sentence that begins with the field."""
    place = list(error.absolute_path)
    rule = str(error.validator)
    message = error.message
    if rule == "required" and isinstance(error.validator_value, list):
        missing = [name for name in error.validator_value if message == f"{name!r} is a required property"]
        place = [*place, *missing]
        message = "is missing"
    field = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
    general = "".join("[]" if isinstance(p, int) else f".{p}" for p in place).lstrip(".")
    shown = message if len(message) <= 160 else f"{message[:157]}…"
    return Fault(f"{(general or 'answer')[:120]}: {rule}", f"{field[:120] or 'The answer'}: {shown}.")
