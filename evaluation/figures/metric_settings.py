"""Settings of metrics as a person types them: YAML or JSON, each metric's own parameters under its name. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from studio.lib.params import problems
from studio.lib.registry import close_matches
from studio.registries import METRICS

LONGEST = 300_000
EXAMPLE = "numeric: {relative: 0.01}"


def read_settings(text: str) -> dict[str, dict[str, Any]]:
    """``{metric: parameters}``, with all of a metric's parameters spelled out. Raises ``ValueError`` with every problem found."""
    if not text.strip():
        return {}
    value = load_text(text, longest=LONGEST)
    if not isinstance(value, dict):
        raise ValueError("Write one metric a line, its settings indented below it, such as: numeric: {relative: 0.01}")
    found, wrong = {}, []
    for name, given in value.items():
        if name not in METRICS:
            wrong.append(f"There is no metric '{name}'. {close_matches(str(name), METRICS.table)}")
            continue
        try:
            found[name] = METRICS[name].Params.model_validate({} if given is None else given).model_dump(mode="json")
        except ValidationError as error:
            wrong += [f"{name}{'.' + field if field else ''}: {message}" for field, message in problems(error)]
    if wrong:
        raise ValueError(" ".join(wrong))
    return found


def load_text(text: str, *, longest: int) -> Any:
    """What YAML or JSON says. Raises ``ValueError`` that says where it can't be read."""
    if len(text) > longest:
        raise ValueError(f"This has {len(text):,} characters; at most {longest:,}")
    try:
        return _load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ValueError(f"This is neither YAML nor JSON: {getattr(error, 'problem', None) or error}{where}") from None
    except (RecursionError, ValueError) as error:
        raise ValueError(f"This can't be read: {str(error)[:120] or 'it is nested too deeply'}") from None


def _load(text: str) -> Any:
    if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text)):
        raise ValueError("write it out; YAML's references (*name) are not followed")
    return yaml.safe_load(text)


def describe_settings(settings: Mapping[str, Mapping[str, Any]]) -> str:
    """The settings that differ from their defaults, in one line for a report's facts."""
    parts = []
    for name, given in settings.items():
        plain = METRICS[name].Params().model_dump(mode="json")
        told = [f"{field} {_short(value)}" for field, value in given.items() if value != plain.get(field)]
        if told:
            parts.append(f"{METRICS[name].label}: {', '.join(told)}")
    return "; ".join(parts)


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
