"""What an operation does to one row, as functions of plain data. A row's present state is the fold of its operations.

A :class:`Record` is a row as its Parquet record holds it (JSON text), decoded field by field when first looked at: tagging a
million rows never decodes a million prompts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from studio.lib.canonical import fingerprint
from vault.editing.matching import Replacement
from vault.rows import COLUMNS, Message, Row, search_text

FIELDS = COLUMNS[1:-1]
CONTENT = ("prompt", "completion", "reference", "tags")
"""What a person can change."""


@dataclass(frozen=True)
class Change:
    """One operation as it acts on each of its rows: who, when, what."""

    kind: str
    params: Mapping[str, Any]
    by: str
    at: str
    """ISO 8601, with zone."""
    number: int = 0
    replacement: Replacement | None = field(default=None, compare=False)
    """Compiled once for all rows, for kind ``replace``."""


def change(kind: str, params: Mapping[str, Any], *, by: str, at: str, number: int = 0) -> Change:
    """A change ready to be applied; raises ``StudioError`` for a pattern that can't be compiled."""
    found = Replacement.from_params(params) if kind == "replace" else None
    return Change(kind, params, by, at, number, found)


class Record:
    """One row's columns and what was done to them. ``rejected`` is ``{"by", "reason"}`` or None."""

    __slots__ = ("_texts", "_values", "edited", "rejected", "touched")

    def __init__(self, texts: Mapping[str, Any]) -> None:
        self._texts = texts
        self._values: dict[str, Any] = {}
        self.touched: set[str] = set()
        self.edited: tuple[str, str] | None = None
        self.rejected: dict[str, str] | None = None

    def get(self, name: str) -> Any:
        """The value of a column now."""
        if name not in self._values:
            text = self._texts[name]
            self._values[name] = text if text is None or name == "id" else json.loads(text)
        return self._values[name]

    def set(self, name: str, value: Any, *, by: str, at: str) -> None:
        """Give a column a new value; the same value again is no edit."""
        if value == self.get(name):
            return
        self._values[name] = value
        self.touched.add(name)
        self.edited = (by, at)

    def row(self) -> Row:
        """The row as it is now, with its provenance as a commit would write it."""
        self.settle()
        return Row(
            id=self.get("id"),
            prompt=self.get("prompt"),
            completion=self.get("completion"),
            reference=self.get("reference"),
            soft=self.get("soft"),
            tags=self.get("tags") or [],
            meta=self.get("meta") or {},
        )

    def settle(self) -> None:
        """Note who edited it, and for a new prompt which row it comes from, in ``meta``."""
        if self.edited is None:
            return
        meta = dict(self.get("meta") or {})
        meta["edited"] = {"by": self.edited[0], "at": self.edited[1]}
        if "prompt" in self.touched:
            known = meta.get("derived_from")
            origins = [str(one) for one in known] if isinstance(known, list) else []
            meta["derived_from"] = [*origins, *([] if self.get("id") in origins else [self.get("id")])]
        self._values["meta"] = meta
        self.touched.add("meta")

    def columns(self) -> dict[str, str | None]:
        """The columns that changed, as Parquet keeps them (with ``_search`` when its text did)."""
        self.settle()
        found: dict[str, str | None] = {name: dump(self.get(name)) for name in self.touched}
        if self.touched & {"prompt", "completion", "reference"}:
            found["_search"] = search_text(self.row())
        return found


def dump(value: Any) -> str | None:
    """A value as its Parquet column holds it."""
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def record_of(row: Row) -> Record:
    """A record that starts as this row."""
    values = (row.prompt, row.completion, row.reference, row.soft, row.tags, row.meta)
    return Record(dict(zip(FIELDS, (row.id, *(dump(value) for value in values)), strict=True)))


def fold(record: Record, changes: Iterable[Change]) -> Record:
    """Apply changes to a record, in order."""
    for one in changes:
        ACTIONS[one.kind](record, one)
    return record


def folded(row: Row, changes: Sequence[Change]) -> Record:
    """A row with its changes applied."""
    return fold(record_of(row), changes)


def stamp(record: Record) -> str:
    """16 hex digits that differ when what a person sees of the row differs: what an edit form says it was filled from."""
    return fingerprint({"row": {name: record.get(name) for name in CONTENT}, "rejected": record.rejected})[:16]


def with_text(message: Message | None, text: str | None) -> Message | None:
    """A message with another text; None takes the message away."""
    if text is None:
        return None
    made: Message = {**message} if message else {"role": "assistant"}
    made["content"] = text
    return made


def _answer(record: Record, name: str, message: Message | None, *, by: str, at: str) -> None:
    """A person's answer: the teacher's other answers no longer speak for it."""
    record.set(name, message, by=by, at=at)
    if name == "completion" and "completion" in record.touched:
        record.set("soft", None, by=by, at=at)


def _tag(record: Record, one: Change) -> None:
    tags = record.get("tags") or []
    if one.params["tag"] not in tags:
        record.set("tags", [*tags, one.params["tag"]], by=one.by, at=one.at)


def _untag(record: Record, one: Change) -> None:
    tags = record.get("tags") or []
    if one.params["tag"] in tags:
        record.set("tags", [tag for tag in tags if tag != one.params["tag"]], by=one.by, at=one.at)


def _reject(record: Record, one: Change) -> None:
    record.rejected = {"by": one.by, "reason": one.params.get("reason") or "Rejected by hand"}


def _unreject(record: Record, one: Change) -> None:
    record.rejected = None


def _label(record: Record, one: Change) -> None:
    name, text = one.params["field"], one.params["text"]
    present = record.get(name)
    if present is None or present.get("content") != text or present.get("tool_calls"):
        _answer(record, name, {"role": "assistant", "content": text}, by=one.by, at=one.at)


def _replace(record: Record, one: Change) -> None:
    assert one.replacement is not None
    name = one.params["field"]
    if name == "prompt":
        made = [_replaced(message, one.replacement) for message in record.get("prompt")]
        record.set("prompt", made, by=one.by, at=one.at)
    elif record.get(name) is not None:
        _answer(record, name, _replaced(record.get(name), one.replacement), by=one.by, at=one.at)


def _replaced(message: Message, found: Replacement) -> Message:
    text = message.get("content")
    return {**message, "content": found.apply(text)} if isinstance(text, str) else message


def _row(record: Record, one: Change) -> None:
    for name, value in one.params.items():
        if name in ("completion", "reference"):
            _answer(record, name, with_text(record.get(name), value), by=one.by, at=one.at)
        else:
            record.set(name, value, by=one.by, at=one.at)


ACTIONS = {
    "row": _row,
    "tag": _tag,
    "untag": _untag,
    "reject": _reject,
    "unreject": _unreject,
    "label": _label,
    "replace": _replace,
}
