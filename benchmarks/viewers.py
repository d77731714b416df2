"""How long the pages of a live run take while fifty people watch it and it trains on the same two cores.

    python benchmarks/viewers.py                       # the sample project, 50 viewers, 60 seconds
    python benchmarks/viewers.py --viewers 10 --seconds 30

It starts the Studio as ``make run`` does, on a data folder of its own, whose sample project begins to run at once, and waits until
the step named by ``--during`` is at work (the training, which takes all it can get of the processors). Then the viewers come within five
seconds, each signed in with a session of its own. Each loads the run's page and from then on asks for what that page polls, as often
as the page says, with the tag of the last answer, as the browser does: an answer that has not changed is a bare 304. Every 20 seconds
on average a viewer opens one of the run's other pages.

The last lines are ``RESULT viewers_p95_ms=`` over all answers, from the request to the last byte, and ``RESULT viewers_errors=``: answers
that were no 200 or 304, and requests that failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

READY_WITHIN, BUSY_WITHIN = 120, 600
POLL = re.compile(r"<[^>]*hx-get=\"(?P<url>[^\"]+)\"[^>]*hx-trigger=\"[^\"]*every (?P<seconds>\d+)s[^>]*>")
TAG = "HX-PTag"


@dataclass
class Seen:
    """What the viewers met: milliseconds by kind of request, and what went wrong."""

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: Counter[str] = field(default_factory=Counter)
    unchanged: int = 0
    bytes: int = 0


def main() -> None:
    """Start, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--during", default="student", help="node of the sample run that must be at work")
    parser.add_argument("--seed", type=int, default=0)
    args, _ = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "studio.settings",
            "STUDIO_DATA_ROOT": folder,
            "STUDIO_DATABASE_URL": "",
            "STUDIO_PORT": str(port),
            "STUDIO_SEED_SAMPLE": "1",
        }
        log = Path(folder) / "up.log"
        with log.open("wb") as out:
            studio = subprocess.Popen(
                [sys.executable, "manage.py", "up"], cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )
        try:
            watch(f"http://127.0.0.1:{port}", args, log=log)
        finally:
            studio.send_signal(signal.SIGINT)
            studio.wait(60)


def watch(base: str, args: argparse.Namespace, *, log: Path) -> None:
    """Wait for the run, let the viewers in, and report."""
    wait_for(lambda: urllib.request.urlopen(f"{base}/healthz", timeout=2).status == 200, READY_WITHIN, log)
    import django

    django.setup()
    from pipelines.models import StepRun
    from studio.jobs import State

    step = StepRun.objects.filter(node=args.during).select_related("run__workspace")
    wait_for(lambda: step.get().state in (State.RUNNING, State.SUCCEEDED), BUSY_WITHIN, log)
    found = step.get()
    if found.state != State.RUNNING:
        raise SystemExit(f"The step {args.during} has ended before anybody could watch it.")
    cookies = sign_in(args.viewers, found.run.workspace)
    page = found.run.get_absolute_url()
    others = [f"{page}steps/{node}/" for node in found.run.steps.values_list("node", flat=True)]
    others += [page.rsplit("runs/", 1)[0] + "runs/"]
    print(
        f"{args.viewers} viewers of {page} for {args.seconds:g} s while '{args.during}' is at work, {os.cpu_count()} cores."
    )
    seen = asyncio.run(crowd(base, page, others, cookies, args))
    step_now = step.get()
    print(f"Afterwards '{args.during}' is {step_now.state}, {step_now.progress_done} {step_now.progress_unit}.")
    report(seen, args)


def wait_for(true: Any, seconds: float, log: Path) -> None:
    """Return once ``true()``; what it raises means not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except Exception:
            pass
        time.sleep(0.3)
    raise SystemExit(f"Not ready after {seconds:g} s:\n{log.read_text()[-2000:]}")


def sign_in(count: int, workspace: Any) -> list[dict[str, str]]:
    """``count`` sessions of as many people, all viewers of the workspace."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    from studio.models import Membership, Role

    cookies = []
    for number in range(count):
        user = User.objects.create_user(f"viewer{number}")
        Membership.objects.create(workspace=workspace, user=user, role=Role.VIEWER)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        cookies.append({settings.SESSION_COOKIE_NAME: str(session.session_key)})
    return cookies


async def crowd(
    base: str, page: str, others: list[str], cookies: list[dict[str, str]], args: argparse.Namespace
) -> Seen:
    """All viewers at once."""
    seen, chance = Seen(), random.Random(args.seed)
    end = time.monotonic() + args.seconds
    viewers = [Viewer(base, page, others, cookie, seen, random.Random(chance.random())) for cookie in cookies]
    await asyncio.gather(*(viewer.stay(until=end, come_in=chance.uniform(0, 5)) for viewer in viewers))
    return seen


class Viewer:
    """One person with one tab."""

    def __init__(
        self, base: str, page: str, others: list[str], cookies: dict[str, str], seen: Seen, chance: random.Random
    ) -> None:
        self.client = httpx.AsyncClient(base_url=base, cookies=cookies, timeout=30)
        self.page, self.others, self.seen, self.chance = page, others, seen, chance
        self.tags: dict[str, str] = {}

    async def stay(self, *, until: float, come_in: float) -> None:
        """Load the page, then poll what it polls, until it is time to go."""
        await asyncio.sleep(come_in)
        async with self.client:
            answer = await self.ask("first page", self.page)
            if answer is None:
                return
            polls = [(match["url"], int(match["seconds"])) for match in POLL.finditer(answer.text)]
            if not any(url == self.page or self.page in url for url, _ in polls):
                self.seen.errors["the page does not poll itself"] += 1
            await asyncio.gather(
                *(self.keep_asking(url, seconds, until=until) for url, seconds in polls), self.wander(until=until)
            )

    async def keep_asking(self, url: str, seconds: int, *, until: float) -> None:
        """One polling element: the next question comes ``seconds`` after the last one was sent, or once it is answered."""
        kind = "poll of the run" if self.page in url else f"poll of {url.rstrip('/').rsplit('/', 1)[-1]}"
        while time.monotonic() + seconds < until:
            begun = time.monotonic()
            headers = {"HX-Request": "true", TAG: self.tags.get(url, "none")}
            await self.ask(kind, url, headers=headers)
            await asyncio.sleep(max(0.0, seconds - (time.monotonic() - begun)))

    async def wander(self, *, until: float) -> None:
        """Now and then another page of the run."""
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / 20))
            if time.monotonic() > until:
                return
            await self.ask("another page", self.chance.choice(self.others))

    async def ask(self, kind: str, url: str, *, headers: dict[str, str] | None = None) -> httpx.Response | None:
        """One request, timed to its last byte."""
        begun = time.perf_counter()
        try:
            answer = await self.client.get(url, headers=headers)
        except httpx.HTTPError as error:
            self.seen.errors[type(error).__name__] += 1
            return None
        self.seen.times[kind].append((time.perf_counter() - begun) * 1000)
        self.seen.bytes += len(answer.content)
        if answer.status_code == 304:
            self.seen.unchanged += 1
        elif answer.status_code != 200:
            self.seen.errors[f"{answer.status_code} for {kind}"] += 1
            return None
        if TAG in answer.headers:
            self.tags[url] = answer.headers[TAG]
        return answer


def report(seen: Seen, args: argparse.Namespace) -> None:
    """The table and the last lines."""
    everything = sorted(t for times in seen.times.values() for t in times)
    if not everything:
        raise SystemExit(f"Nobody got an answer: {dict(seen.errors)}")
    print(f"{'request':24} {'count':>7} {'median ms':>10} {'p95 ms':>8} {'longest':>8}")
    for kind, times in sorted(seen.times.items()):
        print(f"{kind:24} {len(times):7,} {median(times):10.1f} {p95(times):8.1f} {max(times):8.1f}")
    rate = len(everything) / args.seconds
    print(
        f"{len(everything):,} answers, {rate:.1f} a second, {seen.unchanged:,} of them unchanged, {seen.bytes / 1e6:.1f} MB."
    )
    if seen.errors:
        print(json.dumps(seen.errors, indent=1))
    print(f"RESULT viewers_p95_ms={p95(everything):.0f}")
    print(f"RESULT viewers_errors={sum(seen.errors.values())}")


def p95(times: list[float]) -> float:
    """The 95th percentile."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


if __name__ == "__main__":
    main()
