"""Child processes: where torch, transformers and llama.cpp live, so that memory is really given back and a kill really kills.

A child is ``python -m <module> <config.json>``. It writes events as JSON lines on its standard output; everything it prints
for humans goes to standard error, which is kept as the step's log. It runs in its own process group and dies with its
parent (on Linux). Cancelling, losing the lease or ending the worker ends the whole group: TERM, ten seconds, KILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from studio.lib.errors import StepError

CHILD_ENV = {
    "PYTHONUNBUFFERED": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Threads that wait for each other sleep instead of spinning: on cores shared with a web server and other workers a
    # spinning training was measured at a tenth of its speed.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""What a child's environment has unless the operator set it otherwise."""
GRACE_SECONDS = 10.0
BEAT_SECONDS = 2.0
TAIL_LINES = 40
MAX_EVENT_BYTES = 256 << 20
MAX_LINE_BYTES = 1 << 20
_PR_SET_PDEATHSIG = 1
NICENESS = 10
"""A training takes every core it can get. At this niceness it still does, and a page that is asked for comes first."""

Event = dict[str, Any]


def _die_with_parent(parent: int) -> None:
    """In the child, before exec: ask Linux for SIGKILL when the parent ends (elsewhere there is no such call)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _let_others_go_first() -> None:
    """In the child, before exec: yield to whoever else wants the processor."""
    os.nice(NICENESS)
    if sys.platform == "linux":
        # Where the kernel groups processes by session, niceness counts within the group only, and the group has its own. Not
        # every kernel groups, nor lets everybody say so.
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
            group.write(str(NICENESS))


def _prepare(parent: int) -> None:
    _die_with_parent(parent)
    _let_others_go_first()


def run_child(
    module: str,
    *,
    config: Mapping[str, Any],
    folder: Path,
    on_event: Callable[[Event], None],
    beat: Callable[[], None],
    on_line: Callable[[str], None],
) -> Event:
    """Run a module to its end and return its ``result`` event.

    ``beat`` is called every two seconds and may raise (cancelled, lease lost): the child is then killed and the error goes
    on. ``on_line`` gets each line the child printed. Raises ``StepError`` when the child reports an error, runs out of
    memory or dies.
    """
    config_path = folder / f"{module.rsplit('.', 1)[-1]}.config.json"
    config_path.write_text(json.dumps(config), encoding="utf-8")
    parent = os.getpid()
    process = subprocess.Popen(
        [sys.executable, "-m", module, str(config_path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: _prepare(parent),
        env={**CHILD_ENV, **os.environ},
    )
    try:
        return _follow(process, module=module, on_event=on_event, beat=beat, on_line=on_line)
    finally:
        kill_group(process)


def _follow(
    process: subprocess.Popen[bytes],
    *,
    module: str,
    on_event: Callable[[Event], None],
    beat: Callable[[], None],
    on_line: Callable[[str], None],
) -> Event:
    inbox: queue.Queue[tuple[str, str | None]] = queue.Queue(maxsize=10_000)
    streams = (("event", process.stdout), ("line", process.stderr))
    for kind, stream in streams:
        assert stream is not None
        threading.Thread(target=_pump, args=(kind, stream, inbox), daemon=True).start()
    open_streams = len(streams)
    tail: list[str] = []
    result: Event | None = None
    failure: Event | None = None
    next_beat = time.monotonic()
    while open_streams:
        if time.monotonic() >= next_beat:
            beat()
            next_beat = time.monotonic() + BEAT_SECONDS
        try:
            kind, text = inbox.get(timeout=0.5)
        except queue.Empty:
            if process.poll() is not None:
                # Something the child started keeps the pipes open; what the child itself said has been read.
                break
            continue
        if text is None:
            open_streams -= 1
        elif kind == "line":
            tail = [*tail[-TAIL_LINES + 1 :], text]
            on_line(text)
        else:
            event = _decode(text)
            if event is None:
                on_line(text)
            elif event["event"] == "result":
                result = event
            elif event["event"] == "error":
                failure = event
            else:
                on_event(event)
    code = process.wait()
    if failure is not None:
        raise StepError(
            str(failure["message"]), action=str(failure.get("action", "")), code=str(failure.get("code", ""))
        )
    if code == 0 and result is not None:
        return result
    raise _death(module, code, tail)


def _pump(kind: str, stream: IO[bytes], inbox: queue.Queue[tuple[str, str | None]]) -> None:
    try:
        limit = MAX_EVENT_BYTES if kind == "event" else MAX_LINE_BYTES
        while line := stream.readline(limit):
            inbox.put((kind, line.decode("utf-8", "replace").rstrip("\n")))
    finally:
        inbox.put((kind, None))


def _decode(text: str) -> Event | None:
    try:
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _death(module: str, code: int, tail: list[str]) -> StepError:
    name = module.rsplit(".", 1)[-1]
    last = next((line for line in reversed(tail) if line.strip()), "it printed nothing")
    if code == -signal.SIGKILL:
        return StepError(
            f"The {name} process was killed by the system, most likely because the machine ran out of memory.",
            action="Lower the memory use and retry: fewer tokens at once, QLoRA instead of LoRA, or a smaller base model.",
        )
    if code < 0:
        return StepError(
            f"The {name} process was ended by signal {signal.Signals(-code).name}. Its last line: {last}",
            action="Retry; if it happens again, look at the step's log.",
            retryable=True,
        )
    return StepError(
        f"The {name} process ended with exit code {code}. Its last line: {last}",
        action="Look at the step's log for the whole message.",
    )


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a child and everything it started: TERM, a grace period, KILL. Safe to call on a child that has ended."""
    for sign, patience in ((signal.SIGTERM, GRACE_SECONDS), (signal.SIGKILL, GRACE_SECONDS)):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        except PermissionError:
            break
        try:
            process.wait(timeout=patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
