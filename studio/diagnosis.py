"""What ``manage.py doctor`` looks at. Every finding says what is so and, when it is not right, what to do."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from studio import broker as brokers
from studio import startup

ML_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "llama_cpp", "gguf")
COMFORTABLE_FREE_GB = 10


@dataclass(frozen=True)
class Finding:
    """One line of the report. ``fix`` is empty when nothing is to be done."""

    level: Literal["ok", "note", "problem"]
    what: str
    fix: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, one finding at a time."""
    for look in LOOKS:
        yield from look()


def python() -> Iterator[Finding]:
    """The interpreter's version."""
    what = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if (3, 11) <= sys.version_info[:2] <= (3, 13):
        yield Finding("ok", what)
    else:
        yield Finding("problem", what, "Use Python 3.11, 3.12 or 3.13: remove .venv, then `make run`.")


def packages() -> Iterator[Finding]:
    """Whether training and export can run here. Looks without importing: torch alone takes seconds."""
    missing = [name for name in ML_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding(
            "problem",
            f"Missing for training and export: {', '.join(missing)}",
            "Run `make setup`, or `pip install -r requirements.lock`.",
        )
    else:
        yield Finding("ok", "Training and export packages are installed")


def data_root() -> Iterator[Finding]:
    """Whether the data root can be written, and how much space is left."""
    root = settings.DATA_ROOT
    if not os.access(root, os.W_OK):
        yield Finding(
            "problem", f"The data folder {root} cannot be written", "Change its owner or set STUDIO_DATA_ROOT."
        )
        return
    free = shutil.disk_usage(root).free / 1e9
    what = f"Data folder {root}, {free:.0f} GB free"
    if free < startup.LEAST_FREE_BYTES / 1e9:
        yield Finding("problem", what, "Free some space: runs cannot publish their results.")
    elif free < COMFORTABLE_FREE_GB:
        yield Finding(
            "note", what, f"Less than {COMFORTABLE_FREE_GB} GB: large models and their GGUF files may not fit."
        )
    else:
        yield Finding("ok", what)


def database() -> Iterator[Finding]:
    """Whether the database answers and its tables are those of this version."""
    name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(connection.vendor, connection.vendor)
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        first_line = str(error).strip().splitlines()[0]
        yield Finding("problem", f"{name} does not answer: {first_line}", "Start it, or correct STUDIO_DATABASE_URL.")
        return
    if missing:
        yield Finding("problem", f"{name}: {len(missing)} migrations are missing", "Run `python manage.py prepare`.")
    else:
        yield Finding("ok", f"{name} answers and is up to date")


def broker() -> Iterator[Finding]:
    """Which broker is used, and whether it answers."""
    found = brokers.resolve(settings.REDIS_URL, data_root=settings.DATA_ROOT)
    if brokers.ping(found):
        yield Finding("ok" if found.kind != "filesystem" else "note", f"Broker: {found.described}")
    elif found.kind == "external":
        yield Finding("problem", "The broker at STUDIO_REDIS_URL does not answer", "Start it or correct the address.")
    elif startup.is_running(settings.DATA_ROOT):
        yield Finding("problem", "The embedded broker does not answer", "Look into logs/broker.log in the data folder.")
    else:
        yield Finding("ok", f"Broker: {found.described}, started by `make run`")


def running() -> Iterator[Finding]:
    """Whether a Studio runs on this data root, or could take its port."""
    if startup.is_running(settings.DATA_ROOT):
        yield Finding("ok", f"The Studio is running at {startup.read_note(settings.DATA_ROOT).get('url')}")
        return
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", settings.PORT)) == 0
    if taken:
        yield Finding("note", f"Port {settings.PORT} is taken by another program", "STUDIO_PORT=8010 make run")
    else:
        yield Finding("ok", "The Studio is not running; `make run` starts it")


def graphics() -> Iterator[Finding]:
    """Which NVIDIA GPUs the driver shows."""
    program = shutil.which("nvidia-smi")
    if program is None:
        yield Finding(
            "note",
            "No NVIDIA GPU: training runs on the processor, which suits models up to a few hundred million parameters",
        )
        return
    command = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=20)
    for line in asked.stdout.splitlines():
        yield Finding("ok", f"GPU: {line}")


LOOKS: tuple[Callable[[], Iterator[Finding]], ...] = (python, packages, data_root, database, broker, running, graphics)
