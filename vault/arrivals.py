"""Files that arrive in pieces and may be interrupted: a closed laptop, a restarted server, a killed browser.

``DATA_ROOT/scratch/arriving/<id>/`` holds what came so far (``data``), how much of it is certain (``received``, written
after each piece is on the disk) and whose file it is (``about.json``). The id is a hash of owner, name, size and
fingerprint: choosing the same file again finds the same folder and goes on where it stood.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from studio.lib.canonical import fingerprint
from studio.lib.disk import is_disk_full
from studio.lib.errors import StudioError
from studio.models import Workspace
from vault.store import DiskFull
from vault.uploads import SPARE, too_large

PIECE = 4 << 20
"""Bytes that a browser sends at a time; also the most it may send."""
CHUNK = 1 << 20
ID = re.compile(r"[0-9a-f]{32}")


class Misplaced(StudioError):
    """A piece does not follow on what is here: send the one at ``received``."""

    def __init__(self, received: int) -> None:
        super().__init__(f"The next piece begins at byte {received:,}.", action="Go on from there.")
        self.received = received


class Mangled(StudioError):
    """A piece is not the one that was sent: its checksum differs, or it is longer than the rest of the file."""


class Received(NamedTuple):
    """A file that is here whole. ``keep``: its owner deletes it, so that it must be linked, not moved."""

    path: Path
    name: str
    size: int
    sha256: str
    line_count: int
    keep: bool = False


@dataclass(frozen=True)
class Arrival:
    """A file on its way. ``received`` bytes of ``size`` are certain to be on the disk."""

    id: str
    name: str
    size: int
    received: int

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return _root() / self.id

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.received == self.size


def _root() -> Path:
    return Path(settings.DATA_ROOT / "scratch" / "arriving")


def open_arrival(workspace: Workspace, user: Any, *, name: str, size: int, mark: str) -> Arrival:
    """Begin to receive a file, or go on with one that came in part. ``mark`` tells files of one name and size apart.

    Raises ``StudioError`` for a file that is empty, too large or larger than the free disk.
    """
    if size <= 0:
        raise StudioError(f"{name} is empty: it holds no rows.", action="Choose a file that holds rows.")
    if size > settings.MAX_UPLOAD_BYTES:
        raise too_large(size)
    key = fingerprint([str(workspace.pk), user.pk, name, size, mark])[:32]
    folder = _root() / key
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        about = folder / "about.json"
        if not about.exists():
            if size > shutil.disk_usage(folder).free - SPARE:
                shutil.rmtree(folder)
                raise DiskFull
            facts = {"workspace": str(workspace.pk), "user": user.pk, "name": name, "size": size}
            _write(about, json.dumps(facts))
        os.utime(folder)
    return Arrival(key, name, size, _received(folder))


def find_arrival(workspace: Workspace, user: Any, key: str) -> Arrival | None:
    """A file of this person that is on its way to this workspace."""
    if not ID.fullmatch(key):
        return None
    folder = _root() / key
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if (about["workspace"], about["user"]) != (str(workspace.pk), user.pk):
        return None
    return Arrival(key, about["name"], about["size"], _received(folder))


def list_arrivals(workspace: Workspace, user: Any) -> list[Arrival]:
    """This person's files that are not used yet, the newest first."""
    folders = sorted(_root().glob("*"), key=_changed, reverse=True)
    found = [find_arrival(workspace, user, folder.name) for folder in folders]
    return [arrival for arrival in found if arrival is not None]


def _changed(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def append(arrival: Arrival, *, offset: int, data: bytes, checksum: int) -> int:
    """Add the piece that begins at ``offset``; returns how much is here now.

    A piece that is here already changes nothing. Raises :class:`Misplaced`, :class:`Mangled` or ``DiskFull``; what was
    here before stays.
    """
    if zlib.crc32(data) != checksum:
        raise Mangled("A piece of the file changed on the way.", action="It is sent again.")
    with _locked(arrival.folder):
        received = _received(arrival.folder)
        if offset + len(data) <= received:
            return received
        if offset != received:
            raise Misplaced(received)
        if offset + len(data) > arrival.size:
            raise Mangled(
                f"More bytes came than {arrival.name} has: it changed while it was sent.",
                action="Choose the file again.",
            )
        try:
            _add(arrival.folder, received, data)
        except OSError as error:
            if is_disk_full(error):
                raise DiskFull from error
            raise
        return received + len(data)


def _add(folder: Path, received: int, data: bytes) -> None:
    with (folder / "data").open("r+b" if (folder / "data").exists() else "w+b") as target:
        # What a killed server wrote of its last piece is overwritten.
        target.truncate(received)
        target.seek(received)
        target.write(data)
        target.flush()
        os.fsync(target.fileno())
    _write(folder / "received", str(received + len(data)))


def finish(arrival: Arrival) -> Received:
    """The whole file, hashed. It stays here until :func:`drop`, so that a crash costs nothing."""
    if not arrival.complete:
        raise StudioError(
            f"{arrival.name} is not here yet: {arrival.received:,} of {arrival.size:,} bytes arrived.",
            action="Choose the same file again; it goes on where it stood.",
        )
    digest, lines = hashlib.sha256(), 0
    with (arrival.folder / "data").open("rb") as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            lines += chunk.count(b"\n")
    return Received(arrival.folder / "data", arrival.name, arrival.size, digest.hexdigest(), lines, keep=True)


def drop(arrival: Arrival) -> None:
    """Delete what came of a file."""
    shutil.rmtree(arrival.folder, ignore_errors=True)


def _received(folder: Path) -> int:
    try:
        return int((folder / "received").read_text())
    except (FileNotFoundError, ValueError):
        return 0


def _write(path: Path, text: str) -> None:
    """Write a small file so that it is there whole or not at all."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, whichever process or tab it comes from."""
    try:
        lock = (folder / "lock").open("w")
    except FileNotFoundError:
        raise StudioError("This upload was discarded.", action="Choose the file again.") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)
