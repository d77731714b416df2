"""What people type in the Vault: the upload and the mapping of a file's columns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django import forms
from django.http import QueryDict

from studio.lib.params import ParamField, describe, parse_form
from vault.browse_form import FilterForm as FilterForm
from vault.readers import Reader

ONE_COLUMN = ("system_column", "completion", "reference", "id", "messages")


class UploadForm(forms.Form):
    """The name of the dataset that files become, and whether there is one of all or one each. The view takes the files."""

    name = forms.CharField(
        max_length=120,
        required=False,
        label="Dataset name",
        help_text="A new name makes a new dataset; the name of a dataset that is here makes its next version. "
        "Left empty, the file's name is used.",
        widget=forms.TextInput(attrs={"class": "input w-full", "autocomplete": "off"}),
    )
    together = forms.ChoiceField(
        choices=(("one", "One dataset of all files"), ("each", "One dataset of each file")),
        required=False,
        initial="one",
        label="Several files become",
        widget=forms.RadioSelect,
    )

    def clean_together(self) -> str:
        """One dataset unless told otherwise."""
        return self.cleaned_data["together"] or "one"


@dataclass(frozen=True)
class MappingField:
    """One input of the mapping form: what it is, what was typed, and what is wrong with that."""

    param: ParamField
    value: Any
    error: str = ""


@dataclass
class Mapping:
    """The mapping form of one reader for one file. ``values`` are the params as typed, not validated yet."""

    reader: type[Reader]
    columns: list[str]
    values: dict[str, Any]
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def basic(self) -> list[MappingField]:
        """The inputs that are always shown."""
        return [self._field(param) for param in describe(self.reader.Params) if not param.advanced]

    @property
    def advanced(self) -> list[MappingField]:
        """The inputs that are folded away."""
        return [self._field(param) for param in describe(self.reader.Params) if param.advanced]

    @property
    def advanced_open(self) -> bool:
        """Whether a folded input differs from its default or is wrong, so that it should be seen."""
        return any(f.error or f.value != f.param.default for f in self.advanced)

    def _field(self, param: ParamField) -> MappingField:
        value = self.values.get(param.name, param.default)
        if self.columns and param.name in ONE_COLUMN:
            choices = tuple(self.columns) if not value or value in self.columns else (value, *self.columns)
            param = replace(param, kind="choice", choices=choices, nullable=True)
        elif self.columns and param.name == "tags":
            param = replace(
                param, kind="choices", choices=tuple(self.columns), help="Columns whose values become tags."
            )
        return MappingField(param, value, self.errors.get(param.name, ""))


def mapping_values(reader: type[Reader], data: QueryDict) -> dict[str, Any]:
    """The params typed into a mapping form, as plain values."""
    typed = {key: "\n".join(map(str, data.getlist(key))) if key == "tags" else str(data[key]) for key in data}
    # PostgreSQL stores no null character in JSON, and no column has one in its name.
    values = parse_form(reader.Params, {key: text.replace("\0", "") for key, text in typed.items()})
    if "tags" in reader.Params.model_fields:
        values.setdefault("tags", [])
    return values
