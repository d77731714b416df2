"""What to show of a version: the filter as data, and the SQL conditions it becomes. Values are always bound, never text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from studio.lib.errors import StudioError

TEXT_FIELDS = ("prompt", "answer", "reference", "system", "id")
NUMBER_FIELDS = ("prompt_chars", "answer_chars")
OPERATORS = {
    "is": "is",
    "not": "is not",
    "contains": "contains",
    "regex": "matches regex",
    "empty": "is empty",
    "filled": "is not empty",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
}
"""Name in the address → how it reads."""

WITHOUT_VALUE = ("empty", "filled")
COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
HAS = {
    "completion": "has_answer",
    "no_completion": "NOT has_answer",
    "reference": "has_reference",
    "differs": "differs",
}


class BadFilter(StudioError):
    """A condition that makes no sense."""


@dataclass(frozen=True)
class Condition:
    """One comparison. ``field``: one of :data:`TEXT_FIELDS` or :data:`NUMBER_FIELDS`, or ``meta.`` and a path."""

    field: str
    op: str = "is"
    value: str = ""

    def check(self) -> None:
        """Raise :class:`BadFilter` unless the field and the operator exist and the value fits them."""
        if self.field not in TEXT_FIELDS + NUMBER_FIELDS and not self.path:
            raise BadFilter(
                f"“{self.field}” is not a field.",
                action=f"Use {', '.join(TEXT_FIELDS + NUMBER_FIELDS)}, or meta. and a name.",
            )
        if self.op not in OPERATORS:
            raise BadFilter(f"“{self.op}” is not a comparison.", action=f"Use one of {', '.join(OPERATORS)}.")
        if self.op in COMPARISONS and as_number(self.value) is None:
            raise BadFilter(f"“{self.value}” is not a number.", action="Numbers look like 12 or 0.5.")

    @property
    def path(self) -> str:
        """The path below ``meta``; empty for another field."""
        return self.field[5:] if self.field.startswith("meta.") else ""


@dataclass(frozen=True)
class Filter:
    """What to show. Empty fields do not filter. ``search``: words that must all occur (quote a phrase).

    ``has``: "completion", "no_completion", "reference" or "differs" (the answer is not the reference). ``flag``,
    ``language``, the tokens and ``group`` (of near-duplicates) are looked up in the profile's facts; ``verdict`` is what
    reviewers said.
    """

    search: str = ""
    label: str = ""
    tag: str = ""
    has: str = ""
    min_chars: int | None = None
    max_chars: int | None = None
    flag: str = ""
    language: str = ""
    min_tokens: int | None = None
    max_tokens: int | None = None
    group: int | None = None
    verdict: str = ""
    conditions: tuple[Condition, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anything is filtered."""
        return self != Filter()

    @property
    def needs_facts(self) -> bool:
        """Whether the profile's facts are asked for."""
        return self.facts_only() != Filter()

    def facts_only(self) -> Filter:
        """The part that only the profile's facts can answer."""
        return Filter(
            flag=self.flag,
            language=self.language,
            min_tokens=self.min_tokens,
            max_tokens=self.max_tokens,
            group=self.group,
        )

    def rows_only(self) -> Filter:
        """The part that the rows themselves answer, without the search."""
        return replace(
            self,
            search="",
            verdict="",
            flag="",
            language="",
            min_tokens=None,
            max_tokens=None,
            group=None,
        )


class Sql(NamedTuple):
    """A condition and its bound values."""

    text: str
    values: list[Any]


def words(search: str) -> list[str]:
    """The lower-cased words and "quoted phrases" of a search."""
    found: list[str] = []
    for index, piece in enumerate(search.lower().split('"')):
        if index % 2:
            found.append(piece)
        else:
            found.extend(piece.split())
    return [word for word in found if word.strip()]


def as_number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None


def both(parts: list[Sql]) -> Sql:
    """All conditions at once; ``true`` when there are none."""
    text = " AND ".join(f"({part.text})" for part in parts) or "true"
    return Sql(text, [value for part in parts for value in part.values])


def compare(expression: Sql, condition: Condition) -> Sql:
    """One condition on an expression that gives text or a number."""
    condition.check()
    text, values, op = expression.text, expression.values, condition.op
    number = as_number(condition.value)
    if op == "empty":
        return Sql(f"coalesce(CAST({text} AS VARCHAR), '') = ''", values)
    if op == "filled":
        return Sql(f"coalesce(CAST({text} AS VARCHAR), '') <> ''", values)
    if op in COMPARISONS:
        return Sql(f"TRY_CAST({text} AS DOUBLE) {COMPARISONS[op]} ?", [*values, number])
    if op == "contains":
        return Sql(f"contains(lower(CAST({text} AS VARCHAR)), ?)", [*values, condition.value.lower()])
    if op == "regex":
        return Sql(f"regexp_matches(CAST({text} AS VARCHAR), ?)", [*values, condition.value])
    if condition.field in NUMBER_FIELDS:
        equal = Sql(f"{text} = ?", [*values, number])
    elif number is not None and condition.path:
        # 0.5 and 0.50 are one number, however a file wrote it.
        equal = Sql(f"({text} = ? OR TRY_CAST({text} AS DOUBLE) = ?)", [*values, condition.value, *values, number])
    else:
        equal = Sql(f"{text} = ?", [*values, condition.value])
    return Sql(f"NOT coalesce({equal.text}, false)", equal.values) if op == "not" else equal


def facts_where(wanted: Filter) -> Sql:
    """The condition on the profile's facts."""
    parts: list[Sql] = []
    if wanted.flag:
        kinds = f"{wanted.flag}:"
        parts.append(
            Sql(
                "list_contains(flags, ?) OR len(list_filter(flags, lambda f: starts_with(f, ?))) > 0",
                [wanted.flag, kinds],
            )
        )
    if wanted.language:
        parts.append(Sql("language = ?", [wanted.language]))
    if wanted.group is not None:
        parts.append(Sql("near_group = ?", [wanted.group]))
    for bound, operator in ((wanted.min_tokens, ">="), (wanted.max_tokens, "<=")):
        if bound is not None:
            parts.append(Sql(f"tokens {operator} ?", [bound]))
    return both(parts)
