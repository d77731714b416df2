"""The Studio under attack: ``manage.py up`` in a process of its own, and its parts by name."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PARTS: dict[str, Callable[[list[str]], bool]] = {
    "web": lambda line: "uvicorn" in line,
    "cpu worker": lambda line: "cpu@%h" in line,
    "io worker": lambda line: "io@%h" in line,
    "gpu worker": lambda line: "gpu@%h" in line,
    "clock": lambda line: "clock@%h" in line,
    "broker": lambda line: any("valkey-server" in part or "redis-server" in part for part in line[:1]),
}
"""How the programs of ``studio.programs`` are told apart by their command lines."""


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """A running Studio. ``env`` is what it was told."""

    def __init__(self, env: dict[str, str], *, log: Path) -> None:
        self.port = free_port()
        self.env = {**os.environ, **env, "STUDIO_PORT": str(self.port), "STUDIO_SEED_SAMPLE": "0"}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; it needs some seconds until it works."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether its supervisor runs."""
        return self.process is not None and self.process.poll() is None

    def part(self, name: str) -> psutil.Process | None:
        """The process of a program, or None when it is not there now."""
        if self.process is None or not self.alive:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    if PARTS[name](child.cmdline()):
                        return child
        return None

    def below(self, name: str, wanted: Callable[[list[str]], bool]) -> list[psutil.Process]:
        """Processes that a program started and whose command line is wanted."""
        part, found = self.part(name), []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in part.children(recursive=True) if part else []:
                with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    if wanted(child.cmdline()):
                        found.append(child)
        return found

    def kill(self) -> None:
        """End the supervisor without warning; its guard ends the rest."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        if self.process is not None and self.alive:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def leftovers(self, *, wait: float = 30.0) -> list[str]:
        """Command lines of processes that still belong to it after it was stopped."""
        mark = self.env["STUDIO_DATA_ROOT"]
        deadline = time.monotonic() + wait
        while True:
            found = [line for line in map(_described, psutil.process_iter()) if line and mark in line]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


def _described(process: psutil.Process) -> str:
    """Command line and data root of a process; blank for this one, and for those that ended or belong to somebody else."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            return " ".join([*process.cmdline(), "DATA=" + process.environ().get("STUDIO_DATA_ROOT", "")])
    return ""
