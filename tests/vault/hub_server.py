"""A hub on loopback: a real HTTP server that speaks the hub's two addresses."""

from __future__ import annotations

import hashlib
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

SHA = "0123456789abcdef0123456789abcdef01234567"
TABLE = (Path(__file__).parents[1] / "data/columns.parquet").read_bytes()


class Hub(BaseHTTPRequestHandler):
    """Answers from ``pages`` (path → status, headers, body) and remembers what was asked."""

    pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status, headers, body = self.pages.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


def publish(
    *, size: int | None = None, digest: str | None = None, siblings: list[dict[str, Any]] | None = None
) -> None:
    """The dataset bank/tickets: one table, behind a redirect, a script and a card."""
    lfs = {"sha256": hashlib.sha256(TABLE).hexdigest() if digest is None else digest, "size": len(TABLE)}
    table = {"rfilename": "data/train-0.parquet", "size": len(TABLE) if size is None else size, "lfs": lfs}
    found = (
        siblings if siblings is not None else [table, {"rfilename": "load.py", "size": 9}, {"rfilename": "README.md"}]
    )
    body = json.dumps({"sha": SHA, "siblings": found, "cardData": {"license": "cc0-1.0"}}).encode()
    Hub.pages["/api/datasets/bank/tickets/revision/main?blobs=true"] = (200, {}, body)
    Hub.pages[f"/datasets/bank/tickets/resolve/{SHA}/data/train-0.parquet"] = (302, {"Location": "/cdn/1"}, b"")
    Hub.pages["/cdn/1"] = (200, {}, TABLE)
