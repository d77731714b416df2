"""A step's ``Params`` as form fields: values, choices from the workspace, and the problems of each field."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.specs.spec import Problem
from studio.lib.params import ParamField, describe
from studio.models import ProviderCredential, Workspace
from vault.models import Dataset


@dataclass(frozen=True)
class FormField:
    """One field ready to be rendered. ``options`` are ``(value, label)`` pairs for a select."""

    field: ParamField
    value: Any
    errors: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    @property
    def error(self) -> str:
        """All problems of the field in one text."""
        return " ".join(self.errors)


def options_for(field: ParamField, workspace: Workspace) -> tuple[tuple[str, str], ...]:
    """What a select offers: the field's own choices, or the workspace's datasets or credentials."""
    if field.kind in {"choice", "choices"}:
        return tuple((c, c.replace("_", " ")) for c in field.choices)
    if field.kind == "dataset":
        return tuple((d.slug, d.name) for d in Dataset.objects.filter(workspace=workspace))
    if field.kind == "credential":
        return tuple((c.name, str(c)) for c in ProviderCredential.objects.filter(workspace=workspace))
    return ()


def form_fields(
    step: Any, *, values: Mapping[str, Any], problems: Iterable[Problem], workspace: Workspace
) -> list[FormField]:
    """The fields of a step's form, each with its value (the default when none is given) and its problems."""
    found = list(problems)
    fields = []
    for field in describe(step.Params):
        errors = tuple(f"{p.message} {p.fix}".strip() for p in found if p.field.split(".")[0] == field.name)
        value = values.get(field.name, field.default)
        options = options_for(field, workspace)
        if options or field.kind in {"dataset", "credential"}:
            known = {v for v, _ in options}
            if field.kind != "choices" and value not in (None, "") and value not in known:
                options = ((str(value), f"{value} (not in this workspace)"), *options)
            if field.kind in {"dataset", "credential"}:
                options = (("", "Choose…"), *options)
        fields.append(FormField(field=field, value=value, errors=errors, options=options))
    return fields


def key_params(step: Any, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The first few params that were set, as label and short text, for the outline."""
    shown = 0
    for field in describe(step.Params):
        if field.name in params and shown < 3:
            value = params[field.name]
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            shown += 1
            yield field.label, text if len(text) <= 40 else text[:39] + "…"
