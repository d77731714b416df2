"""Where a pipeline's boxes stand on the canvas, and the notes beside them: kept next to the spec, never in it.

::

    {"nodes": {"split": [120, 80]}, "notes": [{"id": "n1", "x": 0, "y": 0, "width": 220, "text": "…"}]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from pipelines.specs.spec import Spec

FAR = 1_000_000.0
"""Canvas units; nothing stands further out."""
MAX_NOTES = 200
MAX_NOTE_CHARS = 4_000
_NOTE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")


def tidy_layout(value: Mapping[str, Any], *, spec: Spec) -> dict[str, Any]:
    """What is usable of a layout sent by a browser: positions of nodes that exist, and notes within the limits."""
    ids = {node.id for node in spec.nodes}
    given = value.get("nodes")
    places = given if isinstance(given, Mapping) else {}
    nodes = {name: place for name in places if name in ids and (place := _place(places[name])) is not None}
    notes = value.get("notes")
    found = [note for item in (notes if isinstance(notes, list) else []) if (note := _note(item)) is not None]
    return {"nodes": nodes, "notes": found[:MAX_NOTES]}


def _place(value: Any) -> list[float] | None:
    if not isinstance(value, list | tuple) or len(value) != 2:
        return None
    numbers = [_number(v) for v in value]
    return None if None in numbers else [float(n) for n in numbers if n is not None]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return round(max(-FAR, min(FAR, float(value))), 1)


def _note(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    name, text = value.get("id"), value.get("text")
    x, y = _number(value.get("x")), _number(value.get("y"))
    width = _number(value.get("width", 220)) or 220.0
    if not isinstance(name, str) or not _NOTE_ID.fullmatch(name) or not isinstance(text, str) or x is None or y is None:
        return None
    return {"id": name, "x": x, "y": y, "width": max(120.0, min(width, 800.0)), "text": text[:MAX_NOTE_CHARS]}
