"""``manage.py up`` for real, once: every part comes up, comes back when killed, and goes when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ["valkey-server", "uvicorn", "gpu@", "cpu@", "io@", "clock@"]


@dataclass
class Studio:
    """A running ``up`` with a data folder and port of its own."""

    process: subprocess.Popen[str]
    folder: Path
    port: int
    env: dict[str, str]

    @property
    def said(self) -> str:
        return (self.folder / "out").read_text()

    def parts(self) -> dict[int, str]:
        """Process id → command line of every program that ``up`` started itself."""
        listed = subprocess.run(["ps", "-wweo", "pid=,ppid=,stat=,args="], capture_output=True, text=True).stdout
        rows = [line.split(None, 3) for line in listed.splitlines()]
        return {int(r[0]): r[3] for r in rows if int(r[1]) == self.process.pid and "Z" not in r[2]}

    def pid_of(self, part: str) -> int | None:
        return next((pid for pid, command in self.parts().items() if part in command), None)

    def wait_for(self, text: str, *, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    port = free_port()
    env = {
        **os.environ,
        "STUDIO_DATA_ROOT": str(tmp_path / "root"),
        "STUDIO_PORT": str(port),
        "STUDIO_SEED_SAMPLE": "false",
        "STUDIO_DATABASE_URL": "",
        "STUDIO_REDIS_URL": "",
    }
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=env, stdout=out, stderr=out, text=True
        )
    one = Studio(process, tmp_path, port, env)
    one.wait_for("is ready")
    yield one
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def test_everything_comes_up_comes_back_and_goes_away(studio: Studio) -> None:
    assert f"http://127.0.0.1:{studio.port}/sign-in/once/" in studio.said
    with urllib.request.urlopen(f"http://127.0.0.1:{studio.port}/healthz") as answer:
        assert answer.status == 200
    assert all(studio.pid_of(part) for part in PARTS), studio.parts()

    again = subprocess.run(
        [sys.executable, "manage.py", "up"], cwd=ROOT, env=studio.env, capture_output=True, text=True
    )
    assert again.returncode == 1
    assert f"already running at http://127.0.0.1:{studio.port} (process {studio.process.pid})" in again.stderr

    worker, server = studio.pid_of("cpu@"), studio.pid_of("uvicorn")
    assert worker
    assert server
    os.kill(worker, signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    studio.wait_for("The cpu worker was killed by SIGKILL; starting it again")
    studio.wait_for("The web server was killed by SIGKILL; starting it again")
    deadline = time.monotonic() + 20
    while not (studio.pid_of("cpu@") and studio.pid_of("uvicorn")):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    begun = list(studio.parts())
    studio.process.send_signal(signal.SIGINT)
    assert studio.process.wait(timeout=20) == 0
    assert "Stopped." in studio.said
    for pid in begun:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
