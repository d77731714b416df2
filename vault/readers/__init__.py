"""Readers: foreign files become rows at the door. One format = one file here + one line in ``studio.registries``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vault.readers.base import Reader, ReaderError, RowError
from vault.readers.text import read_head, refuse_binary

__all__ = ["Reader", "ReaderError", "RowError", "recognise"]


def recognise(path: Path, readers: Iterable[tuple[str, type[Reader]]], *, name: str = "") -> str:
    """The name of the first reader that knows the file's beginning.

    Raises :class:`ReaderError` for an empty or binary file, and for text that no reader knows.
    """
    shown = name or path.name
    head = read_head(path)
    refuse_binary(head, shown)
    for key, reader in readers:
        if reader().sniff(head, shown):
            return key
    raise ReaderError(f"{shown} is in no known format.", action="Upload CSV, TSV or JSON lines.")
