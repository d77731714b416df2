"""Starts programs, restarts those that die, and stops all of them in order. Knows nothing of Django or of what they do.

Every program gets its own process group and its own log file. Three things end the programs: :meth:`Supervisor.stop`,
a signal (SIGINT, SIGTERM, SIGHUP) to the supervisor, and the death of the supervisor itself, which ``studio.guard`` notices.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

from studio import guard
from studio.lib.errors import StudioError

LOG_LIMIT_BYTES = 20 * 1024 * 1024
POLL_SECONDS = 0.1
FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0


@dataclass(frozen=True)
class Program:
    """One program to keep alive.

    ``stop_signal`` asks it to stop; ``grace`` is how many seconds it then has before its whole group is killed.
    A program that ran for ``steady`` seconds is healthy: its next restart is quick again. Programs of a higher ``tier``
    are stopped before those of a lower one (the broker, which the others talk to), and those of one tier together.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    stop_signal: int = signal.SIGTERM
    grace: float = 5.0
    steady: float = 30.0
    tier: int = 1


class Running:
    """A program's process now, and how its restarts went."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self.restart_at: float | None = None
        self.failures = 0

    @property
    def alive(self) -> bool:
        """Whether its process runs (and reaps it when it does not)."""
        return self.process is not None and self.process.poll() is None


class Supervisor:
    """Keeps programs alive until told to stop."""

    def __init__(self, *, logs: Path, say: Callable[[str], None] = print) -> None:
        self.logs = logs
        self.say = say
        self.programs: dict[str, Running] = {}
        self.stopping = False
        self.hurry = False
        self._told: set[str] = set()
        logs.mkdir(parents=True, exist_ok=True)
        self._guard = self._start_guard()

    # -- starting -----------------------------------------------------------------------------------------------------

    def start(self, program: Program) -> None:
        """Start ``program`` and keep it alive from now on."""
        running = self.programs.setdefault(program.name, Running(program))
        self._spawn(running)

    def wait_until(self, name: str, ready: Callable[[], bool], *, timeout: float) -> None:
        """Block until ``ready()``; keeps restarting what dies meanwhile.

        Raises ``StudioError`` with the last lines of its log when ``name`` dies three times or ``timeout`` seconds pass.
        """
        running = self.programs[name]
        deadline = time.monotonic() + timeout
        while not self.stopping:
            self.tend()
            if running.alive and ready():
                return
            if running.failures >= 3 or time.monotonic() > deadline:
                what = "keeps stopping" if running.failures else f"is not ready after {timeout:.0f} s"
                raise StudioError(
                    f"The {name} {what}. The end of its log:\n{self.log_tail(name)}",
                    action=f"The whole log is {self.log_path(name)}.",
                )
            time.sleep(POLL_SECONDS)

    def _spawn(self, running: Running) -> None:
        program = running.program
        with self._open_log(program.name) as log:
            try:
                running.process = subprocess.Popen(
                    list(program.command),
                    env={**os.environ, **program.env},
                    cwd=program.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise StudioError(
                    f"The {program.name} cannot be started: {error.strerror}: {program.command[0]}.",
                    action="Run `make setup` again, then `make run`.",
                ) from error
        self._tell_guard(f"+{running.process.pid}")
        running.started_at = time.monotonic()
        running.restart_at = None

    # -- keeping alive ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Tend the programs until :meth:`request_stop`."""
        rotate_at = 0.0
        while not self.stopping:
            self.tend()
            if time.monotonic() >= rotate_at:
                self.rotate_logs()
                rotate_at = time.monotonic() + 60
            time.sleep(POLL_SECONDS)

    def tend(self) -> None:
        """Notice programs that died, start again those whose time has come, and see that the guard is there."""
        if self._guard.poll() is not None:
            self._close_guard()
            self._guard = self._start_guard()
        now = time.monotonic()
        for running in self.programs.values():
            if running.restart_at is not None:
                if now >= running.restart_at:
                    self._start_again(running, now)
            elif not running.alive:
                self._schedule_restart(running, now)

    def _start_again(self, running: Running, now: float) -> None:
        """Spawn it; what keeps it from starting is said, and it is tried again later. The others go on meanwhile."""
        try:
            self._spawn(running)
        except StudioError as error:
            running.failures += 1
            running.restart_at = now + LONGEST_DELAY
            self.say(f"{error} {error.action} The next try is in {LONGEST_DELAY:g} s.")

    def _schedule_restart(self, running: Running, now: float) -> None:
        process, name = running.process, running.program.name
        if process is None:
            return
        # What it started itself (a worker's pool, say) must not go on beside its successor.
        self._clear_group(process.pid)
        running.failures = 1 if now - running.started_at >= running.program.steady else running.failures + 1
        delay = min(FIRST_DELAY * 2 ** (running.failures - 1), LONGEST_DELAY)
        running.restart_at = now + delay
        self.say(
            f"The {name} {_ending(process.returncode)}; starting it again in {delay:g} s. Log: {self.log_path(name)}"
        )

    # -- stopping -----------------------------------------------------------------------------------------------------

    def catch_signals(self) -> None:
        """Stop on SIGINT, SIGTERM and SIGHUP; a second one kills what is still stopping."""
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        self.hurry = self.stopping
        self.stopping = True

    def request_stop(self) -> None:
        """Make :meth:`run` return soon."""
        self.stopping = True

    def stop(self) -> None:
        """Stop every program, the highest tier first, each within its grace; afterwards nothing of them is left.

        The supervisor is of no use afterwards.
        """
        self.stopping = True
        for tier in sorted({running.program.tier for running in self.programs.values()}, reverse=True):
            self._stop_tier([running for running in self.programs.values() if running.program.tier == tier])
        self.programs.clear()
        self._close_guard()

    def _stop_tier(self, tier: list[Running]) -> None:
        begin = time.monotonic()
        for running in tier:
            running.restart_at = None
            if running.alive and running.process is not None:
                running.process.send_signal(running.program.stop_signal)
        waiting = [running for running in tier if running.alive]
        while waiting and not self.hurry:
            passed = time.monotonic() - begin
            waiting = [running for running in waiting if running.alive and passed < running.program.grace]
            time.sleep(0.02)
        for running in tier:
            if running.process is not None:
                self._clear_group(running.process.pid)
                running.process.wait()

    def _clear_group(self, group: int) -> None:
        guard.send(group, signal.SIGKILL)
        self._tell_guard(f"-{group}")

    # -- the guard ----------------------------------------------------------------------------------------------------

    def _start_guard(self) -> subprocess.Popen[str]:
        """``-S -E``: the guard needs nothing but the standard library, so it starts in a few milliseconds."""
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", guard.__file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )
        self._guard = process
        for running in self.programs.values():
            if running.alive and running.process is not None:
                self._tell_guard(f"+{running.process.pid}")
        return process

    def _tell_guard(self, line: str) -> None:
        pipe = self._guard.stdin
        if pipe is None:
            return
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except BrokenPipeError:
            # It was killed: ``tend`` starts another, which is told of every group anew.
            return

    def _close_guard(self) -> None:
        """Closing the pipe makes the guard end what is still on its list, and itself."""
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._guard.wait()

    # -- logs ---------------------------------------------------------------------------------------------------------

    def log_path(self, name: str) -> Path:
        """The file that has ``name``'s output."""
        return self.logs / f"{name.replace(' ', '-')}.log"

    def log_tail(self, name: str, *, lines: int = 12) -> str:
        """The last lines of ``name``'s log, indented."""
        try:
            with self.log_path(name).open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 8192))
                text = log.read().decode(errors="replace")
        except OSError as error:
            text = f"(it cannot be read: {error.strerror})"
        return "\n".join("  " + line for line in text.splitlines()[-lines:])

    def rotate_logs(self, *, limit: int = LOG_LIMIT_BYTES) -> None:
        """Move a log that outgrew ``limit`` bytes aside. Copied and emptied, because its program holds it open for appending."""
        for name in self.programs:
            path = self.log_path(name)
            try:
                if path.stat().st_size > limit:
                    shutil.copyfile(path, path.with_suffix(".log.1"))
                    os.truncate(path, 0)
            except OSError as error:
                self._say_once(f"{path} cannot be moved aside: {error.strerror}. Its program goes on.")

    def _open_log(self, name: str) -> IO[bytes]:
        """The log of a program that is about to start; a log that cannot be written is no reason not to start it."""
        path = self.log_path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("ab")
        except OSError as error:
            self._say_once(f"{path} cannot be written: {error.strerror}. What the {name} says is lost.")
            return open(os.devnull, "ab")

    def _say_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self.say(text)


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    names = {s.value: s.name for s in signal.Signals}
    return f"was killed by {names.get(-returncode, f'signal {-returncode}')}"
