"""The fight: runs follow each other, blows fall at random, and after each run the books are looked at."""

from __future__ import annotations

import os
import random
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django

django.setup()

from django.db import close_old_connections, connection, connections  # noqa: E402
from django.db.utils import InterfaceError, OperationalError  # noqa: E402

from pipelines.building import drafts  # noqa: E402
from pipelines.models import Pipeline, Run, StepRun  # noqa: E402
from pipelines.running import runs  # noqa: E402
from pipelines.specs import spec as specs  # noqa: E402
from studio.jobs import State  # noqa: E402
from studio.models import Workspace  # noqa: E402
from tests.chaos import blows, books, witness  # noqa: E402
from tests.chaos.house import House, free_port  # noqa: E402
from tests.chaos.spec import CONCURRENCY, answer, missing_steps, spec  # noqa: E402
from tests.journeys.students import make_student, write_things  # noqa: E402
from tests.servers.chat import ChatServer, Reply, running_chat_server  # noqa: E402
from vault import ingest  # noqa: E402

UP_WITHIN = 120.0
IDLE_WITHIN = 300.0
"""Seconds in which nothing is at work and nothing has changed, after which a run counts as stuck."""
RUN_WITHIN = 3600.0
"""Seconds after which it counts as stuck although something is at work. A busy machine takes its time."""

IDLE = "nothing"

GIVEN_UP = ("worker", "database", "killed by the system")
"""Words of the ends that a kill may have. A killed training looks like one that ran out of memory: a person decides."""


@dataclass
class Tally:
    """What was counted. ``lost`` and ``doubles`` in words."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    attempts: int = 0
    retried: int = 0
    asked_again: int = 0
    pages: int = 0
    pages_failed: int = 0
    lost: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)


def fight(folder: Path, *, kills: int, every: float, seed: int) -> int:
    """Everything, from the first start to the last check. Returns the exit status."""
    chance = random.Random(seed)
    student = make_student(folder)
    redis = None
    env = {key: os.environ[key] for key in ("STUDIO_DATA_ROOT", "STUDIO_MODEL_DIRS")}
    if os.environ.get("STUDIO_DATABASE_URL"):
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            raise SystemExit("redis-server is not installed.")
        redis = blows.RedisServer(program, port=free_port(), folder=folder)
        redis.start()
        env["STUDIO_REDIS_URL"] = redis.url
    tally = Tally()
    try:
        with running_chat_server(default=Reply(delay=0.08), say=answer) as teacher:
            env["STUDIO_ALLOWED_HOSTS_OUT"] = teacher.url.removeprefix("http://")
            house = House(env, log=folder / "up.log")
            house.start()
            try:
                Fight(house, teacher, tally, chance, student=student, folder=folder, redis=redis).fight(
                    kills, every=every
                )
            finally:
                house.stop()
        tally.lost += [f"still there: {line[:160]}" for line in house.leftovers()]
        tally.lost += books.half_written(Path(env["STUDIO_DATA_ROOT"]))
        tally.doubles += witness.doubles()
        if witness.ends() < tally.runs * 10:
            tally.lost.append("the witness saw hardly anything: it proves nothing")
    finally:
        connections.close_all()
        if redis is not None:
            redis.stop()
    return conclude(tally)


class Fight:
    """One campaign against one house."""

    def __init__(
        self,
        house: House,
        teacher: ChatServer,
        tally: Tally,
        chance: random.Random,
        *,
        student: Path,
        folder: Path,
        redis: blows.RedisServer | None,
    ) -> None:
        self.house, self.teacher, self.tally, self.chance, self.student = house, teacher, tally, chance, student
        self.begun = time.monotonic()
        self.wait_until_up()
        self.workspace = Workspace.objects.get(slug="main")
        witness.install()
        ingest.import_file(
            write_things(folder / "things.csv"),
            workspace=self.workspace,
            name="things",
            reader="columns",
            params={"prompt": "{question}", "reference": "kind"},
        )
        database: blows.Blow = (
            blows.cut_connections
            if redis
            else blows.SqliteLock(Path(os.environ["STUDIO_DATA_ROOT"]) / "studio.sqlite3")
        )
        self.arms: list[tuple[blows.Blow, float]] = [
            (blows.kill_web, 1),
            (blows.kill_worker, 2),
            (blows.kill_pool, 3),
            (blows.kill_child, 2),
            (blows.kill_clock, 1),
            (redis or blows.kill_broker, 2),
            (database, 2),
            (blows.kill_everything, 0.5),
        ]

    def fight(self, kills: int, *, every: float) -> None:
        """Run after run until enough blows have fallen and the last run has ended."""
        while sum(self.tally.kills.values()) < kills:
            self.tally.runs += 1
            run = self.start_run()
            before = len(self.teacher.bodies)
            self.follow(run, kills=kills, every=every)
            # The whole conversation: another model is asked the same under another system prompt.
            prompts = ["\n".join(m["content"] for m in body["messages"]) for body in self.teacher.bodies[before:]]
            self.tally.asked_again += books.asked_twice([p for p in prompts if "<<" not in p])
            self.tally.attempts += sum(run.steps.values_list("attempt", flat=True))
            self.tally.lost += books.lost_in(run)

    def start_run(self) -> Run:
        """The pipeline with this round's settings, started as the button does."""
        document = spec(self.student, teacher_url=self.teacher.url, round_=self.tally.runs)
        absent = missing_steps(document)
        if absent:
            raise SystemExit(f"The run of all steps lacks: {', '.join(sorted(absent))}.")

        def start() -> Run:
            pipeline = Pipeline.objects.filter(workspace=self.workspace, slug="chaos").first()
            if pipeline is None:
                pipeline = drafts.create(self.workspace, name="Chaos", spec=document, user=None)
            Pipeline.objects.filter(pk=pipeline.pk).update(draft=specs.parse(document).as_dict())
            pipeline.refresh_from_db()
            key = f"chaos-{self.tally.runs}"
            return runs.start_run(runs.freeze(pipeline, user=None), user=None, request_key=key)

        return self.insist(start)

    def follow(self, run: Run, *, kills: int, every: float) -> None:
        """Strike until the run has ended well; take it up again where a person would have to."""
        deadline = time.monotonic() + RUN_WITHIN
        stands, moved_at = "", time.monotonic()
        strike_at = time.monotonic() + self.chance.expovariate(1 / every)
        while True:
            self.insist(run.refresh_from_db)
            if run.state == State.SUCCEEDED:
                return
            if run.state in (State.FAILED, State.CANCELLED, State.WAITING) and not self.take_up(run):
                return
            now = self.describe(run)
            if now != stands or not now.endswith(IDLE):
                stands, moved_at = now, time.monotonic()
            if time.monotonic() > min(deadline, moved_at + IDLE_WITHIN):
                self.tally.lost.append(f"run {run.number} is stuck: {now}")
                return
            if not self.house.alive:
                self.house.start()
            if time.monotonic() >= strike_at and sum(self.tally.kills.values()) < kills:
                self.strike(run)
                strike_at = time.monotonic() + self.chance.expovariate(1 / every)
            self.look(run)
            time.sleep(0.2)

    def strike(self, run: Run) -> None:
        """One blow, of a kind that hits something now."""
        weights = [weight for _, weight in self.arms]
        for blow, _ in self.chance.choices(self.arms, weights=weights, k=20):
            hit = blow(self.house, self.chance)
            if hit:
                self.tally.kills[hit] += 1
                number = sum(self.tally.kills.values())
                print(
                    f"[{time.monotonic() - self.begun:6.0f} s] {number:3d}. {hit:24} {self.describe(run)}", flush=True
                )
                return

    def take_up(self, run: Run) -> bool:
        """A step whose worker was killed in each of its attempts is given up, and a person presses “Retry from here”. False when a
        step failed for another reason: that is a fault."""
        for step in self.insist(lambda: list(run.steps.filter(state__in=(State.FAILED, State.WAITING)))):
            if not any(word in step.error for word in GIVEN_UP):
                self.tally.lost.append(f"run {run.number}: {step.node} {step.state}: {step.error} {step.trace[-2000:]}")
                return False
        self.tally.retried += self.insist(lambda: runs.retry_run(run, user=None))
        return True

    def describe(self, run: Run) -> str:
        """Where the run stands."""
        steps = self.insist(lambda: list(StepRun.objects.filter(run=run).exclude(state=State.SUCCEEDED)))
        busy = [f"{s.node} (attempt {s.attempt})" for s in steps if s.state == State.RUNNING]
        return f"run {run.number}, {len(steps)} steps to go; now {', '.join(busy) or IDLE}"

    def look(self, run: Run) -> None:
        """Somebody looks whether the web server lives; while it was killed just now it may not."""
        self.tally.pages += 1
        try:
            with urllib.request.urlopen(f"{self.house.url}/healthz", timeout=5) as reply:
                self.tally.pages_failed += reply.status != 200
        except OSError:
            self.tally.pages_failed += 1

    def wait_until_up(self) -> None:
        """Return when pages are served."""
        deadline = time.monotonic() + UP_WITHIN
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(f"{self.house.url}/healthz", timeout=5):
                    return
            except OSError:
                time.sleep(0.3)
        raise SystemExit(f"The Studio did not start:\n{self.house.log.read_text()[-3000:]}")

    def insist(self, ask: Callable[[], Any]) -> Any:
        """Ask the database, again when it was taken from us meanwhile."""
        for tries in range(60):
            try:
                return ask()
            except (OperationalError, InterfaceError):
                if tries == 59:
                    raise
                connection.close()
                close_old_connections()
                time.sleep(0.5)
        return None


def conclude(tally: Tally) -> int:
    """Print the figures. 0 when the books balance."""
    killed = sum(tally.kills.values())
    print(f"\n{killed} kills: " + ", ".join(f"{name} {count}" for name, count in tally.kills.most_common()))
    print(f"{tally.runs} runs of every step, {tally.attempts} attempts, {tally.retried} steps taken up again by hand;")
    print(f"the teacher was asked {tally.asked_again} questions again that were on their way when a process died")
    print(
        f"(at most {CONCURRENCY} a kill); the web server answered {tally.pages - tally.pages_failed} of {tally.pages} looks."
    )
    for line in (*tally.lost, *tally.doubles):
        print(f"  ! {line}")
    allowed = killed * CONCURRENCY
    print(f"RESULT chaos_kills={killed}")
    print(f"RESULT chaos_lost={len(tally.lost)}")
    print(f"RESULT chaos_double={len(tally.doubles)}")
    print(f"RESULT chaos_asked_again={tally.asked_again}")
    return int(bool(tally.lost or tally.doubles or tally.asked_again > allowed))
