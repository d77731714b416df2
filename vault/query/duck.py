"""DuckDB over the Studio's own Parquet files: one sandboxed connection a process and root, a cursor a question."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from studio.lib.errors import StudioError

SECONDS = 5.0
Answer = TypeVar("Answer")

_connections: dict[tuple[int, str], Any] = {}
_lock = threading.Lock()


class TooSlow(StudioError):
    """A query was stopped after five seconds."""

    def __init__(self) -> None:
        super().__init__(
            f"The search was stopped after {SECONDS:.0f} seconds.",
            action="Search for a longer or rarer text, or set another filter first.",
        )


def connection(root: Path) -> Any:
    """The process's connection to the files below ``root``, made on first use: one made before a fork hangs the child.

    It reads below its root and nothing else, and its settings are locked.
    """
    import duckdb

    key = (os.getpid(), str(root))
    with _lock:
        if key not in _connections:
            made = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "1GB"})
            allowed = str(root).replace("'", "''")
            made.execute(f"SET allowed_directories=['{allowed}/']")
            made.execute("SET enable_external_access=false")
            made.execute("SET lock_configuration=true")
            _connections[key] = made
        return _connections[key]


def _ask(sql: str, values: Sequence[Any], *, root: Path, fetch: Callable[[Any], Answer]) -> Answer:
    import duckdb

    cursor = connection(root).cursor()
    timer = threading.Timer(SECONDS, cursor.interrupt)
    timer.start()
    try:
        return fetch(cursor.execute(sql, list(values)))
    except duckdb.InterruptException:
        raise TooSlow from None
    finally:
        timer.cancel()
        cursor.close()


def ask(sql: str, values: Sequence[Any], *, root: Path) -> list[tuple[Any, ...]]:
    """All records of one query to files below ``root``, named by a bound value. Raises :class:`TooSlow` after five seconds."""
    return _ask(sql, values, root=root, fetch=lambda cursor: cursor.fetchall())


def ask_positions(sql: str, values: Sequence[Any], *, root: Path) -> npt.NDArray[np.int32]:
    """The one integer column of a query, as ``int32``. Raises :class:`TooSlow` after five seconds."""
    found = _ask(sql, values, root=root, fetch=lambda cursor: cursor.fetchnumpy())
    (column,) = found.values()
    return np.asarray(column).astype(np.int32)


def regex_problem(pattern: str, *, root: Path) -> str:
    """Why a regular expression can't be used, or an empty string. Patterns are RE2's: linear time, no look-around."""
    import duckdb

    try:
        ask("SELECT regexp_matches('', ?)", [pattern], root=root)
    except duckdb.Error as error:
        return str(error).partition(":")[2].strip().splitlines()[0] or "It is not a regular expression."
    return ""
