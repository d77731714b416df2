"""Few pages are made at once; what only waits is not held back."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from studio.gate import limit_pages


class Kitchen:
    """An application whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.inside = threading.Semaphore(0)
        self.leave = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.inside.release()
        if not self.leave.wait(20):
            raise TimeoutError
        return [b"done"]

    def came_in(self, count: int) -> bool:
        return all(self.inside.acquire(timeout=10) for _ in range(count))


@pytest.fixture
def kitchen() -> Iterator[Kitchen]:
    made = Kitchen()
    yield made
    made.leave.set()


def ask(app: Any, method: str, count: int) -> list[threading.Thread]:
    threads = [threading.Thread(target=app, args=({"REQUEST_METHOD": method}, None)) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


def test_a_page_waits_its_turn_and_gets_it(kitchen: Kitchen) -> None:
    threads = ask(limit_pages(kitchen, at_once=2), "GET", 5)
    assert kitchen.came_in(2)
    assert not kitchen.inside.acquire(timeout=0.2)
    kitchen.leave.set()
    assert kitchen.came_in(3)
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_a_body_that_arrives_slowly_holds_no_page_up(kitchen: Kitchen) -> None:
    app = limit_pages(kitchen, at_once=1)
    ask(app, "POST", 4)
    assert kitchen.came_in(4)
    ask(app, "GET", 1)
    assert kitchen.came_in(1)


def test_a_download_that_is_taken_slowly_holds_no_page_up() -> None:
    app = limit_pages(lambda environ, start_response: iter([b"a", b"b"]), at_once=1)
    first = iter(app({"REQUEST_METHOD": "GET"}, None))
    assert next(first) == b"a"
    assert list(app({"REQUEST_METHOD": "GET"}, None)) == [b"a", b"b"]


def test_a_page_that_fails_gives_its_turn_back() -> None:
    def fail(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    app = limit_pages(fail, at_once=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            app({"REQUEST_METHOD": "GET"}, None)
