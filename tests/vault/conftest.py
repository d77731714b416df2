"""A small dataset that most tests of pages look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from studio.models import Workspace
from vault.ingest import import_file
from vault.models import DatasetVersion

from .hub_server import Hub

ROWS = [
    ("Where is my card?", "card_arrival", "card_arrival", "Rome"),
    ('<script>alert(1)</script> & "quotes"', "card_arrival", "other", "Oslo"),
    ('=HYPERLINK("http://x")', "top_up", "top_up", "Rome"),
    ("مرحبا 👋", "", "top_up", "Lima"),
]


@pytest.fixture
def version(workspace: Workspace, editor: User, tmp_path: Path) -> DatasetVersion:
    """Version 1 of the dataset ``tickets``: 60 rows, of which the first four are special."""
    import csv

    path = tmp_path / "tickets.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("text", "label", "gold", "city"))
        writer.writerows(ROWS)
        writer.writerows((f"Question number {n}", "top_up", "top_up", "Lima") for n in range(56))
    params = {
        "prompt": "{text}",
        "completion": "label",
        "reference": "gold",
        "tags": ["city"],
        "system_prompt": "Sort.",
    }
    return import_file(path, workspace=workspace, name="Tickets", params=params, user=editor)


@pytest.fixture
def hub() -> Iterator[dict[str, Any]]:
    """A hub on loopback that holds nothing yet: its address, and the hosts that must be open for it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Hub.pages, Hub.asked = {}, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    port = server.server_address[1]
    yield {"endpoint": f"http://127.0.0.1:{port}", "allowed_hosts": [f"127.0.0.1:{port}"]}
    server.shutdown()
    thread.join()
    server.server_close()
