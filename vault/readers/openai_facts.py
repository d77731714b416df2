"""What OpenAI's objects say beside the text, in the words that a row's ``meta`` uses."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

USAGE = {
    "input_tokens": ("input_tokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens"),
    "cached_tokens": ("cached_tokens",),
}


def usage_of(value: Any) -> dict[str, int]:
    """Tokens used, as the Studio's teachers report them: input, output and cached ones; empty when nothing is said."""
    if not isinstance(value, dict):
        return {}
    details = value.get("prompt_tokens_details") or value.get("input_tokens_details")
    known = {**(details if isinstance(details, dict) else {}), **value}
    found: dict[str, int] = {}
    for name, spellings in USAGE.items():
        for spelling in spellings:
            count = known.get(spelling)
            if isinstance(count, int) and not isinstance(count, bool):
                found.setdefault(name, count)
    return found


def moment(value: Any) -> str:
    """A Unix time in seconds as ISO 8601 in UTC; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    try:
        return datetime.fromtimestamp(value, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""
