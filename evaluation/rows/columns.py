"""The names in ``items.parquet``: its file, and how a candidate's columns are called."""

from __future__ import annotations

import re
from functools import lru_cache

ITEMS_FILE = "items.parquet"
SEARCH_FOLDER = "search"
"""The index of words beside it: which rows hold a text."""
COMMON = ("id", "prompt", "question", "teacher", "reference", "target", "tags", "_search")
TEXTS = ("answer", "text", "label", "error", "key", "measures")
NUMBERS = ("confidence", "latency_ms", "judge")
FLAGS = ("asked", "agrees", "correct")


@lru_cache(maxsize=1024)
def column(candidate: str, field: str) -> str:
    """The column that holds a candidate's field. Candidate names are limited to letters, digits and underscores."""
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', candidate)}__{field}"
