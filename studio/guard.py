"""Ends what a supervisor left running when it was killed without a chance to stop it.

Run as ``python guard.py`` with a pipe from the supervisor as standard input. The supervisor writes ``+123`` when
process group 123 was started and ``-123`` when it is gone. When the pipe closes, however the supervisor ended,
every group still listed is terminated. Works on every Unix, and for grandchildren too, which a parent-death
signal does not reach.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE_SECONDS = 3.0


def follow(lines: Iterable[str]) -> set[int]:
    """Read ``+group`` and ``-group`` lines to the end; the groups that were never taken off the list."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit():
            (groups.add if sign == "+" else groups.discard)(int(number))
    return groups


def send(group: int, signum: int) -> bool:
    """Signal a process group; False when nothing of it is left (or what has its number now is not ours)."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: set[int], *, grace: float = GRACE_SECONDS) -> None:
    """Ask every group to stop, wait at most ``grace`` seconds, then kill what is left."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def main() -> None:
    """Outlive every signal a terminal sends, and wait for the pipe to close."""
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    end(follow(sys.stdin))


if __name__ == "__main__":
    main()
