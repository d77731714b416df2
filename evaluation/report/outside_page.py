"""Who answered for the models asked over a network, as a report's page and texts show it. Pure: the report's JSON in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from studio.registries import TEACHERS

PROMPTS = {"keep": "the rows' own", "drop": "none", "replace": "its own"}


def outside_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each such candidate: provider, the name asked for, who answered how many rows, when, and how it was asked."""
    return [_row(c, c["source"]) for c in report["candidates"] if c.get("source")]


def _row(candidate: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    provider = str(source.get("teacher") or "")
    first, last = (_day(source.get(key)) for key in ("first_at", "last_at"))
    temperature = source.get("temperature")
    asked = [f"system prompt: {PROMPTS.get(str((source.get('view') or {}).get('mode')), 'unknown')}"]
    asked.append("the provider's temperature" if temperature is None else f"temperature {temperature:g}")
    asked.append(f"at most {source.get('max_tokens') or 0:,} tokens")
    if source.get("again"):
        asked.append(f"asked anew ({source['again']})")
    return {
        "candidate": candidate,
        "provider": TEACHERS[provider].label if provider in TEACHERS else provider or "unknown",
        "model": source.get("model") or "",
        "models": source["models"],
        "changed": len(source["models"]) > 1,
        "when": first if first == last else f"{first} to {last}",
        "asked": ", ".join(asked),
    }


def _day(text: Any) -> str:
    """The day (UTC) in a time stamp of the answer cache, ``3 Mar 2026``; "unknown" without one."""
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return "unknown"
    return f"{at.day} {at:%b %Y}"


def outside_lines(report: Mapping[str, Any]) -> list[str]:
    """The same as sentences, for a terminal and for Markdown."""
    found = []
    for row in outside_rows(report):
        who = "; ".join(
            f"{m['model']}{' (' + m['fingerprint'] + ')' if m['fingerprint'] else ''} on {m['rows']:,}"
            for m in row["models"]
        )
        found.append(
            f"{row['candidate']['label']}: {row['provider']}, asked for {row['model']}, answered by {who or 'nobody'}; {row['when']}; "
            f"{row['asked']}"
        )
    return found
