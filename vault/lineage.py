"""What ties rows together: the same question, the row one was made from, the conversation they belong to.

Rows know where they come from by ``meta["derived_from"]`` (ids of rows), ``meta["sample_of"]`` (the row of which it is
another answer) and ``meta["source"]`` (file and line). Ids that are a hash of a prompt mean the same everywhere; an id that
a file brought (``"17"``) means something only together with that file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vault.rows import ROWS_FILE, Row, normalise, prompt_id, text_of

_HASHED = re.compile(r"[0-9a-f]{16}(-.+)?")


def question(row: Row) -> str:
    """What was asked, as text: all messages of the prompt but the system prompt, one after the other."""
    return "\n".join(text_of(m) or "" for m in row.prompt if m.get("role") != "system")


def question_key(row: Row) -> str:
    """The same for questions that differ only in case, spaces, punctuation or system prompt: 32 hex digits."""
    texts = [(m.get("role", ""), text_of(m) or "") for m in row.prompt if m.get("role") != "system"]
    # A prompt of nothing but signs ("?!", an emoji) has no normalised text: it stands for itself.
    return _hash("\n".join(f"{role}:{normalise(content) or content}" for role, content in texts))


def exact_key(row: Row) -> str:
    """The same for questions that are equal letter for letter, whatever their system prompt: 32 hex digits."""
    return _hash(json.dumps([m for m in row.prompt if m.get("role") != "system"], sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def qualified(name: str, meta: Mapping[str, Any]) -> str:
    """An id that means one row: as it is when it is a hash of a prompt, else together with the row's file."""
    source = meta.get("source")
    file = source.get("file") if isinstance(source, Mapping) else None
    return name if not file or _HASHED.fullmatch(name) else f"{file}\n{name}"


def parents(meta: Mapping[str, Any]) -> list[str]:
    """The ids of the rows that a row with this ``meta`` was made from, directly or further back; none for a row of a file."""
    derived = meta.get("derived_from")
    found = [str(one) for one in derived] if isinstance(derived, list) else []
    if isinstance(meta.get("sample_of"), str):
        found.append(meta["sample_of"])
    return [qualified(one, meta) for one in found]


def names(row: Row) -> list[str]:
    """The ids by which other rows may refer to this one: its own and the hash of its prompt."""
    return [qualified(row.id, row.meta), prompt_id(row.prompt)]


def group_of(row: Row, field: str) -> str | None:
    """What a row shares with others under ``meta[field]``: a conversation, a document, a customer. None without one.

    A value that is a mapping is known by its ``id``. The value counts together with the row's file, as an id does.
    """
    value = row.meta.get(field)
    if isinstance(value, Mapping):
        value = value.get("id")
    if value is None or value == "" or isinstance(value, Mapping | list):
        return None
    return qualified(str(value), row.meta)


class Families:
    """Rows that were made from each other or from a common row, by their ids."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def tie(self, *ids: str) -> None:
        """These ids are of one family."""
        first = self.of(ids[0])
        for other in ids[1:]:
            self._parent[self.of(other)] = first
        self._parent.setdefault(first, first)

    def of(self, name: str) -> str:
        """The family of an id, named after one of its members; an id that was never tied is its own."""
        path = []
        while (above := self._parent.get(name, name)) != name:
            path.append(name)
            name = above
        for below in path:
            self._parent[below] = name
        return name

    def read(self, folder: Path) -> int:
        """Tie every row of a dataset folder to the rows it was made from; returns how many were. Only their ``meta`` is read."""
        count = 0
        for name, meta in _made_rows(folder):
            above = parents(meta)
            if above:
                self.tie(qualified(name, meta), *above)
                count += 1
        return count


def _made_rows(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """``(id, meta)`` of the rows that say from which row they come."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(folder / ROWS_FILE) as source:
        for batch in source.iter_batches(batch_size=10_000, columns=["id", "meta"]):
            for name, meta in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if meta and ('"derived_from"' in meta or '"sample_of"' in meta):
                    yield name, json.loads(meta)
