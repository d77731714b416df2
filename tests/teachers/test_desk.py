"""Blocking work for an async program, done by the thread that started it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pipelines.teachers.desk import Desk


def test_orders_are_done_by_the_calling_thread_and_the_loop_runs_elsewhere() -> None:
    desk = Desk()

    async def main() -> tuple[int, int]:
        done_by = await desk.do(threading.get_ident)
        return done_by, threading.get_ident()

    done_by, loop_thread = desk.run(main)
    assert done_by == threading.get_ident()
    assert loop_thread != threading.get_ident()


def test_an_orders_error_is_raised_where_it_was_awaited() -> None:
    desk = Desk()

    def fail() -> None:
        raise KeyError("lost")

    async def main() -> str:
        with pytest.raises(KeyError, match="lost"):
            await desk.do(fail)
        return "went on"

    assert desk.run(main) == "went on"


def test_the_programs_error_is_raised_by_run() -> None:
    async def main() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Desk().run(main)


def test_orders_are_served_in_order_while_others_wait() -> None:
    desk, seen = Desk(), []

    async def main() -> list[None]:
        return list(await asyncio.gather(*(desk.do(lambda n=n: seen.append(n)) for n in range(50))))  # type: ignore[misc]

    desk.run(main)
    assert seen == list(range(50))


def test_an_interrupt_of_the_calling_thread_cancels_the_program() -> None:
    desk, cancelled = Desk(), threading.Event()

    def interrupt() -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        try:
            await desk.do(interrupt)
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(KeyboardInterrupt):
        desk.run(main)
    assert cancelled.is_set()
