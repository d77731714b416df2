"""What a tree of processes uses, read from the system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from studio.lib import usage

pytestmark = pytest.mark.skipif(not usage.PROC.is_dir(), reason="needs /proc")


def test_a_process_without_children_is_told_by_itself() -> None:
    found = usage.look(os.getpid())
    assert found is not None
    assert found.memory > 10 << 20 and found.peak >= found.memory and found.cpu > 0


def test_children_are_counted_and_their_time_stays_when_they_have_ended() -> None:
    before = usage.look(os.getpid())
    code = (
        "import time\nheld = b'x' * (80 << 20)\nend = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\nprint('ready', flush=True)\ninput()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = usage.look(os.getpid())
        child.communicate(b"\n")
    after = usage.look(os.getpid())
    assert before is not None and during is not None and after is not None
    # Other tests may have left children of their own: a browser is one.
    assert during.memory > 80 << 20
    assert during.cpu - before.cpu >= 0.25
    assert after.cpu - before.cpu >= 0.25


def test_a_process_that_is_gone_and_a_system_without_proc_tell_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert usage.look(2**22 + 1) is None
    monkeypatch.setattr(usage, "PROC", tmp_path / "absent")
    assert usage.look(os.getpid()) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "stat").write_text("7 (a) b) (c) S 1 7 7 0 -1 0 0 0 0 0 100 50 30 20 20 0 1 0 0 0 0")
    (folder / "status").write_text("Name:\tx\nVmHWM:\t   2048 kB\nVmRSS:\t   1024 kB\n")
    monkeypatch.setattr(usage, "PROC", tmp_path)
    found = usage.look(7)
    assert found is not None
    assert (found.memory, found.cpu, found.read) == (1 << 20, 200 / usage.CLOCK_TICKS, None)
