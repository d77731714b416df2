"""Operations and changes as a person reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vault.models import EditOperation
from vault.rows import Message, Row, text_of
from vault.word_diff import Piece, compare

NAMES = {"prompt": "prompt", "completion": "answer", "reference": "reference", "tags": "tags"}
ICONS = {
    "row": "pencil",
    "tag": "tag",
    "untag": "tag",
    "reject": "ban",
    "unreject": "rotate-ccw",
    "label": "check-check",
    "replace": "repeat",
}
LONGEST = 6_000
"""Characters of a text that a list of changes compares."""

AROUND = 90
"""Characters of unchanged text that stay beside a change."""


def describe(operation: EditOperation) -> str:
    """What an operation does, in one line."""
    return sentence(operation.kind, operation.params, rows=operation.count, first=operation.low)


def sentence(kind: str, params: Mapping[str, Any], *, rows: int, first: int = 0) -> str:
    """What such an operation does to this many rows, in one line."""
    what = f"row {first + 1:,}" if rows == 1 else f"{rows:,} rows"
    if kind == "row":
        fields = [NAMES[name] for name in params if name in NAMES]
        return f"Edited {what}: {', '.join(fields)}"
    if kind == "tag":
        return f"Added the tag “{params['tag']}” to {what}"
    if kind == "untag":
        return f"Took the tag “{params['tag']}” off {what}"
    if kind == "reject":
        return f"Rejected {what}" + (f": {params['reason']}" if params.get("reason") else "")
    if kind == "unreject":
        return f"Kept {what} after all"
    if kind == "label":
        return f"Set the {NAMES[params['field']]} of {what} to “{short(params['text'])}”"
    found = f"pattern {short(params['find'])}" if params.get("regex") else f"“{short(params['find'])}”"
    return f"Replaced {found} by “{short(params['replacement'])}” in the {NAMES[params['field']]} of {what}"


def short(text: str, *, most: int = 60) -> str:
    """The beginning of a text, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


@dataclass(frozen=True)
class FieldChange:
    """One field before and after: word by word for texts, added and removed ones for tags."""

    name: str
    pieces: Sequence[Piece] = field(default_factory=list)
    added: Sequence[str] = field(default_factory=list)
    removed: Sequence[str] = field(default_factory=list)


def field_changes(before: Row, after: Row) -> list[FieldChange]:
    """What differs between two rows in prompt, answer, reference and tags."""
    found = []
    for name, old, new in (
        ("Prompt", prompt_text(before.prompt), prompt_text(after.prompt)),
        ("Answer", before.completion_text, after.completion_text),
        ("Reference", before.reference_text, after.reference_text),
    ):
        if old != new:
            found.append(FieldChange(name, pieces_of(old or "", new or "")))
    if before.tags != after.tags:
        added = [tag for tag in after.tags if tag not in before.tags]
        removed = [tag for tag in before.tags if tag not in after.tags]
        if added or removed:
            found.append(FieldChange("Tags", added=added, removed=removed))
    return found


def prompt_text(prompt: Sequence[Message]) -> str:
    """A prompt as one text; who speaks stands before each message when there is more than one."""
    if len(prompt) == 1:
        return text_of(prompt[0]) or ""
    return "\n".join(f"{message.get('role', '')}: {text_of(message) or ''}" for message in prompt)


def pieces_of(old: str, new: str) -> list[Piece]:
    """The difference of two texts for a list: what they share far from a change is left out."""
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    start = head - 400 if head > 500 else 0
    pieces = compare(old[start : start + LONGEST], new[start : start + LONGEST])
    cut = [Piece("same", "… ")] if start else []
    return cut + [shorten(piece, first=not n, last=n == len(pieces) - 1) for n, piece in enumerate(pieces)]


def shorten(piece: Piece, *, first: bool, last: bool) -> Piece:
    """A piece with the middle of its unchanged text left out."""
    text = piece.text
    if piece.kind != "same" or len(text) <= 2 * AROUND + 10:
        return piece
    if first:
        return Piece("same", f"… {text[-AROUND:]}")
    if last:
        return Piece("same", f"{text[:AROUND]} …")
    return Piece("same", f"{text[:AROUND]} … {text[-AROUND:]}")
