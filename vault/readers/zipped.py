"""ZIP files opened with care: how large their table of contents may be, and what kind of document they really are."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from vault.readers.base import ReaderError

ENTRIES = 10_000
CONTENTS = 8 << 20
"""Largest table of contents, in bytes: it is read into memory before anything else can be judged."""
END = b"PK\x05\x06"
TAIL = 65_557
BROKEN = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    struct.error,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    IndexError,
    KeyError,
)
"""What the standard library raises for a damaged archive."""


def open_zip(path: Path) -> zipfile.ZipFile:
    """A ZIP file whose table of contents is small enough to hold; raises :class:`ReaderError` when it is not, or damaged."""
    with path.open("rb") as source:
        size = source.seek(0, 2)
        source.seek(max(0, size - TAIL))
        tail = source.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        raise ReaderError(
            f"{path.name} begins like a ZIP archive and ends too early: it is damaged or was cut off.",
            action="Make or download the archive again.",
        )
    count, contents = struct.unpack("<HI", tail[at + 10 : at + 16])
    if contents > CONTENTS or count > ENTRIES:
        raise ReaderError(
            f"{path.name} holds more than {ENTRIES:,} files.", action="Upload fewer, larger files in one archive."
        )
    try:
        return zipfile.ZipFile(path)
    except BROKEN as error:
        raise ReaderError(
            f"{path.name} is a damaged ZIP archive: {error}.", action="Make or download the archive again."
        ) from None


def document_kind(path: Path) -> str:
    """What a ZIP file is: ``xlsx``, the name of another kind of document, or an empty string for a plain archive."""
    with open_zip(path) as archive:
        names = set(archive.namelist())
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        return "a binary spreadsheet (XLSB)"
    if "word/document.xml" in names:
        return "a Word document"
    if "ppt/presentation.xml" in names:
        return "a PowerPoint presentation"
    if {"mimetype", "content.xml"} <= names:
        return "an OpenDocument file"
    return ""
