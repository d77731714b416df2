"""The two places a version's rows are asked in: its own Parquet file, and the index a worker made of it.

Both answer the same questions with the same rows; the index has the fields as plain columns and is several times faster.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vault.query.filters import HAS, Condition, Filter, Sql, both, compare
from vault.rows import ROWS_FILE

LABEL_CHARS = 200
"""A longer answer is no label, and texts are sorted by this many of their characters."""

COLUMNS_FILE = "columns.parquet"
ABOUT_FILE = "about.json"
ANSWER = "json_extract_string(completion, '$.content')"
REFERENCE = "json_extract_string(reference, '$.content')"
PROMPT = "array_to_string(json_extract_string(prompt, '$[*].content'), chr(10))"
PROMPT_CHARS = "coalesce(list_sum(list_transform(json_extract_string(prompt, '$[*].content'), lambda x: length(x))), 0)"
SORTS = {"prompt": "prompt_chars", "answer": "answer_chars", "label": "answer"}
"""Name of a sort in the address → the field it sorts by. Others are "row", "tokens", and ``meta.`` and a path."""

RAW = {
    "id": "id",
    "prompt": PROMPT,
    "answer": ANSWER,
    "reference": REFERENCE,
    "system": "CASE WHEN json_extract_string(prompt, '$[0].role') = 'system' THEN json_extract_string(prompt, '$[0].content') END",
    "prompt_chars": PROMPT_CHARS,
    "answer_chars": f"length({ANSWER})",
    "has_answer": "completion IS NOT NULL",
    "has_reference": "reference IS NOT NULL",
    "differs": f"completion IS NOT NULL AND reference IS NOT NULL AND {ANSWER} IS DISTINCT FROM {REFERENCE}",
    "tags": "json_extract_string(tags, '$[*]')",
}
"""Every field as an expression over ``rows.parquet``."""


@dataclass(frozen=True)
class RowsFile:
    """A version's own file: fields are taken out of its JSON columns."""

    file: str

    def expression(self, name: str) -> Sql | None:
        """A field as SQL; None when no row has it."""
        if name.startswith("meta."):
            # A JSON pointer: the one way to write a path in which any character may occur.
            steps = name[5:].replace("~", "~0").replace("/", "~1").split(".")
            return Sql("json_extract_string(meta, ?)", ["/" + "/".join(steps)])
        return Sql(RAW[name], [])


@dataclass(frozen=True)
class IndexFile:
    """The index: every field is a column."""

    file: str
    paths: dict[str, str] = field(hash=False)
    """Path below ``meta`` → its column."""

    def expression(self, name: str) -> Sql | None:
        """A field as SQL; None when no row has it."""
        if name.startswith("meta."):
            column = self.paths.get(name[5:])
            return Sql(column, []) if column else None
        return Sql(name, [])


Source = RowsFile | IndexFile


def rows_where(wanted: Filter, source: Source) -> Sql:
    """The condition of everything but the search, the profile's facts and the verdict."""
    parts: list[Sql] = []

    def add(name: str, template: str, *values: Any) -> None:
        expression = source.expression(name)
        assert expression is not None
        parts.append(Sql(template.format(f"({expression.text})"), [*expression.values, *values]))

    if wanted.label:
        add("answer", "{} = ?", wanted.label)
    if wanted.tag:
        add("tags", "list_contains({}, ?)", wanted.tag)
    if wanted.has in HAS:
        negated, _, name = HAS[wanted.has].rpartition(" ")
        add(name, f"{negated} {{}}".strip())
    for bound, operator in ((wanted.min_chars, ">="), (wanted.max_chars, "<=")):
        if bound is not None:
            add("prompt_chars", f"{{}} {operator} ?", bound)
    parts += [_condition(condition, source) for condition in wanted.conditions]
    return both(parts)


def _condition(condition: Condition, source: Source) -> Sql:
    condition.check()
    return compare(source.expression(condition.field) or Sql("NULL", []), condition)


@dataclass(frozen=True)
class Index:
    """The index of a version in ``folder``, as :mod:`vault.browse_index` made it."""

    folder: Path
    about: dict[str, Any] = field(hash=False, compare=False)

    @property
    def source(self) -> IndexFile:
        """Where its columns are asked."""
        return IndexFile(str(self.folder / COLUMNS_FILE), self.about["paths"])

    def covers(self, path: str) -> bool:
        """Whether it knows this path below ``meta``: it has a column, or no row has such a value."""
        return path in self.about["paths"] or self.about["complete"]

    def order(self, name: str) -> tuple[npt.NDArray[np.int32], int] | None:
        """Positions sorted by a field, smallest first, rows without a value last; and how many rows have a value."""
        known = self.about["orders"].get(name)
        if known is None:
            return None
        return np.load(self.folder / f"order-{known['file']}.npy", mmap_mode="r"), known["values"]


@lru_cache(maxsize=64)
def open_index(folder: Path) -> Index | None:
    """The index in ``folder``. It never changes once it is there."""
    return Index(folder, json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8")))


def rows_source(folder: Path) -> RowsFile:
    """The rows of a dataset folder."""
    return RowsFile(str(folder / ROWS_FILE))


def leaves(meta: Mapping[str, Any], *, deepest: int = 3) -> list[tuple[str, Any]]:
    """``(path, value)`` of everything in a row's ``meta`` that is not an object itself; objects below the depth are values."""
    found: list[tuple[str, Any]] = []

    def walk(value: Mapping[str, Any], before: str, depth: int) -> None:
        for key, inner in value.items():
            if isinstance(inner, dict) and depth < deepest:
                walk(inner, f"{before}{key}.", depth + 1)
            else:
                found.append((f"{before}{key}", inner))

    walk(meta, "", 1)
    return found
