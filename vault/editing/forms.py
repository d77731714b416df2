"""What people type to edit rows. Names begin with ``do``, so that they can stand beside a filter in one address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.http import QueryDict

from studio.lib.errors import StudioError
from vault.editing.matching import Replacement
from vault.rows import Message, Row

TAG_CHARS = 100
REASON_CHARS = 300
FIND_CHARS = 2_000
TEXT_CHARS = 100_000
EDIT_CHARS = 500_000
"""Characters of a row that are edited in a form."""

KINDS = ("tag", "untag", "reject", "unreject", "label", "replace")
ANSWERS = ("completion", "reference")
TEXTS = ("prompt", "completion", "reference")


class Incomplete(StudioError):
    """Something has still to be typed."""


class Asked(NamedTuple):
    """An operation as somebody asked for it."""

    kind: str
    params: dict[str, Any]


def read_operation(data: QueryDict) -> Asked:
    """The operation that was typed. Raises :class:`Incomplete` for what is missing and ``StudioError`` for what is wrong."""
    kind = data.get("do", "")
    if kind not in KINDS:
        raise Incomplete("Nothing was chosen to be done.", action="Choose what to do with the rows.")
    if kind in ("tag", "untag"):
        return Asked(kind, {"tag": _tag(_line(data, "do_tag"))})
    if kind == "reject":
        return Asked(kind, {"reason": _line(data, "do_reason")[:REASON_CHARS]})
    if kind == "unreject":
        return Asked(kind, {})
    if kind == "label":
        text = _text(data, "do_text", most=TEXT_CHARS).strip()
        if not text:
            raise Incomplete("The answer is empty.", action="Write the answer that these rows are to have.")
        return Asked(kind, {"field": _choice(data, "do_field", ANSWERS), "text": text})
    params = {
        "field": _choice(data, "do_field", TEXTS),
        "find": _text(data, "do_find", most=FIND_CHARS),
        "replacement": _text(data, "do_replacement", most=TEXT_CHARS),
        "regex": data.get("do_regex") == "on",
        "ignore_case": data.get("do_ignore_case") == "on",
    }
    if not params["find"]:
        raise Incomplete("There is nothing to find.", action="Write the text or the pattern to look for.")
    if params["find"] == params["replacement"] and not params["regex"] and not params["ignore_case"]:
        raise StudioError("The text and its replacement are the same.", action="Change one of them.")
    Replacement.from_params(params)
    return Asked(kind, params)


def _line(data: QueryDict, name: str) -> str:
    return " ".join(str(data.get(name, "")).replace("\0", "").split())


def _text(data: QueryDict, name: str, *, most: int) -> str:
    text = typed(str(data.get(name, "")))
    if len(text) > most:
        raise StudioError(f"The text has {len(text):,} characters; {most:,} are allowed.", action="Shorten it.")
    return text


def _choice(data: QueryDict, name: str, choices: Sequence[str]) -> str:
    value = data.get(name, choices[0])
    if value not in choices:
        raise StudioError(f"“{value}” is not a field that can be changed.", action=f"Use one of {', '.join(choices)}.")
    return str(value)


def _tag(text: str) -> str:
    if not text:
        raise Incomplete("The tag is empty.", action="Write the tag.")
    if len(text) > TAG_CHARS:
        raise StudioError(f"The tag has {len(text)} characters; {TAG_CHARS} are allowed.", action="Shorten it.")
    return text


def typed(text: str) -> str:
    """Text from a form: forms send line breaks as CR LF, and no database takes a null character in JSON."""
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


@dataclass
class RowForm:
    """The edit form of one row: the texts of its messages, its answers, its tags (one a line)."""

    prompt: list[str]
    completion: str = ""
    reference: str = ""
    tags: str = ""
    roles: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, row: Row) -> RowForm:
        """Filled from a row."""
        return cls(
            prompt=[_content(message) for message in row.prompt],
            completion=_content(row.completion),
            reference=_content(row.reference),
            tags="\n".join(row.tags),
            roles=[message.get("role", "") for message in row.prompt],
        )

    @classmethod
    def typed(cls, data: QueryDict, row: Row) -> RowForm:
        """As somebody typed it over ``row``; a message that the form did not have stays."""
        before = cls.of(row)
        return cls(
            prompt=[typed(data.get(f"message{n}", text)) for n, text in enumerate(before.prompt)],
            completion=typed(data.get("completion", before.completion)),
            reference=typed(data.get("reference", before.reference)),
            tags=typed(data.get("tags", before.tags)),
            roles=before.roles,
        )

    @property
    def messages(self) -> list[tuple[int, str, str]]:
        """``(number, role, text)`` of each message."""
        return [(n, role, text) for n, (role, text) in enumerate(zip(self.roles, self.prompt, strict=True))]

    def changes(self, row: Row) -> dict[str, Any]:
        """The params of the operation that makes ``row`` what was typed: changed fields only. Raises ``StudioError``."""
        before = RowForm.of(row)
        params: dict[str, Any] = {}
        # A text that differs in its line breaks alone was not touched: a form can't give them back.
        if [typed(text) for text in before.prompt] != self.prompt:
            if not any(text.strip() for text in self.prompt):
                raise StudioError("The prompt is empty.", action="Write what was asked, or reject the row.")
            params["prompt"] = [
                message if typed(old) == new else {**message, "content": new}
                for message, old, new in zip(row.prompt, before.prompt, self.prompt, strict=True)
            ]
        for name in ANSWERS:
            old, new = typed(getattr(before, name)), getattr(self, name)
            if old != new:
                params[name] = new if new.strip() else None
        tags = list(dict.fromkeys(_tag(" ".join(line.split())) for line in self.tags.split("\n") if line.strip()))
        if tags != row.tags and tags != [" ".join(tag.split()) for tag in row.tags]:
            params["tags"] = tags
        return params


def _content(message: Message | None) -> str:
    return (message.get("content") or "") if message else ""


def can_be_edited(row: Row) -> bool:
    """Whether the row's texts fit a form."""
    texts = [_content(message) for message in (*row.prompt, row.completion, row.reference)]
    return sum(len(text) for text in texts) <= EDIT_CHARS
