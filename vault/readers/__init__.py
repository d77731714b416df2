"""Readers: foreign files become rows at the door. One format = one file here + one line in ``studio.registries``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vault.readers.base import Reader, ReaderError, RowError
from vault.readers.records import first_record

__all__ = ["Reader", "ReaderError", "RowError", "recognise"]


def recognise(path: Path, readers: Iterable[tuple[str, type[Reader]]], *, name: str = "") -> str:
    """The name of the first reader that knows the first record of a file or folder.

    Raises :class:`ReaderError` for an empty or binary file, and for what no reader knows. ``name`` is what the user calls it.
    """
    try:
        first = first_record(path)
    except ReaderError as error:
        if name and name != path.name:
            raise ReaderError(str(error).replace(path.name, name), action=error.action) from None
        raise
    for key, reader in readers:
        if reader().sniff(first):
            return key
    raise ReaderError(f"{name or path.name} is in no known format.", action="Upload a table or JSON lines.")
