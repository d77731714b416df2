"""Blocking work for an async program, done by the thread that started it.

The event loop runs in a thread of its own; database writes and progress reports come back to the calling thread, where the
database connection and its transactions already are. So there is one connection, no pool to close, and no ORM call on the loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Order(Generic[T]):
    work: Callable[[], T]
    answer: asyncio.Future[T]

    def deliver(self, result: T) -> None:
        if not self.answer.done():
            self.answer.set_result(result)

    def refuse(self, error: BaseException) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Desk:
    """Takes orders from the loop; :meth:`run` serves them."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[_Order[Any] | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def do(self, work: Callable[[], T]) -> Awaitable[T]:
        """Called on the loop: have ``work`` done by the calling thread. Awaiting gives its result or raises its error."""
        order = _Order(work, asyncio.get_running_loop().create_future())
        self._orders.put(order)
        return order.answer

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run ``main()`` to its end and return its result, serving its orders meanwhile.

        An exception in the calling thread outside an order (an interrupt) cancels ``main`` and waits for it.
        """
        outcome: list[T] = []
        errors: list[BaseException] = []

        async def supervised() -> None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            outcome.append(await main())

        def loop_thread() -> None:
            try:
                asyncio.run(supervised())
            except BaseException as error:
                # Handed to the calling thread, which raises it.
                errors.append(error)
            finally:
                self._orders.put(None)

        thread = threading.Thread(target=loop_thread, name="teacher calls", daemon=True)
        thread.start()
        try:
            self._serve()
        except BaseException:
            self._cancel()
            raise
        finally:
            thread.join()
        if errors:
            raise errors[0]
        return outcome[0]

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                result = order.work()
            except Exception as error:
                self._answer(order.refuse, error)
            else:
                self._answer(order.deliver, result)

    def _answer(self, how: Callable[[Any], None], value: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(how, value)

    def _cancel(self) -> None:
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
