"""Regular expressions that users type, on RE2: time linear in the text, whatever the pattern, so none can hang a worker.

RE2 (the ``google-re2`` wheel) has no look-around and no back-references: the price of that promise. A time limit on a
backtracking engine would instead make a row's verdict depend on how busy the machine is.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

LONGEST = 5_000
MEMORY = 32 << 20
"""Bytes a compiled pattern may take; what needs more is refused when it is entered."""


@lru_cache(maxsize=256)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Any:
    """An RE2 pattern with ``search``. Raises ``ValueError`` in plain words when it is none."""
    import re2

    if len(pattern) > LONGEST:
        raise ValueError(f"The pattern has {len(pattern):,} characters; at most {LONGEST:,}")
    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    options.max_mem = MEMORY
    try:
        return re2.compile(pattern, options=options)
    except re2.error as error:
        said = error.args[0] if error.args else error
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(f"The pattern can't be used: {text}.{_hint(pattern)}") from None


def _hint(pattern: str) -> str:
    if any(sign in pattern for sign in ("(?=", "(?!", "(?<=", "(?<!")):
        return " Look-ahead and look-behind are not supported; use two steps, one of them set to “without a match”"
    if any(f"\\{n}" in pattern for n in range(1, 10)):
        return " References back to a group are not supported"
    return ""


def search(pattern: Any, text: str) -> Any:
    """The first match or None; lone surrogates in the text count as U+FFFD."""
    try:
        return pattern.search(text)
    except UnicodeEncodeError:
        return pattern.search(text.encode("utf-8", "replace").decode())
