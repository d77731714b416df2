"""One spelling for JSON and one hash for everything: fingerprints, row ids and artifact names all come from here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""Made once: ``json.dumps`` makes one at every call."""


def canonical_json(value: Any) -> str:
    """``value`` as JSON with sorted keys, no spaces and no NaN; equal values give equal text.

    Raises ``TypeError`` for what JSON cannot hold and ``ValueError`` for NaN or infinity.
    """
    return _ENCODER.encode(value)


def fingerprint(value: Any) -> str:
    """SHA-256 (64 hex digits) of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()


def _no_beat() -> None:
    """The default for callers that need not show they are alive."""


def file_sha256(path: Path, *, beat: Callable[[], None] = _no_beat) -> str:
    """SHA-256 (64 hex digits) of a file's bytes, read in 1 MiB pieces; ``beat`` is called after each."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            beat()
    return digest.hexdigest()
