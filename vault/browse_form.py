"""The row browser's address read and written: filter, sort and page as query parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from vault.query import BadFilter, Condition, Filter, regex_problem
from vault.query.filters import WITHOUT_VALUE

HAS = (
    ("", "All rows"),
    ("completion", "With an answer"),
    ("no_completion", "Without an answer"),
    ("reference", "With a reference"),
    ("differs", "Answer differs from reference"),
)
VERDICTS = (
    ("accepted", "Accepted"),
    ("edited", "Edited"),
    ("rejected", "Rejected"),
    ("skipped", "Skipped"),
    ("none", "Not reviewed"),
)
SORT = re.compile(r"-?(row|prompt|answer|tokens|label|meta\..+)", re.DOTALL)
MOST_CONDITIONS = 12


def _whole(*, least: int = 0) -> forms.IntegerField:
    return forms.IntegerField(required=False, min_value=least, max_value=2**62)


def _text(length: int = 2000) -> forms.CharField:
    return forms.CharField(required=False, max_length=length, strip=False)


class FilterForm(forms.Form):
    """The filter of a row browser, all of it in the address. What makes no sense is said, and does not filter."""

    q = forms.CharField(required=False, max_length=200, strip=True)
    label = _text()
    tag = _text()
    has = forms.ChoiceField(required=False, choices=HAS)
    min = _whole()
    max = _whole()
    flag = _text(100)
    language = _text(40)
    min_tokens = _whole()
    max_tokens = _whole()
    group = _whole()
    verdict = forms.ChoiceField(required=False, choices=(("", "Any"), *VERDICTS))
    sort = _text(300)
    after = _whole(least=-1)
    before = _whole()

    def clean_sort(self) -> str:
        """An order that exists; "row" is no order."""
        name = str(self.cleaned_data["sort"])
        if name and not SORT.fullmatch(name):
            raise forms.ValidationError(f"Rows can't be sorted by “{name[:60]}”.")
        return "" if name == "row" else name

    def clean(self) -> dict[str, Any]:
        """Read the conditions, which come as three lists."""
        self.cleaned_data["conditions"] = ()
        try:
            self.cleaned_data["conditions"] = read_conditions(self.data)
        except BadFilter as error:
            self.add_error(None, f"{error} {error.action}".strip())
        return self.cleaned_data

    def wanted(self) -> Filter:
        """The filter; a field that makes no sense does not filter."""
        self.full_clean()
        clean = self.cleaned_data
        return Filter(
            search=clean.get("q") or "",
            label=clean.get("label") or "",
            tag=clean.get("tag") or "",
            has=clean.get("has") or "",
            min_chars=clean.get("min"),
            max_chars=clean.get("max"),
            flag=clean.get("flag") or "",
            language=clean.get("language") or "",
            min_tokens=clean.get("min_tokens"),
            max_tokens=clean.get("max_tokens"),
            group=clean.get("group"),
            verdict=clean.get("verdict") or "",
            conditions=clean.get("conditions", ()),
        )

    @property
    def order(self) -> str:
        """The order of the rows; call after :meth:`wanted`."""
        return str(self.cleaned_data.get("sort") or "")

    @property
    def problems(self) -> list[str]:
        """What made no sense, in words."""
        names = {"__all__": "", "q": "Search: ", "sort": "", "min": "At least: ", "max": "At most: "}
        return [
            f"{names.get(name, name.replace('_', ' ').capitalize() + ': ')}{message}"
            for name, messages in self.errors.items()
            for message in messages
        ]


def read_conditions(data: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of ``field``, ``op`` and ``value``. Raises ``BadFilter`` for what makes no sense."""
    fields, ops, values = (_listed(data, name) for name in ("field", "op", "value"))
    if not ops:
        ops = ["is"] * len(fields)
    values += [""] * (len(fields) - len(values))
    if len(ops) != len(fields) or len(values) != len(fields):
        raise BadFilter("A condition is incomplete.", action="Each field needs a comparison and a value.")
    found = []
    for name, op, value in zip(fields[:MOST_CONDITIONS], ops, values, strict=False):
        # An empty line of the form says nothing; "is" with an empty value would find nothing.
        if not name or (value == "" and op not in WITHOUT_VALUE):
            continue
        condition = Condition(name[:300], op, "" if op in WITHOUT_VALUE else value[:2000])
        condition.check()
        if op == "regex" and (problem := regex_problem(condition.value, root=settings.DATA_ROOT)):
            raise BadFilter(f"“{condition.value}” is not a pattern: {problem}.", action="Patterns are RE2's.")
        found.append(condition)
    return tuple(dict.fromkeys(found))


def _listed(data: Mapping[str, Any], name: str) -> list[str]:
    found = data.getlist(name) if isinstance(data, QueryDict) else data.get(name, [])
    return [str(item) for item in ([found] if isinstance(found, str) else found)]


def filter_values(wanted: Filter) -> dict[str, Any]:
    """A filter as the query parameters that :class:`FilterForm` reads, those in use only; lists for repeated ones."""
    pairs = {
        "q": wanted.search,
        "label": wanted.label,
        "tag": wanted.tag,
        "has": wanted.has,
        "min": wanted.min_chars,
        "max": wanted.max_chars,
        "flag": wanted.flag,
        "language": wanted.language,
        "min_tokens": wanted.min_tokens,
        "max_tokens": wanted.max_tokens,
        "group": wanted.group,
        "verdict": wanted.verdict,
    }
    found: dict[str, Any] = {key: str(value) for key, value in pairs.items() if value not in ("", None)}
    if wanted.conditions:
        found["field"] = [one.field for one in wanted.conditions]
        found["op"] = [one.op for one in wanted.conditions]
        found["value"] = [one.value for one in wanted.conditions]
    return found
