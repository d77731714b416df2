"""What a gate says."""

from __future__ import annotations

from typing import Any, NamedTuple


class Gate(NamedTuple):
    """One condition: whether it holds, and the figures behind that."""

    name: str
    label: str
    ok: bool
    text: str

    def as_dict(self) -> dict[str, Any]:
        """As it is copied into the record."""
        return self._asdict()
