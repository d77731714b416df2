"""What a running Studio consists of on one machine: the programs that ``manage.py up`` keeps alive."""

from __future__ import annotations

import os
import signal
import sys
import urllib.error
import urllib.request
from pathlib import Path

from studio.broker import Broker
from studio.supervisor import Program

BASE_DIR = Path(__file__).resolve().parent.parent
CELERY = (sys.executable, "-m", "celery", "-A", "studio.celery")


def broker_program(broker: Broker) -> Program:
    """The embedded broker. It stops last: the others talk to it while they stop."""
    return Program(name="broker", command=broker.command, tier=0, grace=3)


def web_program(*, host: str, port: int, env: dict[str, str]) -> Program:
    """uvicorn. Three seconds for open requests, so that a slow download does not hold a restart."""
    command = (
        *(sys.executable, "-m", "uvicorn", "studio.asgi:application"),
        *("--host", host, "--port", str(port)),
        *("--timeout-graceful-shutdown", "3", "--no-access-log", "--no-use-colors"),
    )
    return Program(name="web server", command=command, env=env, cwd=BASE_DIR, tier=2)


def worker_program(name: str, *, queues: str, concurrency: int, env: dict[str, str]) -> Program:
    """A Celery worker. SIGQUIT stops it now: its jobs' leases are given back, they go on where they stood at the next start."""
    command = (
        *(*CELERY, "worker", "--hostname", f"{name}@%h", "--queues", queues, "--concurrency", str(concurrency)),
        *("--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    )
    return Program(
        name=f"{name} worker", command=command, env=env, cwd=BASE_DIR, stop_signal=signal.SIGQUIT, grace=6, tier=1
    )


def gpu_workers(gpus: int) -> list[tuple[str, dict[str, str]]]:
    """Label and environment of the workers of the gpu queue: one a GPU, so that a GPU does one job at a time; one without any.

    ``CUDA_VISIBLE_DEVICES`` of the operator's own is kept, and its GPUs are dealt out.
    """
    if gpus < 2:
        return [("gpu", {})]
    named = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()]
    devices = named[:gpus] if len(named) >= gpus else [str(n) for n in range(gpus)]
    return [(f"gpu{n}", {"CUDA_VISIBLE_DEVICES": device}) for n, device in enumerate(devices)]


def clock_program(*, schedule: Path, env: dict[str, str]) -> Program:
    """Celery beat and, in the same program, the worker that does what it rings for: taking jobs back from dead workers and
    ringing for what is ready. A worker of its own, so that no long step ever keeps it waiting."""
    command = (
        *(*CELERY, "worker", "--hostname", "clock@%h", "--queues", "clock", "--pool", "solo"),
        *("--beat", "--schedule", str(schedule), "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    )
    return Program(name="clock", command=command, env=env, cwd=BASE_DIR, tier=2)


def answers(url: str, *, timeout: float = 2.0) -> bool:
    """Whether the web server at ``url`` says that it is healthy."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=timeout) as response:  # noqa: S310 (our own http address)
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False
