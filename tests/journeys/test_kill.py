"""The whole path from prompts to GGUF while its process is killed in every step: nothing is lost, nothing is paid twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.students import whole_path, write_things
from tests.servers.chat import ChatServer, Reply, running_chat_server

CONCURRENCY = 2


@pytest.fixture
def teacher() -> Iterator[ChatServer]:
    with running_chat_server(default=Reply(text="bird", delay=0.1)) as server:
        yield server


def spec(student: Path, teacher_url: str) -> dict[str, Any]:
    """The whole path with a teacher that must be asked and a training long enough to be killed in."""
    teacher = {
        "teacher": "openai_compatible",
        "model": "small",
        "base_url": f"{teacher_url}/v1",
        "concurrency": CONCURRENCY,
    }
    train = {"epochs": 30, "save_every": 10, "learning_rate": 0.003}
    imports = {"things": {"reader": "columns", "params": {"prompt": "{question}", "reference": "kind"}}}
    return {"name": "kill", "imports": imports, **whole_path(student, teacher=teacher, train=train)}


class Command:
    """``manage.py run_pipeline`` on a data folder of its own, run as often as needed."""

    def __init__(self, folder: Path, *, student: Path, teacher: ChatServer) -> None:
        self.folder = folder
        self.database = folder / "data" / "studio.sqlite3"
        port = teacher.url.rsplit(":", 1)[1]
        self.env = {
            **os.environ,
            "STUDIO_DATA_ROOT": str(folder / "data"),
            "STUDIO_MODEL_DIRS": str(student.parent),
            "STUDIO_ALLOWED_HOSTS_OUT": f"127.0.0.1:{port}",
            "DJANGO_SETTINGS_MODULE": "studio.settings",
        }
        (folder / "spec.json").write_text(json.dumps(spec(student, teacher.url)))
        things = write_things(folder / "things.csv")
        self.line = [
            sys.executable,
            "manage.py",
            "run_pipeline",
            str(folder / "spec.json"),
            "--dataset",
            f"things={things}",
        ]

    def start(self) -> subprocess.Popen[str]:
        log = (self.folder / "log.txt").open("a")
        with log:
            return subprocess.Popen(
                self.line, env=self.env, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True
            )

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """A question to the database from outside; nothing before it is there."""
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(self.database, timeout=20)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError:
                return []

    def kill_during(self, node: str, *, after: int) -> None:
        """Start, and kill everything without warning once ``node`` has run and done ``after`` of its work."""
        process = self.start()
        sql = f"SELECT state, progress_done FROM pipelines_steprun WHERE node = '{node}'"
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            rows = self.ask(sql)
            if rows and rows[0][0] == "running" and rows[0][1] >= after:
                break
            assert process.poll() is None, f"ended before it could be killed in {node}:\n{self.log()}"
            time.sleep(0.02)
        else:
            pytest.fail(f"{node} was not reached:\n{self.log()}")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def log(self) -> str:
        return (self.folder / "log.txt").read_text()[-4000:]


@pytest.mark.timeout(600)
def test_a_kill_in_every_step_that_takes_time_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path, tiny_student: Path, teacher: ChatServer
) -> None:
    command = Command(tmp_path, student=tiny_student, teacher=teacher)
    command.kill_during("teacher", after=10)
    kept = {row[0] for row in command.ask("SELECT fingerprint FROM pipelines_teachercall")}
    asked_before = Counter(teacher.prompts)
    assert len(kept) >= 10
    command.kill_during("student", after=1)
    asked = Counter(teacher.prompts)
    assert len(asked) == 60
    twice = {prompt for prompt, times in asked.items() if times > 1}
    assert len(twice) <= CONCURRENCY, "only what was on its way when the process died may be asked again"
    assert sum(asked_before.values()) + 60 - len(kept) == sum(asked.values())
    command.kill_during("report", after=1)
    command.kill_during("model", after=0)
    process = command.start()
    assert process.wait(timeout=300) == 0, command.log()
    states = dict(command.ask("SELECT node, state FROM pipelines_steprun"))
    assert set(states.values()) == {"succeeded"}
    assert command.ask("SELECT COUNT(*) FROM pipelines_run") == [(1,)]
    assert len(teacher.prompts) == sum(asked.values())
    assert not list((tmp_path / "data" / "scratch" / "steps").glob("*"))
    again = command.start()
    assert again.wait(timeout=120) == 0
    reused = command.ask("SELECT COUNT(*) FROM pipelines_steprun WHERE reused_from_id IS NOT NULL")
    assert reused == [(9,)]
