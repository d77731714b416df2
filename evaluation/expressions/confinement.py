"""What a process gives up before it runs what somebody else wrote: files, sockets, memory, processor time."""

from __future__ import annotations

import os
import signal
from pathlib import Path


def confine(*, memory: int, seconds: int) -> None:
    """From here on this process opens no file, no socket and no pipe, writes no file, dumps no core, may take ``memory`` bytes
    more than it holds, and is killed (SIGXCPU) after ``seconds`` of processor time. It can't undo any of it.

    Where the system has no such limit (Windows), ``ImportError`` or ``OSError``: nothing is run there.
    """
    import resource

    held = _address_space()
    limits = {
        resource.RLIMIT_CPU: (seconds, seconds + 5),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (0, 0),
    }
    if held is not None:
        limits[resource.RLIMIT_AS] = (held + memory, held + memory)
    if hasattr(resource, "RLIMIT_NPROC"):
        limits[resource.RLIMIT_NPROC] = (0, 0)
    for name, (soft, hard) in limits.items():
        resource.setrlimit(name, (soft, hard))
    for sign in (signal.SIGPROF, signal.SIGXCPU):
        # Python's own handlers wait for the end of a long call; the system's ends the process at once.
        signal.signal(sign, signal.SIG_DFL)


def allow(seconds: float) -> None:
    """End this process with SIGPROF once it has worked so long from now; 0 takes that back."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _address_space() -> int | None:
    """Bytes of address space that this process has, or None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
