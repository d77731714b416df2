"""Parameters as pydantic models: the one source of the form, the validation, the docs and the stored JSON.

A field is declared once, with everything a person needs to fill it in::

    rows_per_step: int = param(32, label="Rows per step", help="Rows whose gradient is averaged.", unit="rows", ge=1, le=512)
"""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined


class BaseParams(BaseModel):
    """Base of every ``Params``: unknown names are errors, values are immutable once validated."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def param(
    default: Any = ...,
    *,
    label: str,
    help: str = "",
    unit: str = "",
    advanced: bool = False,
    widget: str = "",
    suggestions: tuple[str, ...] = (),
    **constraints: Any,
) -> Any:
    """A pydantic ``Field`` that also carries its label, help, unit and how to show it.

    ``widget`` is one of ``""`` (derived from the type), ``"textarea"``, ``"lines"`` (a list of strings, one a line),
    ``"credential"``, ``"dataset"`` or ``"base_model"``. ``advanced`` fields are folded away in the form.
    """
    extra: dict[str, Any] = {"unit": unit, "advanced": advanced, "widget": widget, "suggestions": list(suggestions)}
    factory = {"default_factory": default} if callable(default) else {"default": default}
    return Field(**factory, title=label, description=help, json_schema_extra=extra, **constraints)


@dataclass(frozen=True)
class ParamField:
    """What a form needs to know of one field. ``kind``: text, textarea, integer, number, boolean, choice, choices, lines,
    or the widget named by the field (credential, dataset, base_model)."""

    name: str
    label: str
    help: str
    unit: str
    kind: str
    required: bool
    default: Any
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    advanced: bool
    nullable: bool
    suggestions: tuple[str, ...]


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """``(inner type, nullable)`` of ``X | None``."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [a for a in get_args(annotation) if a is not type(None)]
        if len(inner) == 1:
            return inner[0], True
    return annotation, False


def _kind(annotation: Any) -> tuple[str, tuple[str, ...]]:
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice", tuple(str(a) for a in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "choice", tuple(str(member.value) for member in annotation)
    if origin in (list, tuple):
        inner_kind, choices = _kind(get_args(annotation)[0])
        return ("choices", choices) if inner_kind == "choice" else ("lines", ())
    if annotation is bool:
        return "boolean", ()
    if annotation is int:
        return "integer", ()
    if annotation is float:
        return "number", ()
    return "text", ()


def _bound(info: FieldInfo, *names: str) -> float | None:
    for item in info.metadata:
        for name in names:
            value = getattr(item, name, None)
            if value is not None:
                return float(value)
    return None


def describe(model: type[BaseModel]) -> list[ParamField]:
    """The fields of a ``Params`` class in order, as a form or a documentation page needs them."""
    return list(_describe(model))


@cache
def _describe(model: type[BaseModel]) -> tuple[ParamField, ...]:
    """Once a class: a large pipeline asks for the same few classes a thousand times."""
    fields = []
    for name, info in model.model_fields.items():
        annotation, nullable = _unwrap(info.annotation)
        kind, choices = _kind(annotation)
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        default = info.get_default(call_default_factory=True)
        fields.append(
            ParamField(
                name=name,
                label=info.title or name.replace("_", " ").capitalize(),
                help=info.description or "",
                unit=str(extra.get("unit") or ""),
                kind=str(extra.get("widget") or kind),
                required=info.is_required(),
                default=None if default is PydanticUndefined else default,
                choices=choices,
                minimum=_bound(info, "ge", "gt"),
                maximum=_bound(info, "le", "lt"),
                advanced=bool(extra.get("advanced")),
                nullable=nullable,
                suggestions=tuple(str(s) for s in typing.cast("list[Any]", extra.get("suggestions") or [])),
            )
        )
    return tuple(fields)


def parse_form(model: type[BaseModel], data: typing.Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Plain JSON values for ``model`` from form text (``QueryDict`` or dict), not validated yet.

    Empty text means "not given" (the default applies); a list field takes one item a line; an unticked box is ``False``.
    """
    values: dict[str, Any] = {}
    for field in describe(model):
        key = prefix + field.name
        if field.kind == "boolean":
            values[field.name] = str(data.get(key, "")).lower() in {"on", "true", "1", "yes"}
            continue
        if field.kind == "choices":
            getlist = getattr(data, "getlist", None)
            raw_list = getlist(key) if getlist else data.get(key, [])
            values[field.name] = list(raw_list)
            continue
        if key not in data:
            continue
        raw = str(data[key])
        if field.kind == "lines":
            values[field.name] = [line.strip() for line in raw.splitlines() if line.strip()]
        elif raw.strip() == "":
            if field.nullable:
                values[field.name] = None
            elif field.kind in {"text", "textarea"} and not field.required:
                values[field.name] = ""
        else:
            values[field.name] = raw.replace("\r\n", "\n") if field.kind == "textarea" else raw.strip()
    return values


def problems(error: ValidationError) -> list[tuple[str, str]]:
    """``(field path, message)`` of every problem pydantic found, in plain words."""
    return [(".".join(str(p) for p in e["loc"]), _plain(e["msg"])) for e in error.errors(include_url=False)]


def _plain(message: str) -> str:
    text = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
    replacements = {
        "Extra inputs are not permitted": "There is no such parameter; remove it or check its spelling",
        "Field required": "This is required",
    }
    text = replacements.get(text, text)
    return text if text.endswith(".") else text + "."
