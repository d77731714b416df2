"""The artifact store: the only code that knows where artifacts lie.

``DATA_ROOT/artifacts/<sha[:2]>/<sha>/`` holds the files and ``manifest.json``, which lists every file with its size and
hash. The artifact's name is the hash of that list, so the same content published twice is one folder. A folder is built in
scratch, hashed, given its manifest last, flushed to disk and renamed into place: it is there whole, or not at all.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from studio.lib.canonical import file_sha256, fingerprint
from studio.lib.disk import is_disk_full
from studio.lib.errors import StudioError
from studio.models import Workspace
from vault.models import Artifact

MANIFEST = "manifest.json"


class DiskFull(StudioError):
    """The disk under the data root has no room left."""

    def __init__(self) -> None:
        free = shutil.disk_usage(settings.DATA_ROOT).free
        super().__init__(
            f"The disk is full: {free / 1e9:.1f} GB are free under the data folder.",
            action="Free some space (old runs, other files) or move STUDIO_DATA_ROOT to a larger disk, then retry.",
        )


class Damaged(StudioError):
    """An artifact on disk is not what was published."""


def scratch_dir(name: str) -> Path:
    """A private working folder that survives retries: ``DATA_ROOT/scratch/<name>``, made when missing."""
    folder = settings.DATA_ROOT / "scratch" / name
    folder.mkdir(parents=True, exist_ok=True)
    return Path(folder)


def remove_scratch(name: str) -> None:
    """Delete a working folder and all in it."""
    shutil.rmtree(settings.DATA_ROOT / "scratch" / name, ignore_errors=True)


def folder_of(sha: str) -> Path:
    """Where the artifact with this hash lies (or would lie)."""
    return Path(settings.DATA_ROOT / "artifacts" / sha[:2] / sha)


def derived_dir(sha: str, name: str) -> Path:
    """Where what was computed from an artifact lies: ``DATA_ROOT/derived/<sha[:2]>/<sha>/<name>``. Not made here."""
    return Path(settings.DATA_ROOT / "derived" / sha[:2] / sha / name)


def path(artifact: Artifact) -> Path:
    """The folder of an artifact; raises :class:`Damaged` when it is not on this machine's disk."""
    folder = folder_of(artifact.sha256)
    if not (folder / MANIFEST).exists():
        raise Damaged(
            f"The files of {artifact} are not in the data folder.",
            action="Restore the data folder's 'artifacts' from a backup, or run the step that made it again.",
        )
    return folder


def _no_beat() -> None:
    """The default for callers that hold no lease."""


def list_files(folder: Path, *, beat: Callable[[], None] = _no_beat) -> dict[str, dict[str, Any]]:
    """Relative name → size in bytes and hash of every regular file below ``folder``. Symbolic links are refused.

    ``beat`` is called about once a megabyte, for callers that must show they are alive.
    """
    files: dict[str, dict[str, Any]] = {}
    for item in sorted(folder.rglob("*")):
        if item.is_symlink():
            raise ValueError(f"{item.name} is a symbolic link; artifacts hold plain files only.")
        if item.is_file() and item.name != MANIFEST:
            digest = file_sha256(item, beat=beat)
            files[item.relative_to(folder).as_posix()] = {"size": item.stat().st_size, "sha256": digest}
    return files


class Placed(NamedTuple):
    """A folder that lies in the store; nothing in the database points to it yet."""

    sha256: str
    size: int


def publish(folder: Path, *, kind: str, workspace: Workspace, meta: Mapping[str, Any] | None = None) -> Artifact:
    """Place a finished scratch folder in the store and record it. Raises :class:`DiskFull`."""
    return record(place(folder, kind=kind), kind=kind, workspace=workspace, meta=meta)


def record(placed: Placed, *, kind: str, workspace: Workspace, meta: Mapping[str, Any] | None = None) -> Artifact:
    """The row of a placed folder, made unless the workspace has it. A placed folder that is never recorded is swept."""
    artifact, _ = Artifact.objects.get_or_create(
        workspace=workspace, kind=kind, sha256=placed.sha256, defaults={"size": placed.size, "meta": dict(meta or {})}
    )
    return artifact


def place(folder: Path, *, kind: str, beat: Callable[[], None] = _no_beat) -> Placed:
    """Hash a finished folder and move it into the store; content that is already there is not stored twice.

    Slow (it reads every byte): call it outside transactions. Raises :class:`DiskFull`.
    """
    try:
        return _place(folder, kind=kind, beat=beat)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull from error
        raise


def _place(folder: Path, *, kind: str, beat: Callable[[], None]) -> Placed:
    files = list_files(folder, beat=beat)
    sha = fingerprint({"kind": kind, "files": files})
    placed = Placed(sha, sum(f["size"] for f in files.values()))
    target = folder_of(sha)
    if (target / MANIFEST).exists():
        if folder != target:
            shutil.rmtree(folder)
        # A fresh time keeps it from being swept before the caller has recorded it.
        os.utime(target)
        return placed
    manifest = json.dumps({"kind": kind, "sha256": sha, "size": placed.size, "files": files}, indent=1)
    for name in files:
        _flush(folder / name)
    (folder / MANIFEST).write_text(manifest, encoding="utf-8")
    _flush(folder / MANIFEST)
    _flush(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        # Another worker placed the same content first; it is complete, since its manifest came with the rename.
        shutil.rmtree(folder)
    _flush(target.parent)
    return placed


def _flush(item: Path) -> None:
    descriptor = os.open(item, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def verify(artifact: Artifact, *, beat: Callable[[], None] = _no_beat) -> list[str]:
    """Every difference between an artifact's manifest and its files on disk, in words; empty when all is well."""
    folder = path(artifact)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    found, told = list_files(folder, beat=beat), manifest["files"]
    problems = [f"{name} is missing." for name in told if name not in found]
    problems += [f"{name} was added." for name in found if name not in told]
    problems += [f"{name} has changed." for name in told if name in found and told[name] != found[name]]
    if fingerprint({"kind": artifact.kind, "files": told}) != artifact.sha256:
        problems.append("The manifest is not the one that was published.")
    return problems


class Swept(NamedTuple):
    """Something that was deleted, and the bytes it held."""

    path: Path
    size: int


def size_of(item: Path) -> int:
    """Bytes in a file, or in all files below a folder."""
    return sum(part.lstat().st_size for part in (item, *item.rglob("*")) if part.is_file())


def sweep(*, older_than_seconds: float) -> Iterator[Swept]:
    """Delete folders in the store that no row points to and that are older than this; yields each deleted folder.

    The age keeps a folder that was just placed, whose transaction is still open, out of danger.
    """
    known = set(Artifact.objects.values_list("sha256", flat=True))
    limit = time.time() - older_than_seconds
    for folder in (settings.DATA_ROOT / "artifacts").glob("??/*"):
        if folder.name in known:
            continue
        doomed = folder.with_name(f"{folder.name}.{uuid.uuid4().hex[:8]}.deleted")
        try:
            if folder.stat().st_mtime >= limit:
                continue
            size = size_of(folder)
            folder.rename(doomed)
        except FileNotFoundError:
            # Another sweep was faster.
            continue
        shutil.rmtree(doomed)
        yield Swept(folder, size)
