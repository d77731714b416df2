"""A version on its way out: one file in a format, or a zip of it with its card. Streamed, so that size does not matter."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from studio import audit
from vault import cards, store
from vault.exporters import ROW_EXPORTERS
from vault.exporters.base import RowExporter
from vault.exporters.csv_table import guard
from vault.exporters.parquet import Sink
from vault.models import DatasetVersion
from vault.rights import check_export
from vault.rows import read_rows, to_json

__all__ = ["FORMATS", "file_name", "guard", "left_out", "record_export", "stream", "whole", "zipped"]

FORMATS: tuple[str, ...] = tuple(ROW_EXPORTERS)
COUNTED_ROWS = 50_000
"""Versions up to this size are looked through for rows that a format can't carry before anything is downloaded."""


def exporter_of(wanted: str) -> RowExporter:
    """The exporter of this name; raises ``UnknownName``."""
    made: RowExporter = ROW_EXPORTERS[wanted]()
    return made


def file_name(version: DatasetVersion, wanted: str) -> str:
    """``tickets-v3.jsonl``; formats that share a suffix have their name in it: ``tickets-v3.alpaca.jsonl``."""
    kind = "" if wanted in ("jsonl", "csv", "parquet") else f".{wanted.replace('_', '-')}"
    return f"{version.dataset.slug}-v{version.number}{kind}.{ROW_EXPORTERS[wanted].suffix}"


def whole(folder: Path, wanted: str = "jsonl") -> Iterator[bytes]:
    """A dataset folder as a file of this format, in pieces; rows that it can't carry are left out."""
    return exporter_of(wanted).chunks(read_rows(folder))


def stream(version: DatasetVersion, wanted: str) -> Iterator[bytes]:
    """A version as a file of this format, in pieces. Raises ``rights.Refused`` before the first one."""
    check_export(version)
    return whole(store.path(version.artifact), wanted)


def left_out(version: DatasetVersion, wanted: str) -> int | None:
    """How many rows the format can't carry; None when the version is too large to look first."""
    if not ROW_EXPORTERS[wanted].leaves_out:
        return 0
    return _left_out(store.path(version.artifact), wanted) if version.rows <= COUNTED_ROWS else None


@lru_cache(maxsize=256)
def _left_out(folder: Path, wanted: str) -> int:
    """Remembered: a version's folder never changes."""
    exporter = exporter_of(wanted)
    return sum(bool(exporter.misfit(row)) for row in read_rows(folder))


def record_export(version: DatasetVersion, wanted: str, *, by: Any, bundle: bool = False) -> None:
    """Note in the trail who took the rows away, in which format."""
    audit.record(
        version.dataset.workspace,
        actor=by,
        verb="exported",
        subject=str(version),
        details={"format": wanted, "rows": version.rows, "zip": bundle},
    )


def zipped(version: DatasetVersion, wanted: str, *, beat: Callable[[int], None] = lambda done: None) -> Iterator[bytes]:
    """A zip of the rows in this format, the dataset card and, where there are any, the rows that the format can't carry with
    the reason of each (as Studio JSON lines). Raises ``rights.Refused`` before the first piece."""
    rights = check_export(version)
    return _zip(version, wanted, rights, beat)


def _zip(version: DatasetVersion, wanted: str, rights: Any, beat: Callable[[int], None]) -> Iterator[bytes]:
    sink = Sink()
    reasons: dict[str, int] = {}
    folder = store.path(version.artifact)
    exporter = exporter_of(wanted)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(file_name(version, wanted), "w", force_zip64=True) as out:
            for piece in exporter.chunks(read_rows(folder), left_out=lambda _, reason: _count(reasons, reason)):
                out.write(piece)
                yield sink.taken()
        if reasons:
            with archive.open("left-out.jsonl", "w", force_zip64=True) as out:
                yield from _misfits(folder, exporter, out, sink)
        card = cards.card(version, rights, wanted=wanted, file=file_name(version, wanted), left_out=reasons)
        archive.writestr("README.md", card)
    yield sink.taken()


def _count(reasons: dict[str, int], reason: str) -> None:
    reasons[reason] = reasons.get(reason, 0) + 1


def _misfits(folder: Path, exporter: RowExporter, out: Any, sink: Sink) -> Iterator[bytes]:
    misfits = ((row, exporter.misfit(row)) for row in read_rows(folder))
    lines = (json.dumps(to_json(row) | {"left_out": why}, ensure_ascii=False) + "\n" for row, why in misfits if why)
    while batch := list(islice(lines, 500)):
        out.write("".join(batch).encode())
        yield sink.taken()
