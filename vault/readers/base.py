"""What a reader is: it recognises a format and turns its lines into rows, or says line by line why it cannot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from studio.lib.errors import StudioError
from studio.lib.params import BaseParams, param
from vault.rows import Row

EXCERPT = 160

EncodingName = Literal[
    "auto", "utf-8", "utf-16", "cp1252", "latin-1", "cp1250", "cp1251", "shift_jis", "gb18030", "euc_kr", "big5"
]


class ReaderError(StudioError):
    """The file as a whole cannot be read; ``action`` says what to do."""


class BadRow(Exception):
    """One record cannot become a row: raised inside a reader, which turns it into a :class:`RowError`."""

    def __init__(self, reason: str, *, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class RowError:
    """A line that did not become a row. ``line`` counts from 1, ``column`` is a field's name or a character position
    (empty when unknown), ``excerpt`` is the start of the line, ``file`` names the file inside a folder (empty for one file).
    In Parquet, Arrow and spreadsheets a line is a row of the table."""

    line: int
    column: str
    reason: str
    excerpt: str = ""
    file: str = ""


class TextParams(BaseParams):
    """What every text format may be told."""

    encoding: EncodingName = param(
        "auto",
        label="Encoding",
        help="How the file's bytes become letters. Automatic detection reports what it chose.",
        advanced=True,
    )
    repeated: Literal["keep", "refuse"] = param(
        "keep",
        label="Rows with an id that came before",
        help="Without an id of its own a row is named by its prompt. keep: all stay, numbered -2, -3, … "
        "refuse: only the first stays, the others are listed as problems.",
        advanced=True,
    )


class Reader(ABC):
    """Base class of all readers. A reader keeps no state: one object can read many files.

    ``label`` and ``description`` are what the upload page shows.
    """

    label: ClassVar[str]
    description: ClassVar[str]

    class Params(TextParams):
        """A reader whose format says everything by itself."""

    @abstractmethod
    def sniff(self, first: dict[str, Any] | None) -> bool:
        """Whether a file whose first record is ``first`` is this format. None: a file of plain cells (CSV, a spreadsheet)."""

    @abstractmethod
    def rows(self, path: Path, params: Any) -> Iterator[Row | RowError]:
        """Every record of the file, or of the files of the folder ``path``, in order. ``row.meta["source"]`` says where it
        stood: ``line`` and, in a folder, ``part`` (the file's name inside it).

        Memory is bounded by one record (16 MiB), or one batch of a Parquet or Arrow file. Raises :class:`ReaderError` when
        the file as a whole is unreadable.
        """

    def columns(self, path: Path, params: Any) -> list[str]:
        """The names that a mapping may use; empty for a format without a mapping."""
        return []

    def suggest(self, path: Path) -> dict[str, Any]:
        """Params to start the preview with, guessed from the file."""
        return {}

    def problems(self, path: Path, params: Any) -> list[tuple[str, str]]:
        """``(field, message)`` for each param that does not fit this file."""
        return []


def excerpt(text: str) -> str:
    """The start of a line, short enough for a table of problems."""
    flat = " ".join(text[: EXCERPT * 2].split())
    return flat if len(flat) <= EXCERPT else flat[: EXCERPT - 1] + "…"
