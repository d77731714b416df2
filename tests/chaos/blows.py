"""The ways in which parts are killed. Each returns what it hit, or an empty text when there was nothing to hit just then."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from django.db import OperationalError, connection

from tests.chaos.house import House

Blow = Callable[[House, random.Random], str]
LONGEST_LOCK = 4.0
"""Seconds for which nobody else can write to the SQLite file."""


def _kill(process: psutil.Process | None, name: str) -> str:
    if process is None:
        return ""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
        return name
    return ""


def kill_web(house: House, chance: random.Random) -> str:
    """The web server."""
    return _kill(house.part("web"), "web")


def kill_worker(house: House, chance: random.Random) -> str:
    """A worker's main process, of any queue."""
    name = chance.choice(["cpu worker", "io worker", "gpu worker"])
    return _kill(house.part(name), name)


def kill_pool(house: House, chance: random.Random) -> str:
    """The process of a worker that does a step just now."""
    name = chance.choice(["cpu worker", "io worker", "gpu worker"])
    pool = house.below(name, lambda line: "celery" in line)
    return _kill(chance.choice(pool), f"pool of {name}") if pool else ""


def kill_child(house: House, chance: random.Random) -> str:
    """A process that trains, evaluates or converts."""
    found = [
        child
        for name in ("cpu worker", "gpu worker")
        for child in house.below(name, lambda line: any(part.startswith("pipelines.") for part in line))
    ]
    return _kill(chance.choice(found), "child process") if found else ""


def kill_clock(house: House, chance: random.Random) -> str:
    """The clock, which takes jobs back from the dead."""
    return _kill(house.part("clock"), "clock")


def kill_broker(house: House, chance: random.Random) -> str:
    """The embedded broker; it starts again empty."""
    return _kill(house.part("broker"), "broker")


def kill_everything(house: House, chance: random.Random) -> str:
    """The supervisor, as when the machine's power fails; started again at once."""
    if not house.alive:
        return ""
    house.kill()
    time.sleep(chance.uniform(0, 2))
    house.start()
    return "everything"


class SqliteLock:
    """Holds the database file so that nobody else can write, for some seconds."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, house: House, chance: random.Random) -> str:
        """Take the lock in the background."""
        seconds = chance.uniform(0.5, LONGEST_LOCK)
        threading.Thread(target=self._hold, args=(seconds,), daemon=True).start()
        return "database (locked)"

    def _hold(self, seconds: float) -> None:
        database = contextlib.closing(sqlite3.connect(self.path, timeout=10, isolation_level=None))
        with database as held, contextlib.suppress(sqlite3.OperationalError):
            held.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            held.execute("ROLLBACK")


def cut_connections(house: House, chance: random.Random) -> str:
    """Every connection to PostgreSQL but our own, or one of them."""
    one = " ORDER BY random() LIMIT 1" if chance.random() < 0.5 else ""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid()" + one
            )
            hit = len(cursor.fetchall())
    except OperationalError:
        return ""
    return "database connection" if hit else ""


class RedisServer:
    """A Redis server of our own that is killed (and so emptied), or emptied while it runs."""

    def __init__(self, program: str, *, port: int, folder: Path) -> None:
        self.command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self.url = f"redis://127.0.0.1:{port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __call__(self, house: House, chance: random.Random) -> str:
        """Kill it and start it again some moments later, or empty it."""
        import redis

        if chance.random() < 0.5:
            try:
                with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                    client.flushall()
            except redis.RedisError:
                return ""
            return "broker (emptied)"
        self.stop()
        time.sleep(chance.uniform(0, 2))
        self.start()
        return "broker"
