"""How a child process speaks: JSON lines on what was its standard output, one object a line.

``progress``, ``metric`` and ``log`` while it works, ``error`` for what the user can mend, ``result`` last. Library prints go
to standard error, so nothing but events is ever read by the parent. A recipe is::

    def main(config: dict, events: Events) -> dict:
        events.progress(1, 10, unit="rows")
        return {"rows": 10}

    if __name__ == "__main__":
        run_main(main)
"""

from __future__ import annotations

import json
import math
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from studio.lib.disk import is_disk_full

PROGRESS_EVERY = 0.2
"""Seconds between two progress events; the last one (done == total) is always sent."""

USAGE_EVERY = 1.0
"""Seconds between two events about memory."""

PARENT_EVERY = 2.0
"""Seconds between two looks at whether the parent still lives."""


class RecipeError(Exception):
    """Something the user can mend: what happened, ``action`` (what to do next) and a short machine-readable ``code``."""

    def __init__(self, message: str, *, action: str = "", code: str = "failed") -> None:
        super().__init__(message)
        self.action = action
        self.code = code


class Events:
    """Writes events to ``stream``, flushed line by line. One writer per process."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last_progress = -math.inf
        self._last_usage = -math.inf

    def emit(self, event: str, **fields: Any) -> None:
        """Write one event. Values must be JSON; infinity and NaN become null (JSON has neither)."""
        line = json.dumps(
            {"event": event, **{k: _finite(v) for k, v in fields.items()}}, ensure_ascii=False, default=str
        )
        self._stream.write(line + "\n")
        self._stream.flush()

    def progress(self, done: int, total: int | None = None, *, unit: str = "rows", note: str = "") -> None:
        """How far this is. At most five a second are written, and always the last."""
        now = time.monotonic()
        if done != total and now - self._last_progress < PROGRESS_EVERY:
            return
        self._last_progress = now
        self.emit("progress", done=done, total=total, unit=unit, note=note)
        self.usage()

    def usage(self) -> None:
        """What only this process knows of the memory it uses: the most that torch held on the GPUs. At most once a second."""
        now = time.monotonic()
        if now - self._last_usage < USAGE_EVERY:
            return
        self._last_usage = now
        held = gpu_memory()
        if held is not None:
            self.emit("usage", gpu_memory_bytes=held)

    def metric(self, name: str, value: float, *, at: int) -> None:
        """One point of a live curve: ``value`` of ``name`` at optimiser step ``at``. Infinity and NaN have no place on it."""
        if math.isfinite(value):
            self.emit("metric", name=name, value=value, at=at)

    def log(self, message: str) -> None:
        """A line for the step's log."""
        self.emit("log", message=message)

    def error(self, message: str, *, action: str = "", code: str = "failed") -> None:
        """The last event of a run that the user must mend."""
        self.emit("error", message=message, action=action, code=code)

    def result(self, **fields: Any) -> None:
        """The last event of a run that succeeded."""
        self._last_usage = -math.inf
        self.usage()
        self.emit("result", **fields)


def gpu_memory() -> int | None:
    """The most bytes torch has held on all GPUs together; None when torch was not loaded or uses none."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return sum(int(torch.cuda.max_memory_reserved(n)) for n in range(torch.cuda.device_count()))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def claim_stdout() -> TextIO:
    """Take the real standard output for events and send everything else printed, also by C code, to standard error."""
    sys.stdout.flush()
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return stream


OUT_OF_MEMORY_ACTION = (
    "Lower “Tokens per pass” of the training, or “Tokens at once” of the evaluation or the export; or choose a smaller base "
    "model."
)
DISK_FULL_ACTION = (
    "Free some space on the disk, or move STUDIO_DATA_ROOT to a larger one, then retry: it goes on where it stood."
)


def run_main(main: Callable[[dict[str, Any], Events], dict[str, Any]]) -> None:
    """Run a recipe on the JSON file named by ``sys.argv[1]`` and exit: 0 with a result event, 1 with an error event.

    A full disk becomes an error event with code ``disk_full``, memory errors of Python, torch and the allocator one with
    ``out_of_memory``. Anything else is a bug: its traceback goes to standard error, and there is neither a result nor an
    error event. Ends with its parent where that reads the events.
    """
    parent = os.getppid()
    stream = claim_stdout()
    if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
        # Into a pipe they go to whoever started this. Into a file or a terminal it may have been meant to outlive a shell.
        threading.Thread(target=_end_with, args=(parent,), name="parent watch", daemon=True).start()
    events = Events(stream)
    try:
        config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
        result = main(config, events)
    except Exception as problem:
        told = explain(problem)
        if told is None:
            raise
        events.error(str(told), action=told.action, code=told.code)
        status = 1
    else:
        events.result(**result)
        status = 0
    stream.flush()
    sys.stderr.flush()
    os._exit(status)  # libraries' exit hooks (thread pools, CUDA) must not turn a finished run into a failed one


def explain(problem: Exception) -> RecipeError | None:
    """What the user is told of an exception; None for a bug."""
    if is_disk_full(problem):
        return RecipeError(f"The disk is full: {_first_line(problem)}", action=DISK_FULL_ACTION, code="disk_full")
    if isinstance(problem, RecipeError):
        return problem
    if isinstance(problem, (MemoryError, RuntimeError, OSError)) and is_out_of_memory(problem):
        return RecipeError(
            f"There was not enough memory: {_first_line(problem)}", action=OUT_OF_MEMORY_ACTION, code="out_of_memory"
        )
    return None


def _end_with(parent: int) -> None:
    """End this process, and what it started, once it has another parent: only Linux does that by itself."""
    while os.getppid() == parent:
        time.sleep(PARENT_EVERY)
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether an exception means that memory ran out (torch raises a plain ``RuntimeError`` on the CPU)."""
    if isinstance(problem, MemoryError) or type(problem).__name__ == "OutOfMemoryError":
        return True
    text = str(problem).lower()
    return "out of memory" in text or "can't allocate memory" in text or "cannot allocate memory" in text


def _first_line(problem: BaseException) -> str:
    text = str(problem).strip().splitlines()
    return text[0][:300] if text else type(problem).__name__
