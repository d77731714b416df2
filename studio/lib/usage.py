"""What a process and everything it started use of the machine, read from ``/proc``. Elsewhere than on Linux: nothing is known."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Usage:
    """``memory``: resident bytes now of whoever does the work: the children and what they started, or the process itself while
    it has none. ``peak``: the largest that any child has been, or ``memory``. ``cpu``: seconds of processor time of the whole
    tree, with those of children that have ended. ``read``, ``written``: bytes from and to the disk, None where the kernel
    does not say.
    """

    memory: int
    peak: int
    cpu: float
    read: int | None
    written: int | None


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    cpu: float


def look(root: int) -> Usage | None:
    """The usage of process ``root`` and its descendants at this moment; None when it can't be known."""
    if not PROC.is_dir():
        return None
    tree = _find_tree(root)
    if not tree:
        return None
    children = [_memory(process.pid) for process in tree if process.pid != root]
    memory = sum(now for now, _ in children) if children else _memory(root)[0]
    transfers = [found for process in tree if (found := _transfers(process.pid)) is not None]
    return Usage(
        memory=memory,
        # What the root has been at its largest may have been for other work.
        peak=max([memory, *(most for _, most in children)]),
        cpu=sum(process.cpu for process in tree),
        read=sum(read for read, _ in transfers) if transfers else None,
        written=sum(written for _, written in transfers) if transfers else None,
    )


def _find_tree(root: int) -> list[_Process]:
    found: dict[int, _Process] = {}
    children: dict[int, list[int]] = defaultdict(list)
    for name in os.listdir(PROC):
        if name.isdigit() and (process := _read_stat(int(name))) is not None:
            found[process.pid] = process
            children[process.parent].append(process.pid)
    tree: list[_Process] = []
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        if pid in found:
            tree.append(found.pop(pid))
            waiting.extend(children[pid])
    return tree


def _read_stat(pid: int) -> _Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in the middle may hold spaces and brackets: everything after the last bracket is plain.
    fields = text.rpartition(")")[2].split()
    try:
        ticks = sum(int(field) for field in fields[11:15])
        return _Process(pid, int(fields[1]), ticks / CLOCK_TICKS)
    except (IndexError, ValueError):
        return None


def _memory(pid: int) -> tuple[int, int]:
    """Resident bytes now, and the most so far."""
    now = most = 0
    try:
        for line in (PROC / str(pid) / "status").read_text("utf-8", "replace").splitlines():
            if line.startswith("VmRSS:"):
                now = int(line.split()[1]) << 10
            elif line.startswith("VmHWM:"):
                most = int(line.split()[1]) << 10
    except (OSError, ValueError, IndexError):
        return now, most
    return now, most


def _transfers(pid: int) -> tuple[int, int] | None:
    values: dict[str, int] = {}
    try:
        for line in (PROC / str(pid) / "io").read_text("ascii", "replace").splitlines():
            name, _, value = line.partition(":")
            values[name] = int(value)
        return values["read_bytes"], values["write_bytes"]
    except (OSError, ValueError, KeyError):
        return None
