"""Child processes: events in order, errors in words, and nothing left alive."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.running import child
from studio.lib.errors import Cancelled, StepError

MODULE = "tests.pipelines.children"


def run(tmp_path: Path, *, beat: Any = lambda: None, events: list[dict[str, Any]] | None = None, **config: Any) -> Any:
    seen = events if events is not None else []
    lines: list[str] = []
    result = child.run_child(
        MODULE, config=config, folder=tmp_path, on_event=seen.append, beat=beat, on_line=lines.append
    )
    return result, lines


def wait_until_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_events_and_lines_arrive_and_the_result_is_returned(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []
    result, lines = run(tmp_path, events=events, do="result", answer=42)
    assert result["answer"] == 42
    assert events == [{"event": "progress", "done": 1, "total": 2}]
    assert lines == ["a line for people"]


def test_a_users_error_arrives_as_one(tmp_path: Path) -> None:
    with pytest.raises(StepError) as caught:
        run(tmp_path, do="error")
    assert (str(caught.value), caught.value.action) == ("No tokenizer.", "Add one.")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_child_yields_the_processor_to_the_pages(tmp_path: Path) -> None:
    events: list[dict[str, Any]] = []

    def beat() -> None:
        for event in events:
            if "pids" in event:
                fields = Path(f"/proc/{event['pids'][0]}/stat").read_text().rpartition(")")[2].split()
                event["nice"] = int(fields[16]) - os.getpriority(os.PRIO_PROCESS, 0)
                raise InterruptedError

    with pytest.raises(InterruptedError):
        run(tmp_path, beat=beat, events=events, do="hang")
    assert next(event["nice"] for event in events if "nice" in event) == child.NICENESS


def test_a_child_that_dies_is_reported_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"exit code 3.*a line for people"):
        run(tmp_path, do="die")


def test_a_child_killed_by_the_system_is_reported_as_out_of_memory(tmp_path: Path) -> None:
    with pytest.raises(StepError, match="out of memory") as caught:
        run(tmp_path, do="out_of_memory")
    assert "fewer tokens at once" in caught.value.action


def test_what_is_not_an_event_is_a_log_line(tmp_path: Path) -> None:
    _, lines = run(tmp_path, do="flood")
    assert lines.count("not json") == 5000


def test_a_large_result_arrives_whole_though_a_grandchild_keeps_the_pipes_open(tmp_path: Path) -> None:
    result, _ = run(tmp_path, do="leave_a_grandchild")
    assert len(result["answer"]) == 3 << 20


@pytest.mark.parametrize("how", ["hang", "ignore_term"])
def test_cancelling_kills_the_child_and_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 1.0)
    monkeypatch.setattr(child, "BEAT_SECONDS", 0.1)
    events: list[dict[str, Any]] = []

    def beat() -> None:
        if any(e["event"] == "pids" for e in events):
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        run(tmp_path, events=events, beat=beat, do=how)
    pids = next(e["pids"] for e in events if e["event"] == "pids")
    assert wait_until_gone(pids)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child's life to its parent's")
def test_a_child_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from pipelines.running import child;"
        f"child.run_child('{MODULE}', config={{'do': 'ignore_term'}}, folder=pathlib.Path({str(tmp_path)!r}),"
        " on_event=lambda e: print(e.get('pids', [''])[0], flush=True), beat=lambda: None, on_line=lambda l: None)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=os.getcwd())
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == ""
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone([pid])
