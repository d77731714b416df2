"""Loaded first by ``make test-services`` (``-p``): each of its processes has a Redis database of its own, as it has one of PostgreSQL."""

from __future__ import annotations

import os
from urllib.parse import urlsplit, urlunsplit


def of_process(url: str, process: str) -> str:
    """``redis://host/0`` for process ``gw1``: ``redis://host/2``. The first database is left to a run in one process."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{int(process.removeprefix('gw')) + 1}"))


if "PYTEST_XDIST_WORKER" in os.environ and os.environ.get("STUDIO_REDIS_URL"):
    os.environ["STUDIO_REDIS_URL"] = of_process(os.environ["STUDIO_REDIS_URL"], os.environ["PYTEST_XDIST_WORKER"])
