"""``manage.py up``: the whole Studio on this machine, in one terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from studio import broker as brokers
from studio import conf, preparation, programs, recovery, startup, workers
from studio.broker import Broker
from studio.lib.errors import StudioError
from studio.supervisor import Supervisor

READY_SECONDS = 90
IO_WORKERS = 3
"""Imports and teachers at work at once: they wait for disks and networks, so that several share a core well."""


class Command(BaseCommand):
    """Prepare the data folder and the database, then run and supervise every part of the Studio."""

    help = "Start the Studio: database, broker, web server, workers and clock, supervised until Ctrl-C."
    requires_system_checks: Any = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """``--host`` and ``--port`` win over STUDIO_HOST and STUDIO_PORT."""
        parser.add_argument("--host", default=settings.HOST, help="Address to listen on (STUDIO_HOST).")
        parser.add_argument("--port", type=int, default=settings.PORT, help="Port to listen on (STUDIO_PORT).")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        """Run until told to stop."""
        root: Path = settings.DATA_ROOT
        url = f"http://{_browsable(host)}:{port}"
        try:
            startup.prepare_folders(root)
            with startup.only_once(root, url=url):
                startup.require_free_port(host, port)
                broker = brokers.resolve(settings.REDIS_URL, data_root=root)
                brokers.prepare(broker, data_root=root)
                if broker.kind == "external" and not brokers.ping(broker):
                    raise StudioError(
                        "The broker at STUDIO_REDIS_URL does not answer.",
                        action="Start it or correct the address; without STUDIO_REDIS_URL the Studio brings its own.",
                    )
                link = preparation.prepare(self.say)
                taken = recovery.give_back(counts_as_attempt=True)
                if taken:
                    self.say(f"{taken} interrupted job(s) will go on where they stood.")
                if broker.kind == "embedded":
                    recovery.forget_rings()
                connections.close_all()
                self.supervise(broker, host=host, port=port, url=url, link=link)
        except StudioError as error:
            # Not a CommandError: its prefix would stand before a sentence that is written for a newcomer.
            self.stderr.write(f"\n{error}\n{error.action}".rstrip())
            sys.exit(1)

    def say(self, line: str) -> None:
        """Print a line; a terminal that is gone is no reason to stop."""
        try:
            self.stdout.write(line)
            self.stdout.flush()
        except OSError:
            return

    # -- running ------------------------------------------------------------------------------------------------------

    def supervise(self, broker: Broker, *, host: str, port: int, url: str, link: str | None) -> None:
        """Start every program in order, tell the person where to go, and stay until stopped."""
        env = {"STUDIO_REDIS_URL": broker.url, "STUDIO_HOST": host, "STUDIO_PORT": str(port), "PYTHONUNBUFFERED": "1"}
        supervisor = Supervisor(logs=settings.DATA_ROOT / "logs", say=self.say)
        supervisor.catch_signals()
        try:
            self.start_all(supervisor, broker, host=host, port=port, url=url, env=env)
            if not supervisor.stopping:
                self.announce(supervisor, url=url, link=link)
            supervisor.run()
        finally:
            self.say("\nStopping …")
            supervisor.stop()
            recovery.give_back(counts_as_attempt=False)
            workers.tidy()
            self.say("Stopped. `make run` goes on where this stood.")

    def start_all(
        self, supervisor: Supervisor, broker: Broker, *, host: str, port: int, url: str, env: dict[str, str]
    ) -> None:
        """Broker, sample project, web server, workers, clock; returns once pages are served."""
        if broker.kind == "embedded":
            supervisor.start(programs.broker_program(broker))
            supervisor.wait_until("broker", lambda: brokers.ping(broker), timeout=20)
        if supervisor.stopping:
            return
        self.seed(env)
        cpu_workers = conf.read("STUDIO_CPU_WORKERS")
        supervisor.start(programs.web_program(host=host, port=port, env=env))
        supervisor.start(programs.worker_program("cpu", queues="cpu", concurrency=cpu_workers, env=env))
        supervisor.start(programs.worker_program("io", queues="io", concurrency=IO_WORKERS, env=env))
        for label, own in programs.gpu_workers(len(workers.find_gpus())):
            supervisor.start(programs.worker_program(label, queues="gpu", concurrency=1, env={**env, **own}))
        supervisor.start(programs.clock_program(schedule=settings.DATA_ROOT / "run" / "clock", env=env))
        supervisor.wait_until("web server", lambda: programs.answers(url), timeout=READY_SECONDS)

    def seed(self, env: dict[str, str]) -> None:
        """The sample project, on first start. In a process of its own, whose settings know the broker."""
        if not settings.SEED_SAMPLE:
            return
        log = settings.DATA_ROOT / "logs" / "sample.log"
        command = [sys.executable, str(conf.BASE_DIR / "manage.py"), "seed_sample"]
        with log.open("w") as out:
            done = subprocess.run(command, env={**os.environ, **env}, stdout=out, stderr=out, start_new_session=True)
        last = log.read_text().splitlines()[-1:]
        if done.returncode:
            self.say(f"The Studio starts without its sample project: {''.join(last)} (all of it: {log})")
        elif last:
            self.say(last[0])

    def announce(self, supervisor: Supervisor, *, url: str, link: str | None) -> None:
        """Where to go now."""
        self.say(f"\n  Distill Studio is ready:  {url}\n")
        if link:
            self.say(f"  Sign in for the first time (works once, for a day):\n  {url}{link}\n")
        self.say(f"  Logs: {supervisor.logs}    Stop: Ctrl-C\n")


def _browsable(host: str) -> str:
    """The address a browser on this machine uses for a server that listens on ``host``."""
    if host in {"0.0.0.0", "::"}:  # noqa: S104 (compared with, not listened on)
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
