"""Running an expression over many rows in confined processes: a row that ends its process is a failure of that row alone."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from evaluation.expressions.language import Checked
from evaluation.expressions.running import MOST_STEPS

ROOT = Path(__file__).resolve().parents[2]
MOST_DEATHS = 20
BEAT_ROWS = 500


@dataclass(frozen=True, slots=True)
class Limits:
    """``seconds`` of processor time a row and ``budget`` for all, ``memory`` in bytes beyond what Python itself takes."""

    seconds: float = 1.0
    budget: int = 600
    memory: int = 256 << 20
    steps: int = MOST_STEPS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a row gave: a finite number or True or False, None where the expression gave None, or why it failed."""

    value: float | bool | None = None
    failed: str = ""


def run_rows(
    checked: Checked,
    rows: Iterable[Mapping[str, Any]],
    *,
    limits: Limits | None = None,
    beat: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """The outcome of every row, in order. Each row has at least the names that the expression reads.

    ``beat`` is called now and then and may raise; the process is then ended.
    After 20 rows that ended their process, or when the time for all is used up, the rest fail untried and say so.
    """
    limits = limits or Limits()
    with tempfile.TemporaryFile() as file:
        head = {
            "expression": checked.text,
            "steps": limits.steps,
            "seconds": limits.seconds,
            "budget": limits.budget,
            "memory": limits.memory,
        }
        first = file.write(json.dumps(head).encode() + b"\n")
        places = [first]
        for row in rows:
            places.append(
                places[-1] + file.write(json.dumps([row.get(name) for name in checked.names]).encode() + b"\n")
            )
        return _answer(file, head, places, limits, beat)


def _answer(
    file: IO[bytes], head: dict[str, Any], places: list[int], limits: Limits, beat: Callable[[], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    wanted, deaths, left = len(places) - 1, 0, float(limits.budget)
    while len(outcomes) < wanted:
        if deaths >= MOST_DEATHS or left < 1:
            why = (
                f"{deaths} rows before it took too long"
                if deaths >= MOST_DEATHS
                else "the time for all rows was used up"
            )
            outcomes += [Outcome(failed=f"not tried: {why}")] * (wanted - len(outcomes))
            break
        code, spent, replies = _one_process(file, {**head, "budget": math.ceil(left)}, places[len(outcomes)], beat)
        outcomes += replies
        left -= spent
        if len(outcomes) < wanted:
            deaths += 1
            outcomes.append(Outcome(failed=_why(code, limits)))
    return outcomes


def _one_process(
    file: IO[bytes], head: dict[str, Any], place: int, beat: Callable[[], None]
) -> tuple[int, float, list[Outcome]]:
    """``(exit code, seconds of processor time, replies)`` of a process that starts at the row at this place of the file."""
    file.flush()
    with tempfile.TemporaryFile() as rest, tempfile.TemporaryFile() as said:
        rest.write(json.dumps(head).encode() + b"\n")
        file.seek(place)
        while block := file.read(1 << 20):
            rest.write(block)
        rest.seek(0)
        process = subprocess.Popen(
            [sys.executable, "-s", "-B", "-m", "evaluation.expressions.child"],
            stdin=rest,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=ROOT,
            # Nothing of the worker's environment: it holds keys.
            env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            replies = []
            for line in process.stdout:
                if line.endswith(b"\n"):
                    replies.append(_outcome(json.loads(line)))
                if len(replies) % BEAT_ROWS == 0:
                    beat()
        except BaseException:
            process.kill()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode > 0 and not replies:
            said.seek(0)
            trace = said.read(20_000).decode(errors="replace").strip()
            raise RuntimeError(f"The process that evaluates expressions ended with an error: {trace[-2_000:]}")
        return process.returncode, usage.ru_utime + usage.ru_stime, replies


def _outcome(reply: dict[str, Any]) -> Outcome:
    if "failed" in reply:
        return Outcome(failed=str(reply["failed"]))
    value = reply["value"]
    if value is not None and not math.isfinite(value):
        return Outcome(failed=f"it gives {value}, which is no number")
    return Outcome(value)


def _why(code: int, limits: Limits) -> str:
    if code == -signal.SIGPROF:
        return f"it took longer than {limits.seconds:g} s of processor time"
    if code == -signal.SIGXCPU:
        return "the time for all rows was used up"
    if code < 0:
        return f"it ended its process ({signal.Signals(-code).name})"
    return "it needs too much memory"
