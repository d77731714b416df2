"""Tables of named variants, stored as dotted-path strings and imported on first use.

A table is a plain ``dict[str, str]`` (name → ``"package.module:Class"``), so listing the names costs no import and a
variant is deleted by deleting its file and its line.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any


class UnknownName(LookupError):
    """A name that a table does not hold; the message lists close matches."""


def close_matches(name: str, names: Mapping[str, Any] | list[str]) -> str:
    """``"Did you mean 'x'?"`` for the nearest known names, or the sorted list of all of them."""
    known = sorted(names)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return "Did you mean " + " or ".join(f"'{n}'" for n in near) + "?"
    return "Known: " + ", ".join(known) + "."


@cache
def load(path: str) -> Any:
    """Import ``"package.module:Name"`` and return the object."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


class Registry:
    """One table of variants: ``registry["name"]`` imports the class, iteration gives the names in table order."""

    def __init__(self, what: str, table: Mapping[str, str]) -> None:
        self.what = what
        self.table = dict(table)

    def __getitem__(self, name: str) -> Any:
        """The class registered under ``name``; raises :class:`UnknownName` with close matches."""
        try:
            path = self.table[name]
        except KeyError:
            raise UnknownName(f"There is no {self.what} '{name}'. {close_matches(name, self.table)}") from None
        return load(path)

    def get(self, name: str) -> Any:
        """The class registered under ``name``, or None."""
        return self[name] if name in self.table else None

    def __contains__(self, name: object) -> bool:
        return name in self.table

    def __iter__(self) -> Iterator[str]:
        return iter(self.table)

    def __len__(self) -> int:
        return len(self.table)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Every ``(name, class)``, importing each."""
        for name in self.table:
            yield name, self[name]
