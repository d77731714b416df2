"""Expressions in their confined process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from evaluation.expressions import sandbox
from evaluation.expressions.language import Checked, read_expression
from evaluation.expressions.running import MOST_STEPS
from evaluation.expressions.sandbox import Limits, Outcome, run_rows

ESCAPE = """
import resource, socket, sys
from evaluation.expressions.confinement import confine
confine(memory=64 << 20, seconds=5)
tried = {
    "read": lambda: open("/etc/hostname"),
    "write": lambda: open("/dev/shm/x", "w"),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "memory": lambda: bytearray(256 << 20),
    "undo": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)) if __import__("os").getuid() else open("/etc/hostname"),
}
for name, attempt in tried.items():
    try:
        attempt()
    except (OSError, MemoryError, ValueError):
        sys.stdout.write(f"{name} refused\\n")
"""


def outcomes(text: str, answers: list[str], limits: Limits | None = None) -> list[Outcome]:
    return run_rows(read_expression(text), [{"answer": a} for a in answers], limits=limits)


def test_every_row_gets_its_outcome_in_order() -> None:
    found = outcomes("len(answer) if answer != 'x' else 1 / 0", ["a", "bb", "x", "\ud800€", ""])
    assert found == [Outcome(1), Outcome(2), Outcome(failed="it divides by zero"), Outcome(2), Outcome(0)]
    assert run_rows(read_expression("1"), []) == []


def test_a_row_that_takes_too_long_fails_alone() -> None:
    slow = "len([1 for x in range(99000)]) if answer == 'slow' else 1"
    found = outcomes(slow, ["a", "slow", "b", "slow", "c"], Limits(seconds=0.1, steps=10**9))
    assert [o.value for o in found] == [1, None, 1, None, 1]
    assert found[1].failed == "it took longer than 0.1 s of processor time"


def test_after_many_such_rows_the_rest_is_told_as_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MOST_DEATHS", 2)
    slow = "len([1 for x in range(99000)])"
    found = outcomes(slow, ["a"] * 4, Limits(seconds=0.05, steps=10**9))
    assert [o.failed for o in found[2:]] == ["not tried: 2 rows before it took too long"] * 2


def test_the_time_for_all_rows_has_an_end() -> None:
    found = outcomes("len([1 for x in range(30000)])", ["a"] * 60, Limits(budget=1, steps=10**9))
    assert len(found) == 60
    assert found[-1].failed == "not tried: the time for all rows was used up"


def test_memory_has_an_end() -> None:
    doubled = "len([answer + 'x' for i in range(400)])"
    found = outcomes(doubled, ["a" * 900_000, "b"], Limits(memory=64 << 20))
    assert "memory" in found[0].failed
    assert found[1] == Outcome(400)


def test_what_is_no_number_is_a_failure() -> None:
    found = outcomes("answer", ["text"])
    assert found == [Outcome(failed="it gives a text, not a number or True or False")]
    assert outcomes("float(answer)", ["nan", "inf", "1"]) == [
        Outcome(failed="it gives nan, which is no number"),
        Outcome(failed="it gives inf, which is no number"),
        Outcome(1.0),
    ]
    assert outcomes("None if answer == '' else True", ["", "a"]) == [Outcome(None), Outcome(True)]


def test_the_process_can_reach_neither_files_nor_sockets_nor_much_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ESCAPE], cwd=sandbox.ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split("\n")[:-1] == [
        "read refused",
        "write refused",
        "connect refused",
        "memory refused",
        *(["undo refused"] if "undo refused" in done.stdout else []),
    ]


def test_the_process_gets_nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, str] = {}
    real = subprocess.Popen

    def popen(*args: object, **kwargs: object) -> object:
        given.update(kwargs["env"])  # type: ignore[call-overload]
        return real(*args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setenv("STUDIO_SECRET_KEY", "secret")
    monkeypatch.setattr(subprocess, "Popen", popen)
    assert outcomes("1", ["a"]) == [Outcome(1)]
    assert "STUDIO_SECRET_KEY" not in given


def test_a_cancelled_evaluation_ends_the_process() -> None:
    class Cancelled(Exception):
        pass

    def beat() -> None:
        raise Cancelled

    def rows() -> Iterator[dict[str, str]]:
        yield from ({"answer": "a"} for _ in range(sandbox.BEAT_ROWS * 3))

    with pytest.raises(Cancelled):
        run_rows(read_expression("len(answer)"), rows(), beat=beat)


def test_a_fault_of_ours_is_no_failure_of_the_row() -> None:
    broken = read_expression("1")
    with pytest.raises(RuntimeError, match="ExpressionError"):
        run_rows(Checked("nobody", broken.tree, (), "number"), [{}])
    assert MOST_STEPS > 1_000
