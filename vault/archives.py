"""Compressed files and archives, unpacked with limits before anything reads them: gzip, Zstandard, ZIP.

An archive's own words (sizes, names, types) are believed only as far as they can do no harm: names never become paths, sizes
are counted while unpacking, and what lies inside is looked at again.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from studio.lib.disk import is_disk_full
from vault.readers.base import ReaderError
from vault.readers.folder import holds_data
from vault.readers.text import read_head
from vault.readers.zipped import BROKEN, document_kind, open_zip

CHUNK = 1 << 20
PACKED = re.compile(r"\.(gz|gzip|tgz|zst|zstd|bz2|xz|zip|7z|rar|tar)$", re.IGNORECASE)
UNSAFE = re.compile(r"[^\w.-]+")
GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
INSIDE: tuple[tuple[int, bytes, str], ...] = (
    (0, GZIP, "gzip"),
    (0, ZSTD, "Zstandard"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\x00", "XZ"),
    (0, b"7z\xbc\xaf\x27\x1c", "7-Zip"),
    (0, b"Rar!\x1a\x07", "RAR"),
    (257, b"ustar", "TAR"),
)
"""Archives that may not lie inside another, by the bytes at an offset."""


@dataclass(frozen=True)
class Limits:
    """How far unpacking may go: bytes written in all, files in one archive, and how many times its size it may grow to.

    ``free_bytes``: what may be written whatever the ratio is, because so much does no harm.
    """

    total_bytes: int = 20 << 30
    entries: int = 1_000
    ratio: int = 200
    free_bytes: int = 256 << 20


DEFAULT = Limits()


def _no_beat() -> None:
    """The default for callers that need not show they are alive."""


class _Budget:
    """Counts what is written and raises :class:`ReaderError` where a limit is passed."""

    def __init__(self, path: Path, limits: Limits, beat: Callable[[], None]) -> None:
        self.path, self.limits, self.beat = path, limits, beat
        self.packed = max(1, path.stat().st_size)
        self.written = 0

    def take(self, size: int) -> None:
        """``size`` more bytes are about to be written."""
        self.written += size
        self.beat()
        if self.written > self.limits.total_bytes:
            raise ReaderError(
                f"{self.path.name} unpacks to more than {self.limits.total_bytes:,} bytes.",
                action="Upload it in several smaller files.",
            )
        if self.written > max(self.limits.free_bytes, self.packed * self.limits.ratio):
            raise ReaderError(
                f"{self.path.name} unpacks to more than {self.limits.ratio:,} times its size, as a zip bomb does; it was not "
                "unpacked.",
                action="If it is what it should be, unpack it and upload the file inside.",
            )


def is_packed(path: Path) -> bool:
    """Whether a file is compressed or an archive that :func:`expand` unpacks (an XLSX workbook is not, to a reader)."""
    head = read_head(path)
    if head.startswith((GZIP, ZSTD)):
        return True
    return head.startswith(ZIP) and not document_kind(path)


def expand(path: Path, out: Path, *, limits: Limits = DEFAULT, beat: Callable[[], None] = _no_beat) -> list[Path]:
    """The plain files of ``path``: itself when it is no archive, otherwise what it holds, unpacked into the folder ``out``.

    Of a ZIP only data files are unpacked (scripts, cards and hidden files are passed over), in the order of their names; each
    gets a number and a harmless name of its own. ``beat`` is called after every MiB. Raises :class:`ReaderError` for archives
    that are damaged, encrypted, nested, empty or over a limit; what was unpacked by then is the caller's to delete.
    """
    if not is_packed(path):
        return [path]
    out.mkdir(parents=True, exist_ok=True)
    budget = _Budget(path, limits, beat)
    found = _unzip(path, out, budget) if read_head(path).startswith(ZIP) else [_decompress(path, out, budget)]
    for file in found:
        _refuse_nested(file, path)
    return found


def _decompress(path: Path, out: Path, budget: _Budget) -> Path:
    name = re.sub(r"\.(gz|gzip|zst|zstd)$", "", path.name, flags=re.IGNORECASE)
    target = out / _harmless(name, 1)
    with _damaged(path), _stream(path) as source:
        _copy(source, target, budget)
    return target


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes] | Any]:
    """The unpacked bytes of a gzip or Zstandard file."""
    if read_head(path).startswith(GZIP):
        with gzip.open(path) as source:
            yield source
        return
    import pyarrow as pa

    with pa.OSFile(str(path)) as raw, pa.CompressedInputStream(raw, "zstd") as source:
        yield source


def _unzip(path: Path, out: Path, budget: _Budget) -> list[Path]:
    with _damaged(path), open_zip(path) as archive:
        listed = sorted((entry for entry in archive.infolist() if not entry.is_dir()), key=lambda entry: entry.filename)
        inner = next((entry.filename for entry in listed if PACKED.search(entry.filename)), "")
        if inner:
            raise _nested(inner, path, "archive")
        entries = [entry for entry in listed if holds_data(entry.filename)]
        if not entries:
            raise ReaderError(
                f"{path.name} holds no data file.",
                action="Put CSV, TSV, JSON, JSON lines, Parquet, Arrow or XLSX files into it.",
            )
        if len(entries) > budget.limits.entries:
            raise ReaderError(
                f"{path.name} holds {len(entries):,} data files; the limit is {budget.limits.entries:,}.",
                action="Join them into fewer, larger files.",
            )
        found = []
        for number, entry in enumerate(entries, start=1):
            if entry.flag_bits & 1:
                raise ReaderError(
                    f"{path.name} is encrypted ({entry.filename[:80]!r} needs a password).",
                    action="Pack it again without a password.",
                )
            target = out / _harmless(entry.filename, number)
            with archive.open(entry) as source:
                _copy(source, target, budget)
            found.append(target)
        return found


def _copy(source: Any, target: Path, budget: _Budget) -> None:
    with target.open("xb") as sink:
        while chunk := source.read(CHUNK):
            budget.take(len(chunk))
            sink.write(chunk)


def _harmless(name: str, number: int) -> str:
    """A file name that is no path: letters, digits, dots and dashes, with a number before it that makes it the only one."""
    return f"{number:04d}-" + (UNSAFE.sub("_", name)[-80:].strip("._") or "file")


def _refuse_nested(file: Path, outer: Path) -> None:
    head = read_head(file)
    for offset, magic, kind in INSIDE:
        if head[offset : offset + len(magic)] == magic:
            raise _nested(file.name, outer, f"{kind} archive")
    if head.startswith(ZIP) and not document_kind(file):
        raise _nested(file.name, outer, "ZIP archive")


def _nested(name: str, outer: Path, kind: str) -> ReaderError:
    return ReaderError(
        f"{outer.name} holds another archive: {name[:80]} is a {kind}.",
        action="Unpack it once and upload what is inside.",
    )


@contextmanager
def _damaged(path: Path) -> Iterator[None]:
    """Turn what the libraries say about a broken archive into a :class:`ReaderError`; a full disk stays what it is."""
    try:
        yield
    except ReaderError:
        raise
    except (*BROKEN, EOFError, zlib.error) as error:
        if is_disk_full(error):
            raise
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise ReaderError(
            f"{path.name} is a damaged archive: {reason.rstrip('.')}.", action="Make or download it again."
        ) from None
