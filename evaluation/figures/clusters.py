"""Which held-out rows belong together, so that ten turns of one conversation are not counted as ten proofs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vault.lineage import group_of, question_key
from vault.rows import Row

AUTO, NONE, PROMPT, SOURCE = "auto", "none", "prompt", "source"
CLUSTERS_FILE = "clusters.npy"
ALONE = -1


class Clusters(NamedTuple):
    """``names``: one a row, None for a row that stands alone. ``by``: what ties them, in words."""

    names: list[str | None]
    by: str

    def at(self, positions: Sequence[int]) -> list[str | None]:
        """The names of the rows at these positions."""
        return [self.names[p] for p in positions]


def find_clusters(rows: Sequence[Row], field: str) -> Clusters | None:
    """The rows' clusters by ``field``, or None when every row stands alone.

    ``auto``: rows of one conversation, and several answers to one question. ``prompt``: the same question whatever its case
    and spaces. ``source``: the same file. Anything else: the same value of that field of ``meta``.
    """
    field = field.strip() or NONE
    if field == NONE:
        return None
    if field == AUTO:
        names = [_of_conversation(row) for row in rows]
        by = "conversation or question asked more than once"
    elif field == PROMPT:
        names, by = [question_key(row) for row in rows], "question"
    elif field == SOURCE:
        names, by = [source_of(row) for row in rows], "source file"
    else:
        names, by = [group_of(row, field) for row in rows], field
    counts = Counter(name for name in names if name is not None)
    shared = [name if name is not None and counts[name] > 1 else None for name in names]
    return Clusters(shared, by) if any(shared) else None


def keep_clusters(folder: Path, clusters: Clusters | None) -> None:
    """Write which rows belong together beside a report's items: one number a row, -1 for a row that stands alone. No file
    where every row does."""
    import numpy as np

    if clusters is None:
        return
    numbers: dict[str, int] = {}
    found = [ALONE if name is None else numbers.setdefault(name, len(numbers)) for name in clusters.names]
    np.save(folder / CLUSTERS_FILE, np.asarray(found, dtype=np.int32), allow_pickle=False)


def kept_clusters(folder: Path) -> list[int | None] | None:
    """The number of every row's cluster as :func:`keep_clusters` wrote it, None for a row of its own; None without the file."""
    import numpy as np

    file = folder / CLUSTERS_FILE
    if not file.is_file():
        return None
    return [None if number == ALONE else number for number in np.load(file, allow_pickle=False).tolist()]


def _of_conversation(row: Row) -> str | None:
    talk = group_of(row, "conversation")
    return f"talk\n{talk}" if talk is not None else f"question\n{question_key(row)}"


def source_of(row: Row) -> str | None:
    """The file or the named source that a row came from, or None."""
    source = row.meta.get("source")
    if isinstance(source, dict):
        source = source.get("file") or source.get("dataset") or source.get("name")
    return str(source) if source else None
