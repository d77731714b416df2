"""What a child says, and how it ends."""

from __future__ import annotations

import io
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.recipes.events import Events, is_out_of_memory

PROGRAM = """
import sys
from pipelines.recipes.events import RecipeError, run_main
def main(config, events):
    print("a library chatters")
    events.log("hello")
    {body}
    return {{"rows": config["rows"]}}
run_main(main)
"""


def run(body: str, folder: Path) -> tuple[int, list[dict[str, object]], str]:
    config = folder / "config.json"
    config.write_text('{"rows": 3}')
    command = [sys.executable, "-c", PROGRAM.format(body=body), str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def test_a_child_ends_with_its_result_and_its_chatter_stays_off_the_wire(tmp_path: Path) -> None:
    code, events, printed = run("pass", tmp_path)
    assert code == 0
    assert events == [{"event": "log", "message": "hello"}, {"event": "result", "rows": 3}]
    assert "a library chatters" in printed


def test_a_users_error_is_an_event_with_the_next_action(tmp_path: Path) -> None:
    code, events, _ = run("raise RecipeError('No tokenizer.', action='Save one.', code='no_tokenizer')", tmp_path)
    assert code == 1
    assert events[-1] == {"event": "error", "message": "No tokenizer.", "action": "Save one.", "code": "no_tokenizer"}


def test_running_out_of_memory_is_told_from_other_errors(tmp_path: Path) -> None:
    code, events, _ = run("raise MemoryError()", tmp_path)
    assert (code, events[-1]["event"], events[-1]["code"]) == (1, "error", "out_of_memory")
    assert "“Tokens per pass”" in str(events[-1]["action"])
    assert "“Tokens at once”" in str(events[-1]["action"])
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            "open('/dev/full', 'w').write('x' * 100_000)",
            marks=pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="Linux only"),
        ),
        "raise type('SafetensorError', (Exception,), {})('I/O error: No space left on device (os error 28)')",
        "raise RecipeError('a/b could not be fetched.', code='hub_unreachable') from OSError(28, 'No space left')",
    ],
)
def test_a_full_disk_is_said_whoever_met_it(body: str, tmp_path: Path) -> None:
    code, events, _ = run(body, tmp_path)
    assert (code, events[-1]["event"], events[-1]["code"]) == (1, "error", "disk_full")
    assert "The disk is full" in str(events[-1]["message"])
    assert "Free some space" in str(events[-1]["action"])


PARENT = """
import subprocess, sys, time
pipe = int(sys.argv[1])
child = [sys.executable, "-c", sys.argv[2], sys.argv[3]]
out = {"pipe": subprocess.PIPE, "file": open(sys.argv[3] + ".out", "w")}[sys.argv[4]]
subprocess.Popen(child, stdout=out, pass_fds=[pipe], start_new_session=True)
time.sleep(60)
"""


@pytest.mark.parametrize("out", ["pipe", "file"])
def test_a_child_ends_with_the_parent_that_reads_its_events(out: str, tmp_path: Path) -> None:
    """Without the system's help: no parent death signal is asked for here. Into a file, a training may outlive its shell."""
    config = tmp_path / "config.json"
    config.write_text("{}")
    reading, writing = os.pipe()
    body = f"import os, time; os.write({writing}, str(os.getpid()).encode()); time.sleep(60)"
    program = PROGRAM.format(body=body)
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(writing), program, str(config), out], pass_fds=[writing]
    )
    os.close(writing)
    try:
        child = int(os.read(reading, 20))  # the child is at work
        parent.kill()
        parent.wait()
        ended = bool(select.select([reading], [], [], 8.0 if out == "pipe" else 3.0)[0])
        assert ended == (out == "pipe"), "the pipe closes when the last process that holds it has ended"
    finally:
        os.close(reading)
        parent.kill()
    if not ended:
        os.kill(child, signal.SIGKILL)


def test_a_bug_leaves_its_traceback_and_no_error_event(tmp_path: Path) -> None:
    code, events, printed = run("1 / 0", tmp_path)
    assert code != 0
    assert [event["event"] for event in events] == ["log"]
    assert "ZeroDivisionError" in printed


def test_progress_is_thinned_but_its_end_is_always_told() -> None:
    stream = io.StringIO()
    events = Events(stream)
    for done in range(1, 1001):
        events.progress(done, 1000)
    told = [json.loads(line)["done"] for line in stream.getvalue().splitlines()]
    assert told[-1] == 1000
    assert len(told) < 50


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_is_never_written_as_one(value: float) -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.metric("loss", value, at=1)
    assert stream.getvalue() == ""
    events.result(loss=value)
    assert json.loads(stream.getvalue())["loss"] is None
