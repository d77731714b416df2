"""Real processes: started, killed, restarted, stopped. Nothing may be left over."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from studio import guard
from studio.lib.errors import StudioError
from studio.supervisor import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]


def is_running(pid: int) -> bool:
    """Whether the process exists and is not merely waiting to be reaped."""
    try:
        os.kill(pid, 0)
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    except ProcessLookupError:
        return False
    return bool(state) and not state.startswith("Z")


def eventually(condition: Callable[[], object], *, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def pids(folder: Path, pattern: str = "*.pid") -> list[int]:
    return [int(path.read_text()) for path in folder.glob(pattern) if path.read_text()]


def child(folder: Path, name: str, body: str = "time.sleep(60)") -> Program:
    """A program that notes its process id in ``folder`` and then does ``body``."""
    code = f"""
        import os, pathlib, signal, subprocess, sys, time
        folder = pathlib.Path({str(folder)!r})
        note = folder / f"{name}-{{os.getpid()}}.new"
        note.write_text(str(os.getpid()))
        note.rename(note.with_suffix(".pid"))
    """
    script = textwrap.dedent(code) + textwrap.dedent(body)
    return Program(name=name, command=(sys.executable, "-S", "-c", script))


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    one = Supervisor(logs=tmp_path / "logs", say=said.append)
    yield one
    one.stop()


def test_a_program_that_is_killed_is_started_again(supervisor: Supervisor, tmp_path: Path, said: list[str]) -> None:
    supervisor.start(child(tmp_path, "worker"))
    eventually(lambda: pids(tmp_path))
    (first,) = pids(tmp_path)
    os.kill(first, signal.SIGKILL)

    def second_is_there() -> bool:
        supervisor.tend()
        return len(pids(tmp_path)) == 2

    eventually(second_is_there)
    assert "was killed by SIGKILL" in said[0]
    assert not is_running(first)


def test_what_a_dead_program_started_does_not_go_on_beside_its_successor(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    body = """
        helper = subprocess.Popen(["sleep", "60"])
        (folder / "helper.pid").write_text(str(helper.pid))
        time.sleep(60)
    """
    supervisor.start(child(tmp_path, "worker", body))
    eventually(lambda: pids(tmp_path, "helper.pid"))
    (helper,) = pids(tmp_path, "helper.pid")
    assert is_running(helper)
    os.kill(pids(tmp_path, "worker-*.pid")[0], signal.SIGKILL)

    def helper_is_gone() -> bool:
        supervisor.tend()
        return not is_running(helper)

    eventually(helper_is_gone)


def test_restarts_of_a_program_that_keeps_dying_come_later_each_time(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start(child(tmp_path, "worker", "sys.exit(3)"))

    def died_three_times() -> bool:
        supervisor.tend()
        return len(said) == 3

    eventually(died_three_times)
    assert ["in 0.5 s" in said[0], "in 1 s" in said[1], "in 2 s" in said[2]] == [True, True, True]
    assert "ended with exit code 3" in said[0]


def test_waiting_for_a_program_that_cannot_start_ends_with_its_own_words(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(child(tmp_path, "broker", "sys.exit('no such port')"))
    with pytest.raises(StudioError, match=r"The broker keeps stopping.*\n.*no such port") as caught:
        supervisor.wait_until("broker", lambda: False, timeout=20)
    assert "broker.log" in caught.value.action


def test_waiting_has_an_end(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(child(tmp_path, "broker"))
    with pytest.raises(StudioError, match=r"not ready after 0 s"):
        supervisor.wait_until("broker", lambda: False, timeout=0.2)


def test_a_missing_program_is_named(supervisor: Supervisor) -> None:
    with pytest.raises(StudioError, match="The broker cannot be started: No such file"):
        supervisor.start(Program(name="broker", command=("no-such-program-anywhere",)))


def test_a_program_that_cannot_start_again_is_said_and_the_others_go_on(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    supervisor.start(Program(name="script", command=(str(script),)))
    supervisor.start(child(tmp_path, "worker"))
    script.unlink()
    process = supervisor.programs["script"].process
    assert process is not None
    process.kill()
    eventually(lambda: supervisor.tend() or any("The next try is in" in line for line in said))
    assert supervisor.programs["worker"].alive


def test_stopping_leaves_nothing_not_even_what_ignores_the_request(supervisor: Supervisor, tmp_path: Path) -> None:
    stubborn = child(tmp_path, "stubborn", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)")
    supervisor.start(Program(name="stubborn", command=stubborn.command, grace=0.3))
    supervisor.start(child(tmp_path, "polite"))
    eventually(lambda: len(pids(tmp_path)) == 2)
    begin = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - begin < 5
    assert not [pid for pid in pids(tmp_path) if is_running(pid)]


def test_lower_tiers_outlive_higher_ones(supervisor: Supervisor, tmp_path: Path) -> None:
    """The worker asks, while it stops, whether the broker is still there."""
    broker = child(tmp_path, "broker")
    supervisor.start(Program(name="broker", command=broker.command, tier=0))
    eventually(lambda: pids(tmp_path, "broker-*.pid"))
    body = """
        def leave(*_):
            broker = int(next(folder.glob("broker-*.pid")).read_text())
            os.kill(broker, 0)
            (folder / "worker-saw-broker").touch()
            sys.exit()
        signal.signal(signal.SIGTERM, leave)
        (folder / "prepared").touch()
        time.sleep(60)
    """
    supervisor.start(child(tmp_path, "worker", body))
    eventually((tmp_path / "prepared").exists)
    supervisor.stop()
    assert (tmp_path / "worker-saw-broker").exists()


def test_logs_hold_what_programs_print_and_are_moved_aside_when_long(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(child(tmp_path, "web server", "print('hello', flush=True)\ntime.sleep(60)"))
    log = supervisor.log_path("web server")
    eventually(lambda: log.read_text() == "hello\n")
    supervisor.rotate_logs(limit=1)
    assert log.read_text() == ""
    assert log.with_suffix(".log.1").read_text() == "hello\n"


def test_a_deleted_log_and_a_full_disk_are_said_once_and_stop_nothing(
    supervisor: Supervisor, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor.start(child(tmp_path, "worker", "print('hello', flush=True)\ntime.sleep(60)"))
    log = supervisor.log_path("worker")
    eventually(lambda: log.read_text() == "hello\n")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        supervisor.rotate_logs(limit=1)
        supervisor.rotate_logs(limit=1)
    assert len(said) == 1 and "No space left" in said[0]
    assert log.read_text() == "hello\n", "a log that could not be copied is not emptied"
    log.unlink()
    supervisor.rotate_logs(limit=1)
    supervisor.rotate_logs(limit=1)
    assert len(said) == 2 and "No such file" in said[1]
    assert "cannot be read" in supervisor.log_tail("worker")
    assert is_running(pids(tmp_path)[0])


def test_a_program_starts_when_its_log_cannot_be_opened(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.log_path("worker").mkdir()
    supervisor.start(child(tmp_path, "worker"))
    eventually(lambda: pids(tmp_path))
    assert len(said) == 1 and "cannot be written" in said[0]


def test_a_logs_folder_that_was_deleted_is_made_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.logs.rmdir()
    supervisor.start(child(tmp_path, "worker", "print('hello', flush=True)\ntime.sleep(60)"))
    eventually(lambda: supervisor.log_path("worker").read_text() == "hello\n")


def test_a_killed_guard_is_replaced(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(child(tmp_path, "worker"))
    first = supervisor._guard
    first.kill()
    first.wait()
    supervisor.tend()
    assert supervisor._guard.pid != first.pid
    assert is_running(supervisor._guard.pid)


SUPERVISING = """
import sys
from pathlib import Path
from studio.supervisor import Program, Supervisor

folder = Path(sys.argv[1])
supervisor = Supervisor(logs=folder / "logs")
supervisor.catch_signals()
note = "import os, pathlib, time; pathlib.Path({!r}).write_text(str(os.getpid())); time.sleep(60)"
for name in ("one", "two"):
    supervisor.start(Program(name=name, command=(sys.executable, "-S", "-c", note.format(str(folder / (name + ".pid"))))))
supervisor.run()
supervisor.stop()
print("stopped")
"""


@pytest.fixture
def supervising(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor in a process of its own, with two programs that run."""
    process = subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    eventually(lambda: len(pids(tmp_path)) == 2)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_supervisor_stops_everything(
    supervising: subprocess.Popen[str], tmp_path: Path, signum: int
) -> None:
    supervising.send_signal(signum)
    out, _ = supervising.communicate(timeout=10)
    assert out == "stopped\n"
    assert supervising.returncode == 0
    assert not [pid for pid in pids(tmp_path) if is_running(pid)]


def test_nothing_outlives_a_supervisor_that_is_killed(supervising: subprocess.Popen[str], tmp_path: Path) -> None:
    assert len([pid for pid in pids(tmp_path) if is_running(pid)]) == 2
    supervising.kill()
    supervising.wait()
    eventually(lambda: not [pid for pid in pids(tmp_path) if is_running(pid)])


def test_the_guard_ends_only_groups_that_were_not_taken_off_its_list() -> None:
    assert guard.follow(["+12\n", "+13\n", "-12\n", "nonsense\n", "+\n"]) == {13}


def test_the_guard_kills_a_group_that_ignores_the_request() -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-S", "-c", script], start_new_session=True, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    guard.end({process.pid}, grace=0.2)
    assert process.wait(timeout=5) == -signal.SIGKILL
    process.stdout.close()
