"""Choosing rows by chance, the same ones every time: groups of rows, their seeded order, and how many to take of each.

A row's place in the order is a hash of the seed, its id and how often that id was seen before. So the order of the file does
not matter, and rows added later push out only a few of those chosen before. Memory: 16 bytes a row and the group names.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from vault.rows import Row, normalise

By = Literal["label", "tag"]
UNGROUPED = ""
"""The group of rows without a label or without any of the tags."""


@dataclass
class Groups:
    """``names``: group → how it is shown. ``of``: the group's number of each row, in order. ``places``: each row's hash."""

    names: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    of: array[int] = field(default_factory=lambda: array("q"))
    places: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def keys(self) -> list[str]:
        """Group by number."""
        return list(self.numbers)

    def sizes(self) -> Counter[str]:
        """Rows of each group, in order of appearance."""
        keys, counted = self.keys, Counter(self.of)
        return Counter({keys[number]: counted[number] for number in range(len(keys))})

    def members(self) -> dict[str, Any]:
        """Group → positions of its rows, in the order in which they are chosen."""
        import numpy as np

        of, places = np.asarray(self.of, dtype=np.int64), np.asarray(self.places, dtype=np.uint64)
        order = np.lexsort((np.arange(len(of)), places, of))
        bounds = np.searchsorted(of[order], np.arange(len(self.numbers) + 1))
        return {key: order[bounds[n] : bounds[n + 1]] for n, key in enumerate(self.keys)}


def group_rows(rows: Iterable[Row], *, key: Callable[[Row], tuple[str, str]], seed: int) -> Groups:
    """One pass over the rows; ``key`` gives a row's group and how it is shown."""
    found = Groups()
    seen: Counter[str] = Counter()
    for row in rows:
        group, shown = key(row)
        found.names.setdefault(group, shown)
        found.of.append(found.numbers.setdefault(group, len(found.numbers)))
        digest = hashlib.blake2b(f"{seed}\0{seen[row.id]}\0{row.id}".encode("utf-8", "surrogatepass"), digest_size=8)
        seen[row.id] += 1
        found.places.append(int.from_bytes(digest.digest(), "big"))
    return found


def key_for(by: By, *, tags: Sequence[str] = ()) -> Callable[[Row], tuple[str, str]]:
    """What groups rows: their label (the reference, else the answer, without regard to case and punctuation), or the first
    of ``tags`` that they have (without a list: their first tag)."""
    if by == "label":
        return label_of

    def tag_of(row: Row) -> tuple[str, str]:
        tag = next((t for t in tags if t in row.tags), UNGROUPED) if tags else next(iter(row.tags), UNGROUPED)
        return tag, tag

    return tag_of


def label_of(row: Row) -> tuple[str, str]:
    """A row's label for comparing, and as it is spelt."""
    text = (row.reference_text if row.reference is not None else row.completion_text) or ""
    return normalise(text) or text.strip(), text.strip()


def apportion(total: int, sizes: Mapping[str, int]) -> dict[str, int]:
    """``total`` places shared out in proportion to ``sizes``, exactly, none getting more than its size: largest remainders
    (Hamilton's method); equal remainders go to the larger group, then by name."""
    rows = sum(sizes.values())
    total = min(total, rows)
    if rows == 0:
        return dict.fromkeys(sizes, 0)
    whole = {key: total * size // rows for key, size in sizes.items()}
    order = sorted(sizes, key=lambda key: (-(total * sizes[key] % rows), -sizes[key], key))
    for key in order[: total - sum(whole.values())]:
        whole[key] += 1
    return whole
