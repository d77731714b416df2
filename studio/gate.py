"""Few pages are made at once, however many threads there are.

Python runs one thread at a time. When many make pages, each waits up to five milliseconds for its turn after every query, and all become
slow together: with fifty viewers of a live run, sixteen at once took two to four times as long at the 95th percentile as four. The
other threads are for what only waits: a body that arrives slowly, a download that is taken slowly.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
PAGES_AT_ONCE = 4


def limit_pages(app: Wsgi, *, at_once: int = PAGES_AT_ONCE) -> Wsgi:
    """``app`` with at most ``at_once`` reading requests (GET, HEAD) at work; what they return is sent outside the gate."""
    turn = threading.BoundedSemaphore(at_once)

    def gated(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return app(environ, start_response)
        with turn:
            return app(environ, start_response)

    return gated
