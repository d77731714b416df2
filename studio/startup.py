"""What must be true before the Studio starts on this machine, and the lock that lets it start only once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.lib.errors import StudioError

LEAST_FREE_BYTES = 1_000_000_000


def prepare_folders(data_root: Path) -> None:
    """Make the data root's folders. Raises ``StudioError`` when they cannot be written or the disk is nearly full."""
    try:
        data_root.mkdir(parents=True, exist_ok=True)
        for name in ("run", "logs", "scratch/uploads", "artifacts"):
            (data_root / name).mkdir(parents=True, exist_ok=True)
        probe = data_root / "run" / ".probe"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
    except OSError as error:
        raise StudioError(
            f"The data folder {data_root} cannot be written: {error.strerror}.",
            action="Free some space, change the folder's owner, or set STUDIO_DATA_ROOT to another folder.",
        ) from error
    free = shutil.disk_usage(data_root).free
    if free < LEAST_FREE_BYTES:
        raise StudioError(
            f"Only {free / 1e9:.1f} GB are free where {data_root} lies; a run needs at least {LEAST_FREE_BYTES / 1e9:.0f} GB.",
            action="Free some space, or set STUDIO_DATA_ROOT to a folder on a larger disk.",
        )


def require_free_port(host: str, port: int) -> None:
    """Raise ``StudioError`` when the web server could not listen on ``host:port``."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StudioError(*_port_problem(host, port, error)) from error


def _port_problem(host: str, port: int, error: OSError) -> tuple[str]:
    if error.errno == errno.EADDRINUSE:
        return (f"Port {port} is taken by another program. Choose another: STUDIO_PORT={port + 10} make run",)
    if error.errno == errno.EACCES:
        return (f"Only an administrator may listen on port {port}. Choose a higher one: STUDIO_PORT=8000 make run",)
    return (f"The web server cannot listen on {host}, port {port}: {error.strerror}. Set STUDIO_HOST and STUDIO_PORT.",)


@contextlib.contextmanager
def only_once(data_root: Path, *, url: str) -> Iterator[None]:
    """Hold the data root's lock; the kernel drops it when this process ends, however it ends.

    Raises ``StudioError`` saying where the Studio that holds it can be reached.
    """
    path = data_root / "run" / "up.json"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as note:
        try:
            fcntl.flock(note, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = read_note(data_root)
            raise StudioError(
                f"Distill Studio is already running at {holder.get('url', 'another address')} "
                f"(process {holder.get('pid', 'unknown')}).",
                action="Open that address, or stop it with Ctrl-C in its terminal first.",
            ) from None
        note.truncate(0)
        json.dump({"pid": os.getpid(), "url": url}, note)
        note.flush()
        yield


def read_note(data_root: Path) -> dict[str, Any]:
    """``{"pid": …, "url": …}`` of the Studio that was started last here; empty when there is none."""
    try:
        found = json.loads((data_root / "run" / "up.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_running(data_root: Path) -> bool:
    """Whether a Studio holds this data root's lock now."""
    try:
        with (data_root / "run" / "up.json").open() as note:
            fcntl.flock(note, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
